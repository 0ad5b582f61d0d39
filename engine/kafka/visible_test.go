package kafka

import (
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// forgetTopics lets brokers answer every second question about one topic of the job that
// there is no such topic, as those of several do that have not heard of it yet.
func (b *bench) forgetTopics() (forgotten func() int) {
	var mu sync.Mutex
	asked, denied := map[string]int{}, 0
	b.broker.ControlKey(int16(kmsg.Metadata), func(r kmsg.Request) (kmsg.Response, error, bool) {
		b.broker.KeepControl()
		req := r.(*kmsg.MetadataRequest)
		if len(req.Topics) != 1 || req.Topics[0].Topic == nil || !strings.Contains(*req.Topics[0].Topic, ".g1") {
			return nil, nil, false
		}
		mu.Lock()
		defer mu.Unlock()
		name := *req.Topics[0].Topic
		if asked[name]++; asked[name]%2 == 1 {
			return nil, nil, false
		}
		denied++
		resp := req.ResponseKind().(*kmsg.MetadataResponse)
		for id, address := range b.broker.ListenAddrs() {
			host, port, _ := net.SplitHostPort(address)
			n, _ := strconv.Atoi(port)
			broker := kmsg.NewMetadataResponseBroker()
			broker.NodeID, broker.Host, broker.Port = int32(id), host, int32(n)
			resp.Brokers = append(resp.Brokers, broker)
		}
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic, topic.ErrorCode = &name, 3 // UNKNOWN_TOPIC_OR_PARTITION
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
	return func() int { mu.Lock(); defer mu.Unlock(); return denied }
}

// TestABrokerThatDoesNotKnowATopicYet: a topic that was just made is not taken
// for one of 0 partitions, which would halt its tasks for good.
func TestABrokerThatDoesNotKnowATopicYet(t *testing.T) {
	b := newBench(t)
	forgotten := b.forgetTopics()
	b.engine()
	b.produce(b.fails("c1", 0)...)
	b.wantAlerts(1)
	for range 4 {
		for what, count := range map[string]func() (int, error){
			"a keyed log": func() (int, error) { return b.cluster.ensureKeyed(testContext(t), intake{"keyed.card", 1}, 2) },
			"a journal":   func() (int, error) { return b.cluster.ensureInput(testContext(t), intake{"other", 1}, 2) },
		} {
			if n, err := count(); err != nil || n == 0 {
				t.Errorf("%s has %d partitions, %v", what, n, err)
			}
		}
	}
	if forgotten() == 0 {
		t.Error("no broker has forgotten a topic: nothing is shown")
	}
}
