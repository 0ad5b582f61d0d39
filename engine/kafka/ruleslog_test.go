package kafka

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/caltrop/caltrop/rules"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// hideEnd makes the broker answer the next fetches as if partitions ended where
// they are read, as one may that recovers its log.
func (b *bench) hideEnd(fetches int64) {
	var left atomic.Int64
	left.Store(fetches)
	b.broker.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		b.broker.KeepControl()
		if left.Add(-1) < 0 {
			return nil, nil, false
		}
		req := r.(*kmsg.FetchRequest)
		resp := req.ResponseKind().(*kmsg.FetchResponse)
		for _, topic := range req.Topics {
			named := kmsg.NewFetchResponseTopic()
			named.Topic, named.TopicID = topic.Topic, topic.TopicID
			for _, p := range topic.Partitions {
				answer := kmsg.NewFetchResponseTopicPartition()
				answer.Partition, answer.HighWatermark, answer.LastStableOffset = p.Partition, p.FetchOffset, p.FetchOffset
				answer.RecordBatches = []byte{}
				named.Partitions = append(named.Partitions, answer)
			}
			resp.Topics = append(resp.Topics, named)
		}
		return resp, nil, true
	})
}

// TestAnOldEndOfTheRulesIsNotTakenForTheirEnd: a writer that has not seen the
// last entry must not write after it, whatever the broker shows at first.
func TestAnOldEndOfTheRulesIsNotTakenForTheirEnd(t *testing.T) {
	t.Parallel()
	broker, c := startBroker(t)
	b := &bench{t: t, broker: broker, cluster: c}
	ctx := testContext(t)
	if err := c.Prepare(ctx); err != nil {
		t.Fatal(err)
	}
	log := c.RulesLog()
	write := func(last int64, value string) (int64, error) {
		return log.Append(ctx, last, []rules.Record{{Key: "rule/a", Value: []byte(value)}})
	}
	first, err := write(-1, "one")
	if err != nil {
		t.Fatal(err)
	}
	b.hideEnd(3)
	if offset, err := write(-1, "two"); !errors.Is(err, rules.ErrConflict) {
		t.Errorf("a writer who saw nothing wrote at %d, %v; want a conflict with the entry at %d", offset, err, first)
	}
	if _, err := write(first, "three"); err != nil {
		t.Errorf("a writer who saw the entry at %d: %v", first, err)
	}
	stop := errors.New("stop")
	var seen []string
	err = log.Tail(ctx, -1, func(e rules.Entry) error {
		if seen = append(seen, string(e.Value)); len(seen) == 2 {
			return stop
		}
		return nil
	}, func() {})
	if !errors.Is(err, stop) || seen[0] != "one" || seen[1] != "three" {
		t.Errorf("the log holds %q, %v; want one and three", seen, err)
	}
}
