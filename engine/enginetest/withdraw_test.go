package enginetest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/caltrop/caltrop/engine/state"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/sinks/view"
)

const shownStream = `apiVersion: caltrop/v1
kind: Stream
name: payment
source: {topic: payments}
time: {field: ts, unit: ms}
partition_key: card
lateness: 2s
fields: {card: string, amount: int}
`

const shownView = `apiVersion: caltrop/v1
kind: View
name: shown
key: card
window: {stream: payment, %s}
values: {n: count(), total: 'sum(amount * %d)'}
to: [redis]
every: 3s
`

// A showing drives a task that has one view, and keeps the last update of each
// key.
type showing struct {
	t      *testing.T
	lib    *Library
	task   *task.Task
	eff    task.Effects
	offset int64
	last   map[string]view.Update
	told   int // updates since the last switch
}

func newShowing(t *testing.T, window string) *showing {
	t.Helper()
	lib, err := NewLibrary(shownStream)
	if err != nil {
		t.Fatal(err)
	}
	for rev := 1; rev <= 2; rev++ {
		if err := lib.Add(rev, fmt.Sprintf(shownView, window, rev)); err != nil {
			t.Fatal(err)
		}
	}
	return &showing{t: t, lib: lib, last: map[string]view.Update{},
		task: task.New(task.Config{Sources: []task.Source{{Stream: "payment"}}, Resolver: lib, State: state.NewMemory()})}
}

// use makes a revision of the view the live one; 0: there is none.
func (s *showing) use(revision int) {
	s.t.Helper()
	s.told = 0
	set := s.lib.Set()
	if revision > 0 {
		set.Views = []task.Ref{{Name: "shown", Revision: revision}}
	}
	s.note(s.task.Apply(task.Entry{Kind: task.Switch, Set: set}, &s.eff))
}

// read reads a payment, at ms after the start.
func (s *showing) read(card string, ms int) {
	s.t.Helper()
	s.note(s.task.Step(&task.Record{Offset: s.offset, SourceOffset: s.offset, Value: fmt.Appendf(nil, `{"card":%q,"amount":1,"ts":%d}`, card, scriptStart+ms)}, &s.eff))
	s.offset++
}

func (s *showing) note(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, u := range s.eff.Views {
		if before, known := s.last[u.KeyText()]; known && before.Version >= u.Version {
			s.t.Fatalf("the update of %s at %d is no newer than the one before it: %s, then %s", u.KeyText(), u.At, before.AppendJSON(nil), u.AppendJSON(nil))
		}
		s.last[u.KeyText()] = u
		s.told++
	}
	s.eff.Reset()
}

// standing counts the keys whose last update has no tombstone behind it.
func (s *showing) standing() (n int) {
	for _, u := range s.last {
		if !u.Gone {
			n++
		}
	}
	return n
}

// TestADeletedViewTakesBackWhatItShows stores, changes and deletes a view of each
// kind while events come: deleted it has no key that stands, and changed none in
// the end that its new revision says nothing of. Of a key the versions grow.
func TestADeletedViewTakesBackWhatItShows(t *testing.T) {
	for _, window := range []string{"session: 20s", "rolling: 20s", "tumbling: 5s", "sliding: 20s, every: 5s"} {
		t.Run(window, func(t *testing.T) {
			deleted, changed := 0, 0
			for seed := range uint64(80) {
				s, r := newShowing(t, window), rand.New(rand.NewPCG(seed, 3))
				ms, live := 0, 1
				s.use(live)
				for range 200 {
					ms += r.IntN(1500)
					s.read(fmt.Sprint("c", r.IntN(12)), ms-r.IntN(1900))
					if r.IntN(25) > 0 {
						continue
					}
					before := s.standing()
					live = r.IntN(3)
					s.use(live)
					if live == 0 {
						deleted += before
						if n := s.standing(); n > 0 {
							t.Fatalf("seed %d: of a view that was deleted %d keys stand: %v", seed, n, s.last)
						}
					}
				}
				if live == 0 {
					live = 2
					s.use(2)
				}
				s.read("c1", ms+1000)
				s.use(3 - live)
				changed += s.standing()
				s.read("other", ms+600_000)
				for key, u := range s.last {
					if !u.Gone && key != "other" {
						t.Fatalf("seed %d: of a view that was changed %s stands after ten minutes: %s", seed, key, u.AppendJSON(nil))
					}
				}
			}
			if deleted < 80 || changed < 80 {
				t.Errorf("%d keys stood when the view was deleted, %d when it was changed: the runs prove little", deleted, changed)
			}
		})
	}
}

// TestAViewOfManyKeysTakesThemBackByAndBy deletes a view that shows more keys than
// go into one step, and stores it again before all are taken back: a key that it
// shows anew stays.
func TestAViewOfManyKeysTakesThemBackByAndBy(t *testing.T) {
	const atOnce, more = 10_000, 5
	s := newShowing(t, "session: 1h")
	s.use(1)
	for i := range atOnce + more {
		s.read(fmt.Sprintf("c%05d", i), 0)
	}
	s.read("c00000", 10_000)
	s.use(0)
	if n := s.standing(); s.told != atOnce || n != more {
		t.Fatalf("%d keys are taken back at once, %d stand; want %d and %d", s.told, n, atOnce, more)
	}
	s.use(2)
	anew := fmt.Sprintf("c%05d", atOnce+2)
	s.read(anew, 8_500)
	s.read("c00001", 20_000)
	if n := s.standing(); n != 1 || s.last[anew].Gone || s.last[anew].Revision != 2 {
		t.Errorf("%d keys stand, want one: %s is %+v", n, anew, s.last[anew])
	}
	s.use(0)
	if n := s.standing(); n != 0 {
		t.Errorf("%d keys stand of a view that was deleted again", n)
	}
}
