package task_test

import (
	"fmt"
	"testing"

	"github.com/caltrop/caltrop/engine/task"
)

var byCard = []int{0}

func TestEventsWaitForTheWatermarkAndComeInKeyOrder(t *testing.T) {
	r := newRig(t)
	r.use(r.rule("each", 1, behaviour{streams: "b", key: byCard, raises: true}))
	r.step("b1", "c", 5, 1)
	r.step("b2", "c", 3, 1)
	r.expect()
	r.step("b3", "c", 15, 1) // the watermark is 5 s less 1 µs
	r.expect("each/1 c v1 at 3 b2")
	r.step("b4", "c", 15.000001, 1)
	r.expect("each/1 c v1 at 5 b1")
	r.end()
	r.expect("each/1 c v1 at 15 b3", "each/1 c v1 at 15.000001 b4")
}

// A rule's watermark is the least of its streams', a stream's the least of
// its partitions'.
func TestWatermarkIsTheLeast(t *testing.T) {
	r := newRig(t)
	r.use(r.rule("both", 1, behaviour{streams: "ab", key: byCard, raises: true}), r.rule("one", 1, behaviour{streams: "b", key: byCard, raises: true}))
	r.step("b1", "c", 1, 1)
	r.step("b2", "c", 100, 1)
	r.expect("one/1 c v1 at 1 b1")
	r.step("a1", "c", 50, 1) // the second partition of a has shown nothing
	r.expect()
	r.step("A1", "c", 30, 1)
	r.expect("both/1 c v1 at 1 b1")
	r.end()
	r.expect("both/1 c v1 at 30 A1", "both/1 c v1 at 50 a1", "both/1 c v1 at 100 b2", "one/1 c v1 at 100 b2")
}

// Fault 29.
func TestT29LateByExactlyTheBound(t *testing.T) {
	for _, c := range []struct {
		seconds float64
		want    []string
	}{{90, nil}, {89.999999, []string{"late_partition at 89.999999"}}, {90.000001, nil}} {
		r := newRig(t)
		r.use()
		r.step("b1", "c", 100, 1)
		r.step("b2", "c", c.seconds, 1)
		r.expect(c.want...)
	}
}

// Fault 28: a silent partition's watermark follows the clock; it wakes with
// old events.
func TestT28IdlePartitionWakesWithOldEvents(t *testing.T) {
	r := newRig(t)
	r.use(r.rule("gone", 1, behaviour{streams: "b", key: byCard, absence: 60}))
	r.step("b1", "c", 0, 1)
	r.tick("b", 69)
	r.expect()
	r.tick("b", 70)
	r.expect("gone/1 c v1 at 60 b1")
	r.tick("b", 40) // never back
	r.step("b2", "c", 59.9, 1)
	r.expect("late_stream at 59.9")
	r.step("b3", "c", 60, 1)
	r.expect()
	if got := r.task.Counts(); got.Late != 1 || got.Accepted != 2 {
		t.Errorf("counts %+v, want 2 accepted and 1 late", got)
	}
}

// Fault 26: an event stamped ten years ahead is quarantined and moves nothing.
func TestT26TenYearsAhead(t *testing.T) {
	for _, rec := range []task.Record{{Now: at(5)}, {Append: at(5)}} {
		r := newRig(t)
		r.use()
		r.record(rec, "b1", "c", 10*365*24*3600, 1)
		r.step("b2", "c", 1, 1)
		r.step("b3", "c", 0, 1)
		r.expect("future")
		if mark, _ := r.task.Watermark("b"); mark != at(-9)-1 {
			t.Errorf("the watermark is %d, want %d", mark, at(-9)-1)
		}
	}
}

// Fault 51: an event less than max_future ahead counts as now.
func TestT51AlmostMaxFuture(t *testing.T) {
	r := newRig(t)
	r.use()
	r.record(task.Record{Now: at(100)}, "b1", "c", 399, 1)
	r.step("b2", "c", 91, 1)
	r.expect()
	if got := r.task.Counts().Clamped; got != 1 {
		t.Errorf("%d events counted as now, want 1", got)
	}
}

