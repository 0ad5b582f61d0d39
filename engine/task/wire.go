package task

import (
	"fmt"
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
	"github.com/caltrop/caltrop/cep/prog"
)

// streamAt returns the place of a stream among those that the task reads, -1
// for one that it does not.
func (t *Task) streamAt(name string) int {
	return slices.IndexFunc(t.streams, func(s stream) bool { return s.name == name })
}

// groupOf finds or makes the group of a rule's streams. A new one starts with
// the events of its streams that other groups still hold.
func (t *Task) groupOf(r *prog.Rule) (*group, error) {
	var streams, asides []int
	for n, sch := range schemasOf(r) {
		i := t.streamAt(sch.Stream)
		if i < 0 {
			return nil, fmt.Errorf("starting rule %s: the task does not read stream %s", r.Name, sch.Stream)
		}
		streams = append(streams, i)
		if n >= len(r.Streams) {
			asides = append(asides, i)
		}
	}
	slices.Sort(streams)
	slices.Sort(asides)
	for _, g := range t.groups {
		if slices.Equal(g.streams, streams) && slices.Equal(g.asides, asides) {
			return g, nil
		}
	}
	g := t.newGroup(streams, asides)
	t.fill(g)
	g.survey()
	t.surveyAlerts(g)
	t.groups = append(t.groups, g)
	return g, nil
}

func (t *Task) newGroup(streams, asides []int) *group {
	lateness, mark := int64(0), int64(ended)
	for _, i := range streams {
		lateness = max(lateness, t.streams[i].lateness)
		mark = min(mark, t.streams[i].mark)
	}
	return &group{id: uint32(len(t.groups)), streams: streams, asides: asides, mark: mark, first: unset, held: newQueue(len(streams), lateness),
		above: slices.Contains(streams, t.back.stream)}
}

func (t *Task) fill(g *group) {
	taken := map[*event.Event]bool{}
	for _, other := range t.groups {
		for _, h := range other.held.all() {
			feed := slices.Index(g.streams, other.streams[h.feed])
			if feed >= 0 && h.time > g.mark && !taken[h.ev] {
				taken[h.ev] = true
				h.feed, h.known, h.idle = uint16(feed), false, false
				h.ev.Hold.Queues++
				g.held.push(&h)
				if !slices.Contains(g.asides, g.streams[feed]) && (g.first == unset || h.time < g.first) {
					g.first = h.time
				}
			}
		}
	}
}

// wire lays out, by stream, the slots and the distinct key projections.
func (g *group) wire(t *Task) {
	g.held.forget()
	g.feeds = make([]feed, len(g.streams))
	g.dying, g.ahead = 0, false
	for _, s := range g.slots {
		if s.died != alive {
			g.dying++
		}
		if s.withdrawn {
			continue
		}
		g.ahead = g.ahead || s.ahead != nil
		for i, sch := range s.rule.Streams {
			f := &g.feeds[g.feedOf(t, sch.Stream)]
			p := tap{slot: s}
			for _, fields := range s.rule.Keys[i].Roles {
				p.roles = append(p.roles, f.keyer(fields, s.salts(), t.cfg.Owns))
			}
			f.tap(sch, p)
		}
	}
	for _, h := range g.histories {
		f := &g.feeds[g.feedOf(t, h.prog.Stream.Stream)]
		h.keyer = f.keyer(h.prog.Key, 0, t.cfg.Owns)
		f.histories = append(f.histories, h)
		g.ahead = g.ahead || h.ahead != nil
	}
	for i := range g.feeds {
		g.feeds[i].sift()
		g.feeds[i].list()
	}
}

// tap adds a tap for events of the schema that its rule was compiled against.
func (f *feed) tap(schema *event.Schema, p tap) {
	r := f.route(schema)
	if r == nil {
		f.routes = append(f.routes, route{schema: schema})
		r = &f.routes[len(f.routes)-1]
	}
	r.early = r.early || p.slot.ahead != nil
	r.taps = append(r.taps, p)
}

// sift makes the sieves of a feed whose taps are laid out.
func (f *feed) sift() {
	for i := range f.routes {
		r := &f.routes[i]
		r.sheet = match.NewSheet()
		evaluators := make([]match.Evaluator, len(r.taps))
		for j := range r.taps {
			evaluators[j] = r.taps[j].slot.eval
			if e, ok := evaluators[j].(match.Sharing); ok {
				e.Share(r.schema, r.sheet)
			}
		}
		r.sieve = match.NewSieve(r.schema, evaluators)
		r.muster()
	}
}

// feedOf returns the position of a stream in the group, -1 when it reads
// another's.
func (g *group) feedOf(t *Task, stream string) int {
	return slices.IndexFunc(g.streams, func(n int) bool { return t.streams[n].name == stream })
}

func (f *feed) keyer(fields []int, salts int, owns func([]byte) bool) *keyer {
	for _, k := range f.keyers {
		if k.salts == salts && slices.Equal(k.fields, fields) {
			return k
		}
	}
	k := &keyer{fields: fields, salts: salts, owns: owns}
	f.keyers = append(f.keyers, k)
	return k
}
