package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caltrop/caltrop/engine/budget"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// A producer is a transactional producer. One goroutine owns it. After any
// error it is of no more use: its owner closes it and starts over with a new
// one, whose opening aborts what this one left behind.
type producer struct {
	client  *sender
	id      string    // transactional
	open    bool      // a transaction is open
	since   time.Time // when it was opened
	records int       // in the open transaction
	topics  []string  // that they go to
}

// openProducer returns a producer that owns id: whoever had it is fenced and
// its open transaction is aborted before openProducer returns.
func (c *Cluster) openProducer(ctx context.Context, id string) (*producer, error) {
	client, err := c.newSender(ck.ConfigMap{
		"transactional.id":       id,
		"transaction.timeout.ms": int(transactionTimeout.Milliseconds()),
		"message.timeout.ms":     int(transactionTimeout.Milliseconds()),
		"linger.ms":              1,
		"retry.backoff.ms":       10, // the coordinator asks for another try while it ends the last transaction
		"retry.backoff.max.ms":   500,
		"go.delivery.reports":    false,
	}, c.opts.Memory.Lend(budget.Send))
	if err != nil {
		return nil, fmt.Errorf("opening producer %s: %w", id, err)
	}
	p := &producer{client: client, id: id}
	if err := p.fence(ctx); err != nil {
		p.close()
		return nil, right(fmt.Errorf("taking over transactional id %s: %w", id, err), "Write", id)
	}
	return p, nil
}

// fence takes the transactional id, again and again while the cluster says that
// a later attempt may do. An attempt is short because the client library does
// not notice that ctx was cancelled.
func (p *producer) fence(ctx context.Context) error {
	return retry(ctx, func() error {
		attempt, cancel := context.WithTimeout(ctx, fenceAttempt)
		defer cancel()
		err := p.client.InitTransactions(attempt)
		if err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
		return fenced(err)
	})
}

// send adds a record to the open transaction, opening one if there is none. It
// waits while the client's queue is full. The record's bytes are copied.
func (p *producer) send(m *ck.Message) error { return p.sendReported(m, nil) }

// sendReported is send, with the record's fate told to reports unless that is nil.
func (p *producer) sendReported(m *ck.Message, reports chan ck.Event) error {
	if err := p.begin(); err != nil {
		return err
	}
	for deadline := time.Now().Add(commitTimeout); ; {
		err := p.client.Produce(m, reports)
		var ke ck.Error
		if errors.As(err, &ke) && ke.Code() == ck.ErrQueueFull && time.Now().Before(deadline) {
			p.client.Flush(10)
			continue
		}
		if err != nil {
			return fenced(fmt.Errorf("producing to %s: %w", *m.TopicPartition.Topic, err))
		}
		p.records++
		if topic := *m.TopicPartition.Topic; !slices.Contains(p.topics, topic) {
			p.topics = append(p.topics, topic)
		}
		return nil
	}
}

func (p *producer) begin() error {
	if p.open {
		return nil
	}
	if err := p.client.BeginTransaction(); err != nil {
		return fenced(fmt.Errorf("opening a transaction: %w", err))
	}
	p.open, p.since, p.records, p.topics = true, time.Now(), 0, p.topics[:0]
	return nil
}

// commit makes all that was sent since the last commit visible as one unit, or
// nothing of it. With no open transaction it does nothing. After an error the
// outcome may be unknown: the next owner of the id finds out.
func (p *producer) commit(ctx context.Context) error {
	if !p.open {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	err := p.client.CommitTransaction(ctx)
	if topicGone(err) {
		return fmt.Errorf("committing %d records: not taken in %s, as a topic that they go to is gone, or its brokers are away or slow: %w", p.records, commitTimeout, err)
	}
	if err != nil {
		err = fenced(fmt.Errorf("committing %d records: %w", p.records, err))
		if lacks(err) == "transactional id" {
			return right(err, "Write", p.id)
		}
		return right(err, "Write", strings.Join(p.topics, " or "))
	}
	p.open = false
	return nil
}

// close lets go of the client. An open transaction is left to the next owner of
// the id, or to the transaction's time-out: aborting it is not worth waiting for.
func (p *producer) close() { p.client.close() }

// record is a message for one topic; partition is ck.PartitionAny where the key decides.
func record(topic string, partition int32, key, value []byte, headers ...ck.Header) *ck.Message {
	return &ck.Message{
		TopicPartition: ck.TopicPartition{Topic: &topic, Partition: partition},
		Key:            key, Value: value, Headers: headers,
	}
}
