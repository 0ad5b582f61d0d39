package enginetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestT31EqualTimesInAnyInterleaving plays one input, many of whose events have
// equal times, in different orders between the partitions and with different
// crashes: what is committed is the same to the byte.
func TestT31EqualTimesInAnyInterleaving(t *testing.T) {
	t.Parallel()
	set := routedSet(t, "joined", "roles", "strict", "tumbled")
	var want []string
	for seed := range uint64(8) {
		sim, err := NewRouted(seed, set, 3, traffic(1, 300))
		if err != nil {
			t.Fatal(err)
		}
		if err := sim.Run(routedClosing); err != nil {
			t.Fatal(err)
		}
		var got []string
		for i := range sim.Alerts {
			got = append(got, string(sim.Alerts[i].AppendJSON(nil)))
		}
		slices.Sort(got)
		if want == nil {
			want = got
		}
		if !slices.Equal(got, want) || len(got) < 10 {
			t.Fatalf("seed %d: %d alerts differ from those of seed 0", seed, len(without(got, want)))
		}
	}
}

// A lane is a stream of two partitions and one keyed log of one partition, whose
// routers the test drives by hand.
type lane struct {
	t    *testing.T
	sim  *Routed
	next int
}

func newLane(t *testing.T) *lane {
	sources := []*SourceLog{{Stream: "payment", Of: 2}, {Stream: "payment", Partition: 1, Of: 2}}
	sim, err := NewRouted(1, routedSet(t, "tumbled"), 1, sources)
	if err != nil {
		t.Fatal(err)
	}
	return &lane{t: t, sim: sim}
}

func second(s float64) int64 { return scriptStart*1000 + int64(s*1e6) }

// write appends an event of a second to a partition.
func (l *lane) write(partition int, s float64) {
	src := l.sim.Sources[partition]
	l.next++
	src.Values = append(src.Values, fmt.Appendf(nil, `{"id":"p%d","ts":%d,"card":"c","shop":"s","amount":1}`, l.next, second(s)/1000))
}

// read lets the router of a partition read and commit all there is.
func (l *lane) read(partition int) {
	r := l.sim.routers[partition]
	for !r.done() {
		r.step()
		if r.router.Progress().Next == int64(len(r.source.Values)) {
			r.commit()
		}
	}
}

// idle lets the router of a partition say that it is idle at a second.
func (l *lane) idle(partition int, s float64) {
	r := l.sim.routers[partition]
	r.router.Beat(second(s), true, &r.fx)
	r.commit()
}

// match lets the keyed task read all there is and returns its watermark.
func (l *lane) match() int64 {
	l.t.Helper()
	for task := l.sim.tasks[0]; ; {
		was := task.task.Position()
		if err := task.step(); err != nil {
			l.t.Fatal(err)
		}
		if task.task.Position() == was {
			mark, _ := task.task.Watermark("payment")
			return mark
		}
	}
}

func (l *lane) late() int { return len(l.sim.Late) + l.sim.LateInTasks() }

// TestT52DeadRouterIsNotIdle keeps the router of one partition away for an hour
// while the other partition is idle: the stream's watermark waits, and nothing
// of the backlog is late.
func TestT52DeadRouterIsNotIdle(t *testing.T) {
	for _, declared := range []bool{false, true} { // it had said that it is idle before it died, or not
		l := newLane(t)
		l.write(0, 10)
		l.write(1, 10)
		l.read(0)
		l.read(1)
		if declared {
			l.idle(1, 20)
		}
		before := l.match()
		for s := 20.0; s < 3600; s += 60 {
			l.write(1, s+1) // what the dead router will find
			l.idle(0, s)
		}
		if mark := l.match(); mark > second(20) || mark < before {
			t.Errorf("with its router dead the watermark went from %d to %d", before, mark)
		}
		l.sim.routers[1].restart()
		l.read(1)
		l.match()
		if n := l.late(); n > 0 {
			t.Errorf("%d events of the backlog are late (idle declared before: %v)", n, declared)
		}
	}
}

// TestT28IdlePartitionOfARoutedStream lets a partition be silent for an hour:
// the watermark goes on without it, and when it wakes with old events those are
// late and counted, new ones are not.
func TestT28IdlePartitionOfARoutedStream(t *testing.T) {
	l := newLane(t)
	l.write(0, 0)
	l.write(1, 0)
	l.read(0)
	l.read(1)
	for s := 60.0; s <= 3600; s += 60 {
		l.write(0, s)
		l.read(0)
		l.idle(1, s)
	}
	if mark := l.match(); mark != second(3600-5)-1 {
		t.Errorf("the watermark is %d, want that of the partition with events", mark)
	}
	l.write(1, 100) // after what this partition had last, long before the stream
	l.write(1, 3599)
	l.read(1)
	l.match()
	if n := l.sim.LateInTasks(); n != 1 || len(l.sim.Late) != 0 {
		t.Errorf("%d late in the task and %d at the router, want the old event in the task", n, len(l.sim.Late))
	}
}

// TestALogThatRepeatsOffsetsIsRefused shows a frame to a keyed task twice.
func TestALogThatRepeatsOffsetsIsRefused(t *testing.T) {
	l := newLane(t)
	l.write(0, 1)
	l.read(0)
	log := l.sim.logs[topicOf("keyed.card", 0)]
	log[0] = append(log[0], log[0][0])
	task := l.sim.tasks[0]
	if err := task.step(); err != nil {
		t.Fatal(err)
	}
	if err := task.step(); err == nil || !strings.Contains(err.Error(), "go back") {
		t.Errorf("a repeated frame: %v", err)
	}
}
