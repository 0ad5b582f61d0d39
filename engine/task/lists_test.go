package task_test

import (
	"fmt"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/match"
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/engine/task"
)

// A reader raises at every event, and a second later, and says how many cards
// its list held each time.
type reader struct{}

func (reader) Event(key []byte, ev *event.Event, _ uint64, s match.Store, out *match.Output) {
	s.Put(key, []byte{1})
	s.Timer(key, ev.Time+1e6)
	out.Found = append(out.Found, match.Found{At: ev.Time, Event: ev, Summary: ev.ID + " sees " + held(s)})
}

func (reader) Deadline(key []byte, at int64, s match.Store, out *match.Output) {
	s.Put(key, nil)
	out.Found = append(out.Found, match.Found{At: at, By: match.ByDeadline, Instant: at, Summary: "later " + held(s)})
}

func held(s match.Store) string {
	t := s.(match.Knowing).Facts().Lists["cards"]
	if t == nil {
		return "nothing"
	}
	return fmt.Sprint(t.Len())
}

// readers makes the rule r and two versions of the list that it reads.
func (r *rig) readers() task.Ref {
	ref := r.rule("r", 1, behaviour{streams: "a", key: []int{0}})
	live := r.live[ref]
	live.Rule.Outside.Lists = []string{"cards"}
	live.Evaluator = func(*prog.Rule) match.Evaluator { return reader{} }
	r.live[ref] = live
	decl := &expr.ListDecl{Name: "cards", Key: event.String}
	for version := 1; version <= 2; version++ {
		t := expr.NewTable(decl, version)
		for i := range version {
			t.Put(event.IntOf(int64(i)), nil)
		}
		r.lists = append(r.lists, t)
	}
	return ref
}

func (r *rig) useList(version int, rules ...task.Ref) {
	r.t.Helper()
	set := task.Set{Streams: []task.Ref{{Name: "a", Revision: 1}, {Name: "b", Revision: 1}}, Rules: rules}
	if version > 0 {
		set.Lists = []task.Ref{{Name: "cards", Revision: version}}
	}
	r.apply(task.Entry{Kind: task.Switch, Set: set})
}

// TestListVersions: a lookup reads the version that was current when the event
// was accepted, a deadline the one of now; a crash in between changes nothing
// (language §8).
func TestListVersions(t *testing.T) {
	for _, crash := range []bool{false, true} {
		t.Run(fmt.Sprintf("crash %v", crash), func(t *testing.T) {
			r := newRig(t)
			rule := r.readers()
			r.useList(1, rule)
			r.step("a1", "c", 0, 1)
			r.useList(2, rule)
			r.step("a2", "c", 0.5, 1)
			if crash {
				r.restart()
			}
			r.step("a3", "c", 20, 1)
			r.step("A4", "c", 20, 1)
			r.expect("r/1 c v1 at 0 a1 sees 1 cards:1", "r/1 c v1 at 0.5 a2 sees 2 cards:2", "r/1 c v1 at 1.5 later 2 cards:2")
		})
	}
}

// TestListsOfARevision: a revision that was live only while its list was there
// reads that version, whatever comes later; a newer one shown older events
// reads what it was compiled against.
func TestListsOfARevision(t *testing.T) {
	r := newRig(t)
	rule := r.readers()
	r.useList(1, rule)
	r.step("a1", "c", 0, 1)
	r.useList(0)
	r.step("a2", "c", 0.5, 1)
	r.restart()
	r.useList(2, rule)
	r.step("a3", "c", 20, 1)
	r.step("A4", "c", 20, 1)
	r.expect("r/1 c v1 at 0 a1 sees 1 cards:1", "r/1 c v1 at 1.5 later 2 cards:2")
}

// restart goes on with a task restored from a snapshot of this moment.
func (r *rig) restart() {
	r.t.Helper()
	restored, err := task.Restore(r.config(), r.task.Snapshot())
	if err != nil {
		r.t.Fatal(err)
	}
	r.task = restored
}
