package bench

import (
	"fmt"

	"github.com/caltrop/caltrop/cep/ceptest"
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/rules/offline"
)

// A Verdict is what the oracle says of the first events of a source.
type Verdict struct {
	Events int
	Engine Tally
	Oracle Tally
}

// Equal reports whether engine and oracle raised the same alerts.
func (v *Verdict) Equal() bool { return v.Engine == v.Oracle }

// Judge runs engine and oracle over the first n events of a source, which it
// opens twice. The events must be in order of time and of different ids.
func Judge(set *rules.Set, open func() (Source, error), lane Lane, n int) (*Verdict, error) {
	in, err := open()
	if err != nil {
		return nil, err
	}
	run, err := Measure(set, &begin{in, n}, lane)
	if err != nil {
		return nil, err
	}
	v := &Verdict{Engine: run.Tally}
	if in, err = open(); err != nil {
		return nil, err
	}
	accepted, err := decode(set, &begin{in, n})
	if err != nil {
		return nil, err
	}
	v.Events = len(accepted)
	schemas := map[string]*event.Schema{}
	for _, st := range set.Streams {
		schemas[st.Doc.Name] = st.Schema
	}
	for _, r := range set.Rules {
		o, err := ceptest.New(r.Doc, schemas)
		if err != nil {
			return nil, fmt.Errorf("judging rule %s: %w", r.Doc.Name, err)
		}
		alerts := o.Alerts(accepted, o.Covered(accepted))
		for i := range alerts {
			v.Oracle.Add(markOfOracle(r.Doc.Name, &alerts[i]))
		}
	}
	return v, nil
}

// decode reads all events of a source and numbers them by stream.
func decode(set *rules.Set, in Source) ([]*event.Event, error) {
	decoder := event.NewLineDecoder(offline.Decls(set))
	next := map[*event.Schema]int64{}
	var events []*event.Event
	for {
		line, more, err := in.Next(nil)
		if err != nil || !more {
			return events, err
		}
		ev := &event.Event{}
		if err := decoder.Decode(line, ev); err != nil {
			return nil, &offline.LineError{Line: in.Line(), Cause: err}
		}
		ev.Offset = next[ev.Schema]
		next[ev.Schema]++
		events = append(events, ev)
	}
}

// begin is the beginning of a source.
type begin struct {
	Source
	left int
}

// Next implements Source.
func (b *begin) Next(buf []byte) ([]byte, bool, error) {
	if b.left == 0 {
		return buf, false, nil
	}
	b.left--
	return b.Source.Next(buf)
}
