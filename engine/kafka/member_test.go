package kafka

import (
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
	e, _ := b.start(EngineOptions{Keeper: forgetful{}, Metrics: m.Metrics, RejoinAfter: 10 * time.Second})
	b.until("two live tasks", func() bool { return b.live(e) == 2 })
	if n, _ := m.sum("caltrop_group_rejoins_total"); n != 1 {
		t.Errorf("joined anew %v times, want 1", n)
	}
}
