package kafka

import (
	"maps"

	"github.com/caltrop/caltrop/engine/budget"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// A sender is a producer of the client library whose event channel is emptied:
// the fate of records comes back by a commit, or to whom it was reported.
type sender struct {
	*ck.Producer
	drained chan struct{}
	loan    budget.Loan // the memory of its queue
}

// newSender returns a sender with these settings beside those that all share, and
// with this memory, which it returns. It is not yet connected. The caller closes it.
func (c *Cluster) newSender(own ck.ConfigMap, loan budget.Loan) (*sender, error) {
	conf := ck.ConfigMap{
		"message.max.bytes":            producedBytesMax,
		"compression.type":             "lz4",
		"partitioner":                  "murmur2_random",
		"queue.buffering.max.messages": producerQueueLen,
		"queue.buffering.max.kbytes":   int(loan.Bytes >> 10),
		"go.events.channel.size":       producerEvents,
		"go.produce.channel.size":      1, // nobody sends by it; the library makes room for a million
	}
	maps.Copy(conf, own)
	client, err := ck.NewProducer(c.clientConfig(conf))
	if err != nil {
		loan.Return()
		return nil, err
	}
	s := &sender{Producer: client, drained: make(chan struct{}), loan: loan}
	go s.drain()
	return s, nil
}

func (s *sender) drain() {
	defer close(s.drained)
	for range s.Events() {
	}
}

// close drops what was not sent and ends the connection.
func (s *sender) close() {
	s.Purge(ck.PurgeInFlight | ck.PurgeQueue)
	s.Close()
	<-s.drained
	s.loan.Return()
}
