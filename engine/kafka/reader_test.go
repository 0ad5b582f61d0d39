package kafka

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// muted makes the broker answer reads of payments with nothing, though it says
// that there is more, until the switch is off.
func (b *bench) muted() *atomic.Bool {
	mute := &atomic.Bool{}
	mute.Store(true)
	id := b.broker.TopicInfo("payments").TopicID
	b.broker.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		b.broker.KeepControl()
		req := r.(*kmsg.FetchRequest)
		if !mute.Load() || len(req.Topics) != 1 || req.Topics[0].Topic != "payments" && req.Topics[0].TopicID != id {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.FetchResponse)
		named := kmsg.NewFetchResponseTopic()
		named.Topic, named.TopicID = req.Topics[0].Topic, req.Topics[0].TopicID
		for _, p := range req.Topics[0].Partitions {
			answer := kmsg.NewFetchResponseTopicPartition()
			answer.Partition, answer.HighWatermark, answer.LastStableOffset = p.Partition, 1000, 1000
			named.Partitions = append(named.Partitions, answer)
		}
		resp.Topics = append(resp.Topics, named)
		return resp, nil, true
	})
	return mute
}

// A reader to which nothing at all comes is not waited for: its task starts
// over with another.
func TestAMuteReaderIsReplaced(t *testing.T) {
	b := newBench(t)
	b.cluster.mute = 2 * time.Second
	mute := b.muted()
	e, _ := b.start(EngineOptions{Keeper: forgetful{}})
	b.produce(b.fails("c1", 0)...)
	b.until("a task that gives up its reader", func() bool {
		for _, s := range e.Status().Tasks {
			if strings.Contains(s.Reason, "neither a record nor the end came") {
				return true
			}
		}
		return false
	})
	mute.Store(false)
	b.wantAlerts(1)
}
