package ceptest

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/cep/syntax"
)

// Refused is a problem of a rule's text.
type Refused struct{ Problem syntax.Problem }

// Error renders the problem with its place.
func (r *Refused) Error() string { return r.Problem.String() }

// A Setting is a rule with the streams, profiles and lists it reads, out of one
// text.
type Setting struct {
	Text     string
	Streams  map[string]*syntax.Stream
	Schemas  map[string]*event.Schema
	Rule     *syntax.Rule // nil where View is not
	View     *syntax.View
	Profiles []*syntax.Profile // that the text reads
	Lists    []*syntax.List
	Tables   map[string]*expr.Table // what the lists hold
	known    expr.Lists
	decls    []event.Decl
}

// Parse reads stream, profile and list documents and one rule or view. The
// error is a *Refused with the first problem that is not a warning.
func Parse(text string) (*Setting, error) {
	s := &Setting{Text: text, Streams: map[string]*syntax.Stream{}, Schemas: map[string]*event.Schema{}}
	file, problems := syntax.Parse("rule.yaml", []byte(text))
	for _, p := range problems {
		if !p.Warning {
			return nil, &Refused{p}
		}
	}
	for _, doc := range file.Documents {
		switch doc := doc.(type) {
		case *syntax.Stream:
			s.Streams[doc.Name] = doc
			s.Schemas[doc.Name] = prog.SchemaOf(doc)
			decl := prog.DeclOf(doc, s.Schemas[doc.Name])
			decl.HashKey = []byte(event.DevelopmentKey)
			s.decls = append(s.decls, decl)
		case *syntax.Profile:
			if strings.Contains(text, "profile."+strings.ReplaceAll(doc.Name, "-", "_")+".") {
				s.Profiles = append(s.Profiles, doc)
			}
		case *syntax.List:
			s.Lists = append(s.Lists, doc)
		case *syntax.Rule:
			s.Rule = doc
		case *syntax.View:
			s.View = doc
		}
	}
	if s.Rule == nil && s.View == nil {
		return nil, fmt.Errorf("parsing the rule: the text holds no rule")
	}
	s.known, s.Tables = tablesOf(s.Lists)
	return s, nil
}

// Accept decodes input lines in arrival order and leaves out what a task does
// not accept: late events and second events of one id. Each stream is one
// partition.
func (s *Setting) Accept(lines [][]byte) ([]*event.Event, error) {
	decoder := event.NewLineDecoder(s.decls)
	read := map[string]*reading{}
	var accepted []*event.Event
	for n, line := range lines {
		ev := &event.Event{}
		if err := decoder.Decode(line, ev); err != nil {
			return nil, fmt.Errorf("reading line %d: %w", n+1, err)
		}
		stream := ev.Schema.Stream
		if read[stream] == nil {
			read[stream] = &reading{lateness: s.Streams[stream].Lateness.Microseconds(), ids: map[string]bool{}}
		}
		if read[stream].accepts(ev, s.idOf(ev)) {
			accepted = append(accepted, ev)
		}
	}
	return accepted, nil
}

// A reading is how far one stream has been read.
type reading struct {
	lateness int64
	next     int64 // offset
	greatest int64
	begun    bool
	ids      map[string]bool
}

// idOf is what no second event of its stream may have: the id, for its key.
func (s *Setting) idOf(ev *event.Event) string {
	id := fmt.Sprintf("%q", ev.ID)
	for _, name := range s.Streams[ev.Schema.Stream].PartitionKey {
		if at := ev.Schema.Index(name); at >= 0 {
			id += fmt.Sprintf(" %q", ev.Values[at].AppendText(nil))
		}
	}
	return id
}

func (r *reading) accepts(ev *event.Event, id string) bool {
	ev.Offset = r.next
	r.next++
	if ev.ID == "" {
		ev.ID = ev.Schema.Stream + "/0/" + strconv.FormatInt(ev.Offset, 10)
		id = ev.ID
	}
	if r.begun && ev.Time <= r.greatest-r.lateness-1 {
		return false
	}
	if r.ids[id] {
		return false
	}
	r.ids[id] = true
	r.greatest, r.begun = max(r.greatest, ev.Time), true
	return true
}

// Oracle returns the oracle of the rule, which knows the profiles and lists of
// the text. The error is that of New.
func (s *Setting) Oracle() (*Oracle, error) {
	return newOracle(s.Rule, s.Schemas, s.Profiles, s.known, s.Tables)
}

// Judge returns the oracle's alerts for input lines.
func (s *Setting) Judge(lines [][]byte) ([]Alert, error) {
	o, events, err := s.trial(lines)
	if err != nil {
		return nil, err
	}
	return o.Alerts(events, o.Covered(events)), nil
}

// trial returns the oracle and the events that it is to judge.
func (s *Setting) trial(lines [][]byte) (*Oracle, []*event.Event, error) {
	o, err := s.Oracle()
	if err != nil {
		return nil, nil, fmt.Errorf("compiling rule %s: %w", s.Rule.Name, err)
	}
	events, err := s.Accept(lines)
	return o, events, err
}

// Env is what an engine compiles the rule against. The error is the first
// profile that does not compile.
func (s *Setting) Env() (*prog.Env, error) {
	env := &prog.Env{Streams: s.Streams, Schemas: s.Schemas, Profiles: map[string]*prog.Profile{}}
	env.Lists = s.known
	for _, doc := range s.Profiles {
		p, problems := prog.CompileProfile(doc, env)
		if p == nil {
			return nil, &Refused{problems[0]}
		}
		env.Profiles[doc.Name] = p
	}
	return env, nil
}
