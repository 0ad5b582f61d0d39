package kafka

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// forgetEnd makes the broker answer that a topic ends where it began, as one
// may that recovers its log.
func (b *bench) forgetEnd(topic string) {
	b.broker.ControlKey(int16(kmsg.ListOffsets), func(r kmsg.Request) (kmsg.Response, error, bool) {
		b.broker.KeepControl()
		req := r.(*kmsg.ListOffsetsRequest)
		if len(req.Topics) != 1 || req.Topics[0].Topic != topic {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
		named := kmsg.NewListOffsetsResponseTopic()
		named.Topic = topic
		for _, p := range req.Topics[0].Partitions {
			answer := kmsg.NewListOffsetsResponseTopicPartition()
			answer.Partition, answer.Offset, answer.Timestamp = p.Partition, 0, -1
			named.Partitions = append(named.Partitions, answer)
		}
		resp.Topics = append(resp.Topics, named)
		return resp, nil, true
	})
}

func TestAnOldEndOfTheProgressIsNotTakenForNothing(t *testing.T) {
	b := newBench(t)
	_, stop := b.engine()
	b.produce(b.fails("c1", 0)...)
	b.wantAlerts(1)
	stop()
	b.forgetEnd(b.cluster.Topics().Progress("payment", 1))
	b.engine()
	b.produce(b.fails("c2", 100)...)
	b.until("the second alert", func() bool { return len(b.alerts()) >= 2 })
	b.wantAlerts(2)
}
