package kafka

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caltrop/caltrop/rules"
)

// half brings each card from one on to the middle of its pattern, at that second, or
// to its end.
func (b *bench) half(cards, from int, last bool) {
	b.t.Helper()
	for card := from; card < cards; card++ {
		name := fmt.Sprintf("c%d", card)
		if last {
			b.write("payments", int32(card%2), b.payment(name, "declined", 20))
			continue
		}
		b.write("logins", int32(card%3), b.login(name, from))
		b.write("payments", int32((card+1)%2), b.payment(name, "declined", from+1))
	}
}

func (b *bench) rescaled(e *Engine) {
	b.t.Helper()
	b.until("the rescale done", func() bool {
		r := e.Rescaling()
		return r != nil && !r.Done.IsZero()
	})
}

// Every rule goes on in another partition in the middle of its pattern, twice,
// and the rescale is over when all tasks have.
func TestRulesGoOnInMorePartitions(t *testing.T) {
	b := newRoutedBench(t)
	keeper := newKeeping(t, nil)
	e, stop := b.start(EngineOptions{Keeper: keeper, CheckpointEvery: often})
	b.until("all tasks live", func() bool { return b.live(e) == 2+2+3+2 })
	b.half(12, 0, false)
	b.pass(5)
	for _, n := range []int{4, 12} {
		s, err := e.Rescale(testContext(t), n, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Rescale(testContext(t), 24, time.Now()); !errors.Is(err, ErrRescaling) {
			t.Errorf("a second rescale: %v", err)
		}
		b.rescaled(e)
		b.until("only tasks of the new logs, live", func() bool {
			left := slices.ContainsFunc(e.Status().Tasks, func(s2 TaskStatus) bool { return rules.IsKeyed(s2.ID.Input) && s2.ID.Generation != s.Generation })
			return b.live(e) == 2+2+3+n && !left
		})
	}
	b.half(12, 0, true)
	b.pass(40)
	b.wantAlerts(12)
	stop()
	e, _ = b.start(EngineOptions{Keeper: keeper, CheckpointEvery: often})
	b.half(3, 0, false)
	b.until("all tasks live", func() bool { return b.live(e) == 2+2+3+12 })
	b.wantAlerts(12)
}

func TestARescaleThatCannotBeIsRefused(t *testing.T) {
	b := newBench(t)
	e, _ := b.engine()
	ctx := testContext(t)
	if _, err := e.Rescale(ctx, 4, time.Now()); !errors.Is(err, ErrNotKeyed) {
		t.Errorf("a job with direct rules: %v", err)
	}
	b.topic("logins", 3)
	b.put(rules.KindStream, "login", loginText)
	b.put(rules.KindRule, "takeover", takeoverText)
	b.until("all tasks live", func() bool { return b.live(e) == 2+2+3+2 })
	for n, says := range map[int]string{0: "1 to 1024", -1: "1 to 1024", 1025: "1 to 1024", 2: "have 2 partitions already", 3: "4, 6, 8 and so on", 1: "fewer are not"} {
		if _, err := e.Rescale(ctx, n, time.Now()); !errors.Is(err, ErrScale) || !strings.Contains(err.Error(), says) {
			t.Errorf("to %d partitions: %v", n, err)
		}
	}
	if e.Rescaling() != nil {
		t.Errorf("it is under way: %+v", e.Rescaling())
	}
}

// The tasks that move die at every point, the first time each gets there: nothing
// is lost or raised twice.
func TestARescaleSurvivesDeathAtEveryPoint(t *testing.T) {
	b := newRoutedBench(t)
	var mu sync.Mutex
	died, asked := map[string]bool{}, false
	fail := func(id TaskID, p Point) error {
		mu.Lock()
		defer mu.Unlock()
		at := id.String() + " " + string(p)
		if !asked || died[at] || id.Role() == "direct" {
			return nil
		}
		died[at] = true
		return errors.New("killed at " + at)
	}
	e, _ := b.start(EngineOptions{Keeper: newKeeping(t, nil), CheckpointEvery: often, Fail: fail})
	b.until("all tasks live", func() bool { return b.live(e) == 2+2+3+2 })
	b.half(8, 0, false)
	b.pass(5)
	mu.Lock()
	asked = true
	mu.Unlock()
	if _, err := e.Rescale(testContext(t), 4, time.Now()); err != nil {
		t.Fatal(err)
	}
	b.half(8, 0, true)
	b.rescaled(e)
	b.pass(40)
	b.wantAlerts(8)
	mu.Lock()
	defer mu.Unlock()
	for _, at := range []string{"test.route.login.1.2 before-txn-commit", "test.route.payment.1.0 after-txn-commit", "test.keyed.card_id.1.0 before-seal",
		"test.keyed.card_id.1.1 after-seal", "test.keyed.card_id.2.3 after-restore", "test.keyed.card_id.2.0 after-txn-commit"} {
		if !died[at] {
			t.Errorf("nothing died at %s: %v", at, died)
		}
	}
}
