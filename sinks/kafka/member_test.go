package kafka

import (
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/twmb/franz-go/pkg/kerr"
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

// Without the right to its group a source says so, and reads when it has come.
func TestARightThatTheGroupLacksIsSaid(t *testing.T) {
	o := newTopic(t)
	var refused atomic.Bool
	refused.Store(true)
	o.broker.ControlKey(int16(kmsg.JoinGroup), func(req kmsg.Request) (kmsg.Response, error, bool) {
		o.broker.KeepControl()
		if !refused.Load() {
			return nil, nil, false
		}
		res := req.ResponseKind().(*kmsg.JoinGroupResponse)
		res.ErrorCode = kerr.GroupAuthorizationFailed.Code
		return res, nil, true
	})
	o.produce(1)
	s := o.open()
	var said strings.Builder
	s.opts.Log = slog.New(slog.NewTextHandler(&said, nil))
	defer s.close()
	if err := s.member.Subscribe(s.opts.Topics); err != nil {
		t.Fatal(err)
	}
	for s.noticed.IsZero() {
		if err := s.turn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if want := `grant="Read on group ` + s.opts.Group; !strings.Contains(said.String(), want) {
		t.Errorf("%q is not said: %s", want, &said)
	}
	refused.Store(false)
	s.batches = make(chan []*ck.Message, 1)
	for len(s.batches) == 0 {
		if err := s.turn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
