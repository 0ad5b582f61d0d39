package kafka

import (
	"strconv"
	"time"

	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/sinks/alert"
	"github.com/caltrop/caltrop/sinks/view"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Bounds of what is written. Topics of ours take records of topicBytesMax.
const (
	topicBytesMax    = producedBytesMax + 64<<10
	rejectedBytesMax = 1 << 20  // of a late or dead value; the rest is cut off and counted in a header
	rejectedKeyMax   = 64 << 10 // of a late or dead key
	detailBytesMax   = 1 << 10
)

// output turns the effects of one task into records. It is owned by its tenure.
type output struct {
	topics   Topics
	id       TaskID
	journal  string
	progress string
	producer *producer
	buf      []byte
}

// write adds the effects to the open transaction, opening one where there is
// something to write.
func (o *output) write(fx *task.Effects, source func(int) task.Source, traced *traces, now time.Time) error {
	for i := range fx.Journal {
		if err := o.producer.send(record(o.journal, o.id.Partition, nil, fx.Journal[i].AppendTo(nil))); err != nil {
			return err
		}
	}
	for i := range fx.Alerts {
		if err := o.producer.send(o.alert(&fx.Alerts[i], traced.headers(i), now)); err != nil {
			return err
		}
	}
	for i := range fx.Views {
		if err := o.view(&fx.Views[i]); err != nil {
			return err
		}
	}
	return o.reject(fx.Late, fx.Dead, source)
}

// reject writes late and dead records, whose sources source knows by number.
func (o *output) reject(late, dead []task.Rejected, source func(int) task.Source) error {
	for i := range late {
		if err := o.producer.send(o.rejected(o.topics.Late(), &late[i], source(late[i].Source))); err != nil {
			return err
		}
	}
	for i := range dead {
		if err := o.producer.send(o.rejected(o.topics.Dead(), &dead[i], source(dead[i].Source))); err != nil {
			return err
		}
	}
	return nil
}

// view writes one update, and behind the last one of a key a tombstone, so that
// compaction forgets the key.
func (o *output) view(u *view.Update) error {
	o.buf = u.AppendJSON(o.buf[:0])
	if err := o.producer.send(record(o.topics.Views(), ck.PartitionAny, u.RecordKey(), o.buf)); err != nil || !u.Gone {
		return err
	}
	return o.producer.send(record(o.topics.Views(), ck.PartitionAny, u.RecordKey(), nil))
}

// finish adds the progress record and commits. With no open transaction it
// does nothing unless always is true.
func (o *output) finish(commit func() error, progress []byte, always bool) error {
	if !o.producer.open && !always {
		return nil
	}
	key := strconv.AppendInt(nil, int64(o.id.Partition), 10)
	if err := o.producer.send(record(o.progress, o.id.Partition, key, progress)); err != nil {
		return err
	}
	return commit()
}

func (o *output) alert(a *alert.Alert, headers []ck.Header, now time.Time) *ck.Message {
	a.DetectedAt = now.UnixMicro()
	topic := o.topics.Alerts()
	if a.Mode == "shadow" {
		topic = o.topics.Shadow()
	}
	o.buf = a.AppendRecord(o.buf[:0])
	return record(topic, ck.PartitionAny, []byte(a.KeyText()), o.buf, headers...)
}

// rejected describes a record that became no event: the record itself, cut to
// what a broker takes, and headers that say where it stood and why.
func (o *output) rejected(topic string, r *task.Rejected, src task.Source) *ck.Message {
	headers := []ck.Header{
		{Key: headerReason, Value: []byte(r.Reason)},
		{Key: headerDetail, Value: clip([]byte(r.Detail), detailBytesMax)},
		{Key: headerStream, Value: []byte(src.Stream)},
		{Key: headerTopic, Value: []byte(src.Origin)},
		{Key: headerPartition, Value: strconv.AppendInt(nil, int64(src.Partition), 10)},
		{Key: headerOffset, Value: strconv.AppendInt(nil, r.Offset, 10)},
	}
	if r.Time != 0 {
		headers = append(headers, ck.Header{Key: headerTime, Value: strconv.AppendInt(nil, r.Time, 10)})
	}
	if r.Withheld > 0 || len(r.Value) > rejectedBytesMax || len(r.Key) > rejectedKeyMax {
		size := strconv.AppendInt(nil, int64(r.Withheld+len(r.Key)+len(r.Value)), 10)
		headers = append(headers, ck.Header{Key: headerCut, Value: size})
	}
	return record(topic, ck.PartitionAny, clip(r.Key, rejectedKeyMax), clip(r.Value, rejectedBytesMax), headers...)
}

func clip(b []byte, most int) []byte {
	if len(b) > most {
		return b[:most]
	}
	return b
}
