package kafka

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A member whose first question to the group is never answered is replaced.
func TestAGroupThatDoesNotAnswerIsJoinedAnew(t *testing.T) {
	b := newBench(t)
	var joins atomic.Int64
	b.broker.ControlKey(int16(kmsg.JoinGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.broker.KeepControl()
		if joins.Add(1) == 1 {
			b.broker.SleepControl(func() { <-t.Context().Done() })
		}
		return nil, nil, false
	})
	m := newMeter(t)
	e, _ := b.start(EngineOptions{Keeper: forgetful{}, Metrics: m.Metrics, RejoinAfter: silentMax + 5*time.Second})
	b.until("it is not ready", func() bool {
		s := e.Status()
		err := s.Ready()
		return err != nil && strings.Contains(err.Error(), "consumer group")
	})
	b.until("two live tasks", func() bool { s := e.Status(); return b.live(e) == 2 && s.Ready() == nil })
	if n, _ := m.sum("caltrop_group_rejoins_total"); n != 1 {
		t.Errorf("joined anew %v times, want 1", n)
	}
}

// Of a topic that does not exist the group says nothing, which is no fault of it.
func TestAGroupIsNotAskedAgainForATopicThatDoesNotExist(t *testing.T) {
	b := newBenchOf(t, strings.Replace(streamText, "payments", "laters", 1))
	m := newMeter(t)
	e, _ := b.start(EngineOptions{Keeper: forgetful{}, Metrics: m.Metrics, RejoinAfter: time.Second})
	b.until("the topic to be missing", func() bool { return len(e.Status().Missing) == 1 })
	time.Sleep(3 * time.Second) // thrice as long as a group may be silent
	if n, _ := m.sum("caltrop_group_rejoins_total"); n > 1 {
		t.Errorf("joined anew %v times", n) // once before the topic was known to be missing
	}
	if err := b.cluster.EnsureTopics(testContext(t), map[string]int{"laters": 2}); err != nil {
		t.Fatal(err)
	}
	b.until("two live tasks", func() bool { return b.live(e) == 2 })
}
