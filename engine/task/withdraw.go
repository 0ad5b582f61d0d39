package task

import (
	"slices"

	"github.com/caltrop/caltrop/cep/window"
	"github.com/caltrop/caltrop/sinks/view"
)

// How fast a revision of a view that has ended takes back what it has published:
// so many keys at once, and then so many as often as event time has gone on by so
// much.
const (
	withdrawnAtOnce = 10_000
	withdrawnEvery  = 1e6 // µs
)

// withdrawDeleted ends all revisions at work of views that the set does not have.
func (t *Task) withdrawDeleted(g *group, set Set) {
	for _, s := range g.slots {
		if s.shown != nil && !s.withdrawn && !slices.ContainsFunc(set.Views, func(r Ref) bool { return r.Name == s.ref.Name }) {
			t.withdraw(g, s)
		}
	}
}

// withdraw ends a revision of a view: it sees nothing more, and each key of which
// it has the last word becomes empty, by timer where they are many. Its slot stays
// until then.
func (t *Task) withdraw(g *group, s *slot) {
	s.withdrawn, s.until = true, g.mark
	for i, key := range t.onShow(s) {
		at := g.mark + 1 + int64(i/withdrawnAtOnce)*withdrawnEvery
		p := t.pulse(s, []byte(key))
		p.due, p.next, p.until = false, 0, 0
		if i < withdrawnAtOnce {
			t.empty(s, []byte(key), &p, at)
		} else {
			p.until, s.until = at, at
		}
		t.putPulse(s, []byte(key), &p)
	}
}

// onShow lists, in order, the keys of which a revision has the last word.
func (t *Task) onShow(s *slot) []string {
	var keys []string
	for _, id := range []uint32{s.id, s.id | pulseBit} {
		t.cfg.State.Each(id, func(key, _ []byte, _, _ int64) { keys = append(keys, string(key)) })
	}
	slices.Sort(keys)
	return slices.DeleteFunc(slices.Compact(keys), func(key string) bool { return !t.shows(s, []byte(key)) })
}

// shows reports whether a revision has the last word of a key: it has a window
// that will end, or values that outlive theirs.
func (t *Task) shows(s *slot, key []byte) bool {
	return len(s.store.Get(key)) > 0 || t.pulse(s, key).until > 0
}

// empty says of a key that it has no window, unless a later revision has the last
// word of it.
func (t *Task) empty(s *slot, key []byte, p *pulse, at int64) {
	for _, other := range t.slots {
		if other.id > s.id && other.shown != nil && other.ref.Name == s.ref.Name && t.shows(other, key) {
			return
		}
	}
	t.show(s, key, p, at, view.Empty, &window.Glance{})
}

// lapsed says of a window that has ended after its revision did that it is over.
func (t *Task) lapsed(s *slot, key []byte) {
	for _, c := range s.shown.gauge.Changes() {
		p := t.pulse(s, key)
		if c.Turn == window.Moved || p.until == 0 && len(s.store.Get(key)) > 0 {
			continue
		}
		p.due, p.next, p.until = false, 0, 0
		t.empty(s, key, &p, c.At)
		t.putPulse(s, key, &p)
	}
}
