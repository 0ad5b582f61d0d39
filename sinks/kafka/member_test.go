package kafka

import (
	"sync/atomic"
	"testing"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A member that the group has not answered for long is replaced, and the new one
// reads on behind what was stored.
func TestAGroupThatDoesNotAnswerIsJoinedAnew(t *testing.T) {
	o := newTopic(t)
	s := o.open()
	defer s.close()
	var silent atomic.Bool
	silent.Store(true)
	o.broker.ControlKey(int16(kmsg.JoinGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
		o.broker.KeepControl()
		if silent.CompareAndSwap(true, false) {
			o.broker.SleepControl(func() { <-t.Context().Done() })
		}
		return nil, nil, false
	})
	if err := s.subscribe(); err != nil {
		t.Fatal(err)
	}
	for silent.Load() {
		if err := s.turn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if s.adrift() {
		t.Error("adrift at once")
	}
	s.unanswered = time.Now().Add(-2 * rejoinAfter)
	if !s.adrift() {
		t.Fatal("not adrift after twice the time")
	}
	old := s.member
	if err := s.rejoin(); err != nil || s.member == old {
		t.Fatalf("the member is the same: %v, %v", s.member == old, err)
	}
	o.produce(10)
	s.batches = make(chan []*ck.Message, 1)
	for len(s.batches) == 0 {
		if err := s.turn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if s.adrift() || !s.unanswered.IsZero() {
		t.Error("adrift though the group has answered")
	}
}
