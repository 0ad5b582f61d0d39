//go:build e2e

package faults

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"
)

var (
	stateMiB = flag.Int("state", 64, "MiB of state of TestFigureMove; its goals are for 1024")
	tickRate = flag.Int("tick-rate", 400, "alerts a second while tasks move")
)

// tickRule raises an alert at each payment of one kind.
const tickRule = `apiVersion: caltrop/v1
kind: Rule
name: tick
key: card_id
within: 1m
pattern: hit
steps: {hit: {stream: payment, where: status == "tick"}}
timing: early
`

// sessionTimeout is how long a process that says nothing stays in the group.
const sessionTimeout = 6 * time.Second

// A move is what became of the partitions of a process that went away, or that
// another one joined.
type move struct {
	partitions  int
	owned       time.Duration // until the other one has them
	live        time.Duration // until all of them are live there
	first, last time.Duration // until the first of them, and the last, has an alert of a later event
	longest     time.Duration // that an alert of any partition has waited
}

// TestFigureMove lets a process that holds half of a large state end, by SIGTERM
// and by SIGKILL, with another one there, while every partition has events that
// raise alerts: how long until the other one raises them.
func TestFigureMove(t *testing.T) {
	r := measured(t, "0s", keysRules+"---\n"+tickRule)
	r.CheckpointEvery = 10 * time.Second
	a, b := newProcess(t, r.binary, r.settings, "a"), newProcess(t, r.binary, r.settings, "b")
	a.start()
	b.start()
	r.install(a, a, b)
	r.fill(*stateMiB)
	r.drained(20*time.Minute, a, b)
	r.checkpointed(a, b)
	disk := r.diskMiB("checkpoints")
	table := ""
	for _, how := range []struct {
		name string
		end  func()
	}{{"SIGTERM", func() { a.signal(syscall.SIGTERM) }}, {"SIGKILL", func() { a.signal(syscall.SIGKILL) }}} {
		before := b.total("caltrop_checkpoint_bytes_total", `way="fetched"`)
		m := r.moved(how.end, partitionsOf(a), b)
		<-a.ended
		a.cmd = nil
		fetched := b.total("caltrop_checkpoint_bytes_total", `way="fetched"`) - before
		table += fmt.Sprintf("| %s | %d | %.0f MiB | %s | %s | %s | %s | %s |\n", how.name, m.partitions, fetched/(1<<20),
			ms(m.owned), ms(m.live), ms(m.first), ms(m.last), ms(m.longest))
		a.start()
		r.balanced(a, b)
		r.checkpointed(a, b)
	}
	report(t, "move", fmt.Sprintf("%d MiB of state (checkpoints on disk: %d MiB, shared by both processes) in %d partitions, two processes, %d alerts a second meanwhile; from the signal. A killed process\n"+
		"stays in its group for the session time-out of %s, which is in the figures of SIGKILL.\n\n"+
		"| the process ended by | partitions moved | fetched by the other | they are given to the other | all live there | first alert of a later event | the same, of the last partition | longest wait of an alert |\n|---|---|---|---|---|---|---|---|\n%s",
		*stateMiB, disk, r.partitions, *tickRate, sessionTimeout, table))
}

func ms(d time.Duration) string { return d.Round(10 * time.Millisecond).String() }

// fill leaves an open run of about a KiB for each of so many cards.
func (r *rig) fill(mib int) {
	r.t.Helper()
	random := rand.New(rand.NewPCG(1, 1))
	g := &traffic{cards: mib << 10, note: bytes.Repeat([]byte("x"), 900)}
	from := time.Now().Add(-time.Hour).UnixMilli() // at one instant all would wait for the next
	r.stream(g.cards, 0, func(i int, _ time.Time) ([]byte, []byte) {
		for j := range g.note {
			g.note[j] = byte('0' + random.IntN(64)) // what does not compress to nothing
			if g.note[j] == '\\' {
				g.note[j] = '_'
			}
		}
		return g.payment(uint64(i), "open", from+int64(i)*1000/int64(g.cards)*3)
	})
}