// Fault 32: producers repeat everything, in another order.
func TestT32EveryEventTwice(t *testing.T) {
	r := newRig(t)
	r.use(r.rule("each", 1, behaviour{streams: "b", key: byCard, raises: true}))
	for _, id := range []string{"b1", "b2", "b2", "b1", "b3"} {
		r.step(id, "c", float64(id[1]-'0'), 1)
	}
	r.step("b3", "d", 3, 1) // the same id under another key is another event
	r.step("b2", "c", 7, 1) // a repeat with another time does not move the watermark
	r.end()
	r.expect("each/1 c v1 at 1 b1", "each/1 c v1 at 2 b2", "each/1 c v1 at 3 b3", "each/1 d v1 at 3 b3")
	if got := r.task.Counts().Duplicates; got != 3 {
		t.Errorf("%d duplicates, want 3", got)
	}
}

// Fault 31: equal times in any interleaving of partitions.
func TestT31EqualTimes(t *testing.T) {
	orders := [][]string{{"a1", "A2", "b3"}, {"b3", "A2", "a1"}, {"A2", "b3", "a1"}}
	for _, order := range orders {
		r := newRig(t)
		r.use(r.rule("each", 1, behaviour{streams: "ab", key: byCard, raises: true}))
		for _, id := range order {
			r.step(id, "c", 1, 1)
		}
		r.end()
		r.expect("each/1 c v1 at 1 a1", "each/1 c v1 at 1 A2", "each/1 c v1 at 1 b3")
	}
}

func TestDeadlinesComeInOrderOfNameAndKeyAndBeforeEvents(t *testing.T) {
	r := newRig(t)
	r.use(r.rule("z", 1, behaviour{streams: "b", key: byCard, absence: 10, raises: true}), r.rule("y", 1, behaviour{streams: "b", key: byCard, absence: 9}))
	r.step("b1", "d", 0, 1)
	r.step("b2", "c", 0, 1)
	r.step("b3", "c", 1, 1)
	r.step("b4", "e", 10, 0)
	r.end()
	r.expect("z/1 d v1 at 0 b1", "z/1 c v1 at 0 b2", "z/1 c v1 at 1 b3",
		"y/1 c v1 at 9 b2", "y/1 d v1 at 9 b1",
		"z/1 c v1 at 10 b2", "z/1 d v1 at 10 b1", "z/1 e v1 at 10 b4")
}

func TestCompositeKeysAndEventsWithoutKey(t *testing.T) {
	r := newRig(t)
	r.use(r.rule("pair", 1, behaviour{streams: "b", key: []int{1, 0}, raises: true}))
	r.step("b1", "c/xx", 0, 1)
	r.step("b2", "c", 1, 1)
	r.end()
	r.expect(`pair/1 [2,"c"] v1 at 0 b1`)
	if got := r.task.Rules()[0].Counts.NoKey; got != 1 {
		t.Errorf("%d events without the rule's key, want 1", got)
	}
}

func TestSuppression(t *testing.T) {
	r := newRig(t)
	r.use(r.rule("each", 1, behaviour{streams: "b", key: byCard, raises: true, suppress: 10}))
	for i, seconds := range []float64{0, 3, 9.999999, 10, 30} {
		r.step([]string{"b0", "b1", "b2", "b3", "b4"}[i], "c", seconds, 1)
	}
	r.step("b5", "d", 31, 1)
	r.end()
	r.expect("each/1 c v1 at 0 b0", "each/1 c v2 at 0 b0 suppressed 2", "each/1 c v1 at 10 b3", "each/1 c v1 at 30 b4", "each/1 d v1 at 31 b5")
}

func TestSuppressionOutlivesTheRevision(t *testing.T) {
	r := newRig(t)
	r.use(r.rule("each", 1, behaviour{streams: "b", key: byCard, raises: true, suppress: 10}))
	r.step("b0", "c", 0, 1)
	r.tick("b", 12)
	r.use(r.rule("each", 2, behaviour{streams: "b", key: byCard, raises: true}))
	r.step("b1", "c", 5, 1)
	r.step("b2", "c", 10, 1)
	r.end()
	r.expect("each/1 c v1 at 0 b0", "each/1 c v2 at 0 b0 suppressed 1", "each/2 c v1 at 10 b2")
}

