package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/caltrop/caltrop/engine/budget"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// ErrRecord says that no broker will take this record.
var ErrRecord = errors.New("the record is too large")

// A Writer writes records outside the transactions of tasks, each at least
// once. One goroutine owns it.
type Writer struct{ client *sender }

// OpenWriter returns a writer that is not yet connected. The caller closes it.
func (c *Cluster) OpenWriter() (*Writer, error) {
	client, err := c.newSender(ck.ConfigMap{
		"enable.idempotence": true,
		"message.timeout.ms": int(commitTimeout.Milliseconds()),
		"linger.ms":          5,
	}, budget.Loan{Bytes: producerQueueBytes})
	if err != nil {
		return nil, fmt.Errorf("opening a writer: %w", err)
	}
	return &Writer{client: client}, nil
}

// Close ends the connection. Nothing is being written any more.
func (w *Writer) Close() { w.client.close() }

// A Header is one header of a record.
type Header struct{ Name, Value string }

// A Written is a record to write: its key decides the partition.
type Written struct {
	Topic   string
	Key     []byte
	Value   []byte
	Headers []Header
}

// Write writes records and waits until all are durable or failed: errs has the
// outcome of each, in order; one that matches ErrRecord can never be written.
// When ctx ends the rest may be written or not.
func (w *Writer) Write(ctx context.Context, records []Written) (errs []error) {
	errs = make([]error, len(records))
	reports := make(chan ck.Event, len(records))
	sent := 0
	for i := range records {
		r := &records[i]
		headers := make([]ck.Header, len(r.Headers))
		for j, h := range r.Headers {
			headers[j] = ck.Header{Key: h.Name, Value: []byte(h.Value)}
		}
		m := record(r.Topic, ck.PartitionAny, r.Key, r.Value, headers...)
		m.Opaque = i
		if err := w.client.Produce(m, reports); err != nil {
			errs[i] = writing(r.Topic, err)
			continue
		}
		sent++
	}
	for ; sent > 0; sent-- {
		select {
		case ev := <-reports:
			if m, ok := ev.(*ck.Message); ok {
				i := m.Opaque.(int) // set above
				errs[i] = writing(records[i].Topic, m.TopicPartition.Error)
			}
		case <-ctx.Done():
			for i := range errs {
				if errs[i] == nil {
					errs[i] = ctx.Err()
				}
			}
			return errs
		}
	}
	return errs
}

func writing(topic string, err error) error {
	var ke ck.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &ke) && (ke.Code() == ck.ErrMsgSizeTooLarge || ke.Code() == ck.ErrInvalidMsgSize):
		return fmt.Errorf("writing to %s: %w: %w", topic, ErrRecord, err)
	}
	return fmt.Errorf("writing to %s: %w", topic, err)
}

// WriteLetters writes alerts that a sink can never take to the dead letters, and
// returns once all are durable. Of a letter it takes Reason, Detail, Stream,
// Source, Key and Value.
func (w *Writer) WriteLetters(ctx context.Context, dead string, letters []Letter) error {
	records := make([]Written, len(letters))
	for i := range letters {
		l := &letters[i]
		records[i] = Written{Topic: dead, Key: clip(l.Key, rejectedKeyMax), Value: clip(l.Value, rejectedBytesMax), Headers: []Header{
			{headerReason, l.Reason}, {headerDetail, string(clip([]byte(l.Detail), detailBytesMax))}, {headerStream, l.Stream}, {headerTopic, l.Source.Topic},
			{headerPartition, strconv.Itoa(int(l.Source.Partition))}, {headerOffset, strconv.FormatInt(l.Source.Offset, 10)},
		}}
		if len(l.Value) > rejectedBytesMax || len(l.Key) > rejectedKeyMax {
			records[i].Headers = append(records[i].Headers, Header{headerCut, strconv.Itoa(len(l.Key) + len(l.Value))})
		}
	}
	return errors.Join(w.Write(ctx, records)...)
}
