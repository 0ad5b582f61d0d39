package task_test

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/caltrop/caltrop/engine/state"
	"github.com/caltrop/caltrop/engine/task"
)

// replayRig returns a rig whose task starts anew, to be replayed.
func replayRig(r *rig) *rig {
	n := *r
	n.state, n.log, n.next = state.NewMemory(), nil, 0
	n.task = task.New(n.config())
	return &n
}

// Fault 55: an idle tick fires an absence; after a crash the event that was
// missing arrives. The committed alert stands and the digests agree.
func TestT55TickFiredThenTheEventArrives(t *testing.T) {
	r := newRig(t)
	gone := r.rule("gone", 1, behaviour{streams: "b", key: byCard, absence: 60})
	var journal []task.Entry
	apply := func(e task.Entry) {
		if err := r.task.Apply(e, &r.eff); err != nil {
			t.Fatal(err)
		}
		journal = append(journal, r.eff.Journal...)
		r.note()
	}
	apply(task.Entry{Kind: task.Switch, Set: task.Set{Streams: []task.Ref{{Name: "b", Revision: 1}}, Rules: []task.Ref{gone}}})
	r.step("b1", "c", 0, 1)
	apply(task.Entry{Kind: task.Tick, Stream: "b", Now: at(70)})
	r.expect("gone/1 c v1 at 60 b1")
	committed := r.task.Progress()

	n := replayRig(r)
	replay, err := task.Recover(n.task, committed, journal)
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]bool{"b1": true} {
		ev := n.task.NewEvent()
		ev.Schema, ev.ID, ev.Time = n.schemas[1], id, at(0)
		n.fill(ev, "c", 1)
		if got, err := replay.Step(&task.Record{Source: 2, Event: ev}); got != want || err != nil {
			t.Fatalf("replaying %s: %v, %v", id, got, err)
		}
	}
	if !replay.Done() || n.task.Progress() != committed {
		t.Fatalf("replayed to %+v, committed is %+v", n.task.Progress(), committed)
	}
	n.next = 1
	n.step("b2", "c", 59, 0)
	n.expect("late_stream at 59")
}

func TestRecoverySeesADifference(t *testing.T) {
	r := newRig(t)
	each := r.rule("each", 1, behaviour{streams: "b", key: byCard, raises: true})
	set := task.Entry{Kind: task.Switch, Set: task.Set{Streams: []task.Ref{{Name: "b", Revision: 1}}, Rules: []task.Ref{each}}}
	r.apply(set)
	r.step("b1", "c", 0, 1)
	r.step("b2", "c", 30, 1)
	committed := r.task.Progress()
	set.Seq = 1
	for name, c := range map[string]struct {
		committed task.Progress
		journal   []task.Entry
		id        string
	}{
		"another event":       {committed, []task.Entry{set}, "b9"},
		"a journal too short": {committed, nil, "b1"},
		"a journal too long":  {committed, []task.Entry{set, {Seq: 2, At: 9, Kind: task.Tick, Stream: "b"}}, "b1"},
		"a shorter log":       {task.Progress{Position: task.Position{Offset: 3, Seq: 1}, Digest: committed.Digest}, []task.Entry{set}, "b1"},
	} {
		n := replayRig(r)
		replay, err := task.Recover(n.task, c.committed, c.journal)
		for i, id := range []string{c.id, "b2", "b3"} {
			if err != nil || replay.Done() {
				break
			}
			ev := n.task.NewEvent()
			ev.Schema, ev.ID, ev.Time = n.schemas[1], id, at(30*float64(i))
			n.fill(ev, "c", 1)
			_, err = replay.Step(&task.Record{Offset: []int64{0, 1, 7}[i], Source: 2, Event: ev})
		}
		if !errors.Is(err, task.ErrDiverged) {
			t.Errorf("%s: %v, want a divergence", name, err)
		}
	}
}

func TestEntriesAndProgressSurviveStorage(t *testing.T) {
	for _, e := range []task.Entry{
		{At: 7, Seq: 1, Kind: task.Switch, Set: task.Set{Streams: []task.Ref{{Name: "a", Revision: 2}}, Rules: []task.Ref{{Name: "r", Revision: 9}}}},
		{At: 7, Seq: 2, Kind: task.Switch},
		{At: 8, Seq: 3, Kind: task.Tick, Stream: "a", Now: 55},
		{At: 9, Seq: 4, Kind: task.Clock, Now: -1},
		{At: 10, Seq: 5, Kind: task.Strange},
	} {
		got, err := task.DecodeEntry(e.AppendTo(nil))
		if err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("entry %+v came back as %+v, %v", e, got, err)
		}
	}
	p := task.Progress{Position: task.Position{Offset: 1 << 40, Seq: 3}, Digest: task.Digest{1, 2, 3}}
	if got, err := task.DecodeProgress(p.AppendTo(nil)); err != nil || got != p {
		t.Errorf("progress %+v came back as %+v, %v", p, got, err)
	}
}

func FuzzDecodeEntry(f *testing.F) {
	e := task.Entry{At: 7, Seq: 1, Kind: task.Tick, Stream: "a", Now: 5}
	f.Add(e.AppendTo(nil))
	f.Add([]byte{1, '{', '}'})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := task.DecodeEntry(b)
		if err != nil {
			return
		}
		again, err := task.DecodeEntry(e.AppendTo(nil))
		if err != nil || !reflect.DeepEqual(again, e) {
			t.Fatalf("%+v came back as %+v, %v", e, again, err)
		}
	})
}

// snapshotOfMuch is a snapshot with held events, remembered ids, two
// revisions and a suppression period.
func snapshotOfMuch(r *rig) []byte {
	r.use(r.rule("each", 1, behaviour{streams: "ab", key: byCard, raises: true, suppress: 10}))
	r.step("a1", "c", 1, 1)
	r.step("A1", "d/xx", 2, 1)
	r.step("b1", "c", 3, 1)
	r.use(r.rule("each", 2, behaviour{streams: "ab", key: byCard, raises: true}))
	r.step("b2", "c", 14, 1)
	return r.task.Snapshot()
}

func TestSnapshotIsDeterministicAndWhole(t *testing.T) {
	r := newRig(t)
	b := snapshotOfMuch(r)
	if again := r.task.Snapshot(); !bytes.Equal(b, again) {
		t.Error("two snapshots of one moment differ")
	}
	restored, err := task.Restore(r.config(), b)
	if err != nil {
		t.Fatal(err)
	}
	if got := restored.Snapshot(); !bytes.Equal(got, b) {
		t.Error("the snapshot of a restored task differs")
	}
	for n := range len(b) {
		if _, err := task.Restore(r.config(), b[:n]); err == nil {
			t.Fatalf("a snapshot cut at byte %d of %d is restored", n, len(b))
		}
	}
}

func FuzzRestore(f *testing.F) {
	r := newRig(&testing.T{})
	f.Add(snapshotOfMuch(r))
	f.Fuzz(func(t *testing.T, b []byte) {
		conf := r.config()
		conf.State = state.NewMemory()
		restored, err := task.Restore(conf, b)
		if err == nil {
			restored.Snapshot()
		}
	})
}
