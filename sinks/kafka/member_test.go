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
	if err := s.member.Subscribe(s.opts.Topics); err != nil {
		t.Fatal(err)
	}
	for silent.Load() {
		if err := s.turn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if s.member.Adrift(rejoinAfter) {
		t.Error("adrift at once")
	}
	if !s.member.Adrift(time.Nanosecond) {
		t.Fatal("not adrift when the time is over")
	}
	old := s.member.Consumer
	if err := s.rejoin(); err != nil || s.member.Consumer == old {
		t.Fatalf("the member is the same: %v, %v", s.member.Consumer == old, err)
	}
	o.produce(10)
	s.batches = make(chan []*ck.Message, 1)
	for len(s.batches) == 0 {
		if err := s.turn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if s.member.Adrift(time.Nanosecond) || !s.member.Silent().IsZero() {
		t.Error("adrift though the group has answered")
	}
}
