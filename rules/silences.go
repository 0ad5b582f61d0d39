package rules

import (
	"slices"
	"time"

	"github.com/caltrop/caltrop/cep/syntax"
	"github.com/caltrop/caltrop/sinks/alert"
)

// A Silence is a silence document with the time from which it holds.
type Silence struct {
	Doc      *syntax.Silence
	From     time.Time // the document's, else when it was stored; zero in a file without one
	Revision int       // 1 for a silence read from a file
}

// silence makes the silence of a document that was stored at a time; zero for one
// of a file.
func silence(d *syntax.Silence, stored time.Time, revision int) *Silence {
	s := &Silence{Doc: d, From: d.From, Revision: revision}
	if s.From.IsZero() {
		s.From = stored
	}
	return s
}

// Silencing names the silences of the set that hold for an alert, in order: those
// whose span, [from, until), has the alert's time, and whose conditions it
// meets. A tag is one of the rule as it is in the set. It is a function of the
// set and the alert: no clock has a part in it.
func (s *Set) Silencing(a *alert.Alert) []string {
	var names []string
	at := time.UnixMicro(a.At)
	for _, each := range s.Silences {
		if !at.Before(each.From) && at.Before(each.Doc.Until) && s.meets(a, &each.Doc.Match) {
			names = append(names, each.Doc.Name)
		}
	}
	return names
}

// meets reports whether an alert meets all conditions that are given.
func (s *Set) meets(a *alert.Alert, m *syntax.Matcher) bool {
	if m.Tag != "" {
		if r := s.Rule(a.Rule); r == nil || !slices.Contains(r.Doc.Tags, m.Tag) {
			return false
		}
	}
	return (m.Rule == "" || m.Rule == a.Rule) && (m.Severity == "" || m.Severity == a.Severity) && (m.Key == "" || m.Key == a.KeyText())
}

// silence adds a stored revision of a silence.
func (c *compiler) silence(set *Set, rev *Revision) {
	known := parsed(set, rev, c.silences, func(d *syntax.Silence) (*Silence, []syntax.Problem) {
		return silence(d, rev.Time, rev.Revision), nil
	})
	if known != nil {
		set.Silences = append(set.Silences, known)
	}
}

// checkSilence refuses one silence too many.
func (s *state) checkSilence(name string, file *syntax.File) error {
	known := slices.ContainsFunc(s.set.Silences, func(each *Silence) bool { return each.Doc.Name == name })
	if known || len(s.set.Silences) < DocumentsMax {
		return nil
	}
	return placed(full("silences", len(s.set.Silences), DocumentsMax), file)
}