// checkpointed waits until every task has a checkpoint of what it has read.
func (r *rig) checkpointed(all ...*process) {
	r.t.Helper()
	since := time.Now().UTC()
	eventually(r.t, 2*time.Minute, func() string {
		for _, p := range all {
			for _, task := range p.tasks() {
				if at, err := time.Parse(time.RFC3339Nano, task.Checkpoint); task.Role != "route" && (err != nil || at.Before(since)) {
					return fmt.Sprintf("the last checkpoint of %s/%d is of %s", task.Stream, task.Partition, task.Checkpoint)
				}
			}
		}
		return ""
	})
}

// balanced waits until all processes have tasks, and all tasks are live.
func (r *rig) balanced(all ...*process) {
	r.t.Helper()
	eventually(r.t, time.Minute, func() string {
		for _, p := range all {
			if len(p.tasks()) == 0 {
				return "a process has no task"
			}
		}
		return ""
	})
	r.settled(2*time.Minute, all...)
}

// partitionsOf are those that a process has tasks of.
func partitionsOf(p *process) map[int32]bool {
	all := map[int32]bool{}
	for _, task := range p.tasks() {
		all[task.Partition] = true
	}
	return all
}

// moving is the longest that a move may take.
const moving = 90 * time.Second

// moved sends ticks, calls change when they are on their way, and watches until
// so many partitions are live among the processes that stay, and at the last of
// them some are, and until what they raise is seen. Of a process that leaves,
// going are its partitions; nil: those that the last one of staying has in the end.
func (r *rig) moved(change func(), going map[int32]bool, staying ...*process) (m move) {
	r.t.Helper()
	begun := time.Now()
	stop, ending, sent := make(chan struct{}), make(chan struct{}), make(chan struct{})
	arrived := r.watchAlerts(stop)
	go func() {
		defer close(sent)
		r.tick(int(moving.Seconds())**tickRate, ending)
	}()
	time.Sleep(3 * time.Second)
	at := time.Now()
	change()
	to := staying[len(staying)-1]
	eventuallyEvery(r.t, 20*time.Millisecond, moving, func() string {
		owned, live := 0, 0
		for _, p := range staying {
			for _, task := range p.tasks() {
				owned++
				if task.State == "live" {
					live++
				}
			}
		}
		if owned < r.partitions || len(to.tasks()) == 0 {
			return fmt.Sprintf("%d of %d tasks are at the processes that stay", owned, r.partitions)
		}
		if m.owned == 0 {
			m.owned = time.Since(at)
		}
		if live < r.partitions {
			return fmt.Sprintf("%d of %d tasks are live", live, r.partitions)
		}
		return ""
	})
	m.live = time.Since(at)
	if going == nil {
		going = partitionsOf(to)
	}
	time.Sleep(4 * time.Second)
	close(ending)
	<-sent
	time.Sleep(time.Second)
	close(stop)
	r.waits(&m, slices.DeleteFunc(<-arrived, func(x arrival) bool { return lastEvent(x.alert).Time < begun.UnixMicro() }), going, at)
	return m
}

// waits fills in what the alerts say of a move that began at a time.
func (r *rig) waits(m *move, all []arrival, going map[int32]bool, at time.Time) {
	r.t.Helper()
	first := map[int32]time.Duration{}
	for _, x := range all {
		e := lastEvent(x.alert)
		due := time.UnixMicro(e.Time)
		m.longest = max(m.longest, x.seen.Sub(due))
		waited := x.seen.Sub(at)
		if was, ok := first[e.Partition]; going[e.Partition] && due.After(at) && (!ok || waited < was) {
			first[e.Partition] = waited
		}
	}
	if len(first) != len(going) {
		r.t.Errorf("%d of %d partitions that moved have raised an alert since, of %d alerts", len(first), len(going), len(all))
	}
	m.partitions, m.first = len(going), moving
	for _, waited := range first {
		m.first, m.last = min(m.first, waited), max(m.last, waited)
	}
}

// tick sends payments that raise an alert each, at most n of them, until ending
// is closed.
func (r *rig) tick(n int, ending chan struct{}) {
	g := &traffic{cards: n}
	r.streamUntil(ending, n, *tickRate, func(i int, due time.Time) ([]byte, []byte) {
		return g.payment(uint64(1_000_000_000+i), "tick", due.UnixMilli())
	})
}