// A match belongs to the revision that was live when its completing event was
// accepted; a deadline to the one that is live when it fires.
func TestSwitchWhileEventsAreHeld(t *testing.T) {
	r := newRig(t)
	r.use(r.rule("each", 1, behaviour{streams: "b", key: byCard, raises: true}), r.rule("gone", 1, behaviour{streams: "b", key: byCard, absence: 20}))
	r.step("b1", "c", 0, 1)
	r.step("b2", "c", 4, 1)
	r.use(r.rule("each", 2, behaviour{streams: "b", key: byCard, raises: true}), r.rule("gone", 2, behaviour{streams: "b", key: byCard, absence: 20}))
	r.step("b3", "c", 2, 1)
	r.use(r.rule("gone", 3, behaviour{streams: "b", key: byCard, absence: 20}))
	r.step("b4", "c", 3, 1)
	r.end()
	// All revisions of gone are armed by b1, which was held throughout; only
	// the live one may raise.
	r.expect("each/1 c v1 at 0 b1", "each/2 c v1 at 2 b3", "each/1 c v1 at 4 b2", "gone/3 c v1 at 20 b1")
}

func TestSwitchDropsWhatAnOldRevisionWaitedFor(t *testing.T) {
	r := newRig(t)
	r.use(r.rule("gone", 1, behaviour{streams: "b", key: byCard, absence: 60}))
	r.step("b1", "c", 0, 1)
	r.tick("b", 20)
	r.use(r.rule("gone", 2, behaviour{streams: "b", key: byCard, absence: 60}))
	r.step("b2", "d", 20, 1)
	r.end()
	r.expect("gone/2 d v1 at 80 b2")
	if n := r.state.Len(); n != 0 {
		t.Errorf("%d records are left of nothing", n)
	}
}

func TestARevisionThatStaysKeepsItsState(t *testing.T) {
	r := newRig(t)
	gone := r.rule("gone", 1, behaviour{streams: "b", key: byCard, absence: 60})
	r.use(gone)
	r.step("b1", "c", 0, 1)
	r.tick("b", 20)
	r.use(gone, r.rule("each", 1, behaviour{streams: "b", key: byCard, raises: true}))
	r.tick("b", 80)
	r.expect("gone/1 c v1 at 60 b1")
}

func TestCoverage(t *testing.T) {
	r := newRig(t)
	r.use(r.rule("old", 1, behaviour{streams: "b", key: byCard}))
	r.step("b1", "c", 5, 1)
	r.step("b2", "c", 3, 1)
	r.step("b3", "c", 20, 1)
	r.use(r.rule("new", 1, behaviour{streams: "b", key: byCard}), r.rule("old", 1, behaviour{streams: "b", key: byCard}))
	got := map[string]int64{}
	for _, s := range r.task.Rules() {
		got[s.Ref.Name] = s.Covered
	}
	if got["old"] != at(5) || got["new"] != at(10) {
		t.Errorf("coverage %v, want old from the first event read, %d, new from after the watermark, %d", got, at(5), at(10))
	}
}

func TestStepsOutOfOrderAreRefused(t *testing.T) {
	r := newRig(t)
	r.use()
	r.step("b1", "c", 0, 1)
	var eff task.Effects
	if err := r.task.Step(&task.Record{Offset: 0}, &eff); err == nil {
		t.Error("a record before the position was read")
	}
	for _, e := range []task.Entry{{Kind: task.Tick, Stream: "b", Seq: 3, At: 1}, {Kind: task.Tick, Stream: "b", Seq: 2, At: 0}, {Kind: task.Tick, Stream: "b", Seq: 2, At: 9}, {Kind: 9}} {
		if err := r.task.Apply(e, &eff); err == nil {
			t.Errorf("entry %+v was applied at %+v", e, r.task.Position())
		}
	}
}

// Fault 38: a thousand rules at once, then one of them toggled a thousand
// times: nothing is left behind and the last revision wins.
func TestT38ManySwitches(t *testing.T) {
	r := newRig(t)
	var refs []task.Ref
	for i := range 1000 {
		refs = append(refs, r.rule(fmt.Sprintf("each-%d", i), 1, behaviour{streams: "b", key: byCard, absence: 60}))
	}
	r.use(refs...)
	r.step("b1", "c", 0, 1)
	for rev := 2; rev <= 1000; rev++ {
		r.use(r.rule("each-0", rev, behaviour{streams: "b", key: byCard, absence: 60}))
		r.tick("b", 12)
	}
	r.step("b2", "c", 20, 1)
	if got := r.task.Rules(); len(got) != 1 || got[0].Ref.Revision != 1000 {
		t.Fatalf("%d rules at work, the first %+v, want revision 1000 alone", len(got), got[0])
	}
	r.end()
	r.expect("each-0/1000 c v1 at 80 b2")
	if n := r.state.Len(); n != 0 {
		t.Errorf("%d records are left of nothing", n)
	}
}
