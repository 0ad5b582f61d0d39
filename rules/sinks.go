package rules

import (
	"fmt"
	"slices"
	"time"

	"github.com/caltrop/caltrop/cep/syntax"
	"github.com/caltrop/caltrop/sinks/alert"
)

// SinksMax bounds the live sinks: each is a consumer in every process.
const SinksMax = 32

// A Sink is a sink document with the time from which alerts go to it.
type Sink struct {
	Doc      *syntax.Sink
	Since    time.Time // when one of its name was stored first; zero in a file
	Revision int       // 1 for a sink read from a file
}

// A sinkIn is a sink with its file.
type sinkIn struct {
	doc  *syntax.Sink
	file *syntax.File
}

// Selects reports whether an alert was detected since there is such a sink, and
// meets all its conditions. A tag is one of the rule as it is in the set.
func (s *Set) Selects(k *Sink, a *alert.Alert) bool {
	return !time.UnixMicro(a.DetectedAt).Before(k.Since) && s.meets(a, &k.Doc.Match)
}

// SelectsView is Selects for an update of a view: its name, and the text of its
// key.
func (s *Set) SelectsView(k *Sink, view, key string) bool {
	m := &k.Doc.Match
	if k.Doc.Options.View != "" && k.Doc.Options.View != view || m.Key != "" && m.Key != key {
		return false
	}
	if m.Tag == "" {
		return true
	}
	v := s.View(view)
	return v != nil && slices.Contains(v.Doc.Tags, m.Tag)
}

// RipeFor is when an alert goes to a sink by the clock: at once, where the sink
// takes early alerts or the rule, as it is in the set, raises final ones. Any
// other waits until its final_after, and at least as long after it was detected
// as the watermark had to go: where events are read later than they happened, it
// is behind the clock.
func (s *Set) RipeFor(k *Sink, a *alert.Alert) time.Time {
	r := s.Rule(a.Rule)
	if k.Doc.Timing == "early" || r != nil && r.Revision == a.Revision && !r.Prog.Early {
		return time.Time{}
	}
	return time.UnixMicro(max(a.FinalAfter, a.DetectedAt+a.FinalAfter-a.At))
}

// addSinks adds the sinks of the sources that do not write what is read.
func (c *checker) addSinks() {
	for _, k := range c.sinks {
		if what := c.set.readerOf(k.doc.Options.Topic); what != "" {
			at := k.doc.Options.TopicPos
			c.report(k.file, syntax.Problem{Line: at.Line, Col: at.Col, Pointer: "/options/topic",
				Detail: fmt.Sprintf("topic %s is read by %s: alerts are not written into it", k.doc.Options.Topic, what),
				Hint:   "give a topic of its own; a rule over the stream alerts reads alerts"})
			continue
		}
		c.set.Sinks = append(c.set.Sinks, &Sink{Doc: k.doc, Revision: 1})
	}
}

// readerOf names the stream or list that reads a topic; "" where none does.
func (s *Set) readerOf(topic string) string {
	if topic == "" {
		return ""
	}
	for _, st := range s.Streams {
		if st.Doc.Topic == topic {
			return "stream " + st.Doc.Name
		}
	}
	for _, l := range s.Lists {
		if l.Doc.Topic == topic {
			return "list " + l.Doc.Name
		}
	}
	return ""
}

// writerOf names the sink that writes a topic; "" where none does.
func (s *Set) writerOf(topic string) string {
	for _, k := range s.Sinks {
		if k.Doc.Options.Topic == topic {
			return k.Doc.Name
		}
	}
	return ""
}

// sink adds a stored revision of a sink; first is the first one of its name.
func (c *compiler) sink(set *Set, rev, first *Revision) {
	known := parsed(set, rev, c.sinks, func(d *syntax.Sink) (*Sink, []syntax.Problem) {
		since := rev.Time
		if first != nil {
			since = first.Time
		}
		return &Sink{Doc: d, Since: since, Revision: rev.Revision}, nil
	})
	if known != nil {
		set.Sinks = append(set.Sinks, known)
	}
}

// checkSink refuses one sink too many.
func (s *state) checkSink(name string, file *syntax.File) error {
	known := slices.ContainsFunc(s.set.Sinks, func(each *Sink) bool { return each.Doc.Name == name })
	if known || len(s.set.Sinks) < SinksMax {
		return nil
	}
	return placed(full("sinks", len(s.set.Sinks), SinksMax), file)
}
