package kafka

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caltrop/caltrop/engine/checkpoint"
	"github.com/caltrop/caltrop/rules"
)

const hotText = `apiVersion: caltrop/v1
kind: Rule
name: hot
key: card_id
window: {stream: payment, where: status == "approved", tumbling: 10s}
values: {n: count()}
having: n >= 10
hot_keys: {salts: 4}
alert: {measures: {n: n}}
`

// hotWindow writes ten payments of one card in a window of its own, then passes it.
func (b *bench) hotWindow(number int) {
	from := number * 60
	var values []string
	for s := range 10 {
		values = append(values, b.payment("c1", "approved", from+s))
	}
	b.produce(values...)
	for p := range int32(2) {
		b.write("payments", p, b.payment("other", "noted", from+40))
	}
}

// TestASaltedRuleRunsAsTwoTasks stores a rule with hot_keys beside one that runs,
// and kills the tasks of both stages, and those that route to them, at each point
// of a tenure: every window is one alert, with all of its events. So is one of the
// next revision; a deleted rule leaves no task.
func TestASaltedRuleRunsAsTwoTasks(t *testing.T) {
	b := newBench(t)
	var mu sync.Mutex
	seen, died := map[string]int{}, map[string]int{}
	fail := func(id TaskID, at Point) error {
		mu.Lock()
		defer mu.Unlock()
		kind := strings.TrimRight(id.Input, "0123456789") + " " + string(at)
		if seen[kind]++; seen[kind]%4 != 2 || died[kind] == 1 {
			return nil
		}
		died[kind]++
		return errors.New("killed at " + kind)
	}
	const windows = 3
	e, _ := b.start(EngineOptions{Keeper: newKeeping(t, func(checkpoint.Point) error { return nil }), CheckpointEvery: often, Fail: fail})
	b.until("the rule before", func() bool { return b.live(e) == 2 })
	b.put(rules.KindRule, "hot", hotText)
	allLive := func() bool { return b.live(e) == 2+2+2+2 }
	b.until("the tasks of both stages", allLive)
	raised := func() (n int) {
		for _, a := range b.alerts() {
			if a.Rule == "hot" {
				n++
				if got := a.Measures[0].Value.Int(); got != 10 || len(a.Evidence[0].Events) != 10 {
					t.Errorf("the window that ends at %d has %d events, %d in evidence", a.At, got, len(a.Evidence[0].Events))
				}
			}
		}
		return n
	}
	for w := range windows {
		b.hotWindow(w)
		b.until(fmt.Sprintf("%d windows", w+1), func() bool { return raised() >= w+1 })
	}
	b.until("all tasks live", allLive)
	b.put(rules.KindRule, "hot", hotText+"title: again\n")
	b.until("the next revision", allLive)
	b.hotWindow(windows)
	b.until("a window of it", func() bool { return raised() > windows })
	b.wantAlerts(windows + 1)
	if err := b.rules.Delete(testContext(t), rules.KindRule, "hot", rules.Condition{}); err != nil {
		t.Fatal(err)
	}
	b.until("the tasks of both stages to end", func() bool { return len(e.Status().Tasks) == 2 && b.live(e) == 2 })
	for _, input := range []string{"route.payment", "keyed.card_id..salts", "keyed.card_id"} {
		for _, at := range []Point{BeforeTxnCommit, AfterTxnCommit} {
			if kind := input + " " + string(at); died[kind] == 0 {
				t.Errorf("nothing died at %s", kind)
			}
		}
	}
}

// TestASaltedRuleGoesOnFromASavepoint ends a job in the middle of a window with
// hot_keys, some of which was read after the savepoint had been asked for.
func TestASaltedRuleGoesOnFromASavepoint(t *testing.T) {
	b := newBench(t)
	b.put(rules.KindRule, "hot", hotText)
	keeper := newKeeping(t, nil)
	savepoints := checkpoint.NewSavepoints(keeper.store, "test")
	e, stop := b.start(EngineOptions{Keeper: keeper, Savepoints: savepoints, CheckpointEvery: time.Minute})
	b.until("the tasks of both stages", func() bool { return b.live(e) == 2+2+2+2 })
	b.hotWindow(0)
	b.wantAlerts(1)
	for s := range 6 {
		b.produce(b.payment("c1", "approved", 60+s))
	}
	b.ask(e, savepoints, "first")
	b.produce(b.payment("c1", "approved", 66), b.payment("c1", "approved", 67))
	b.complete(savepoints, "first")
	stop()

	b.cluster = openKeyed(t, "other", 2, b.broker.ListenAddrs()...)
	e, stop = b.start(EngineOptions{Keeper: keeper.importing("test/first"), CheckpointEvery: time.Minute})
	b.until("the tasks of both stages", func() bool { return b.live(e) == 2+2+2+2 })
	b.produce(b.payment("c1", "approved", 68), b.payment("c1", "approved", 69))
	for p := range int32(2) {
		b.write("payments", p, b.payment("other", "noted", 100))
	}
	b.wantAlerts(2)
	if a := b.alerts()[1]; a.At != 1_700_000_070_000_000-1 && a.At != 1_700_000_070_000_000 || a.Measures[0].Value.Int() != 10 {
		t.Errorf("the second window ends at %d with %v events", a.At, a.Measures[0].Value)
	}
	stop()
	b.cluster = openKeyed(t, "third", 4, b.broker.ListenAddrs()...)
	e, _ = b.start(EngineOptions{Keeper: keeper.importing("test/first")})
	b.until("a task that says what is possible", func() bool {
		return slices.ContainsFunc(e.Status().Tasks, func(s TaskStatus) bool {
			return s.State == StateHalted && strings.Contains(s.Reason, "as many are needed")
		})
	})
}
