package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Bounds of one replay of letters: it is one transaction.
const (
	ReplayMax      = 10_000
	ReplayBytesMax = 64 << 20 // of keys and values
)

// A Tally is what a replay would write.
type Tally struct {
	Whole int   // letters that can be replayed
	Bytes int64 // of their keys and values
	Cut   int   // letters whose value was cut when they were written: they cannot be
}

// Tally counts the letters.
func (l *Letters) Tally(ctx context.Context) (Tally, error) {
	var t Tally
	err := l.Each(ctx, func(letter *Letter) error { t.add(letter); return nil })
	return t, err
}

func (t *Tally) add(l *Letter) {
	if !l.whole() {
		t.Cut++
		return
	}
	t.Whole++
	t.Bytes += int64(len(l.Key) + len(l.Value))
}

// whole reports whether the letter is one of ours with the record's own bytes.
func (l *Letter) whole() bool { return l.CutFrom == 0 && l.Source.Topic != "" }

// Bounded returns an error when this is more than one replay may write.
func (t Tally) Bounded() error {
	if t.Whole > ReplayMax || t.Bytes > ReplayBytesMax {
		return fmt.Errorf("%d records of %d bytes match; one replay writes at most %d records of %d bytes: narrow the time or the reasons",
			t.Whole, t.Bytes, ReplayMax, ReplayBytesMax)
	}
	return nil
}

// Replay writes the records of the letters that are whole, as they were read,
// to the topic to, by their keys; with to "" each to the topic and partition it
// came from. Headers say where it was replayed from and why it was there. All of
// it is one transaction: on an error, and when the letters are not exactly want,
// nothing is written. Of two replays at a time the later one wins.
func (l *Letters) Replay(ctx context.Context, to string, want int, now time.Time) error {
	if to == l.cluster.Topics().Dead() || to == l.cluster.Topics().Late() {
		return fmt.Errorf("topic %s holds letters: they are not replayed into it", to)
	}
	p, err := l.cluster.openProducer(ctx, l.cluster.Topics().Dead()+".replay")
	if err != nil {
		return err
	}
	defer p.close()
	w := replay{cluster: l.cluster, producer: p, to: to, now: []byte(now.UTC().Format(time.RFC3339)), partitions: map[string]int{}}
	if err := l.Each(ctx, w.write); err != nil {
		return err
	}
	if w.tally.Whole != want {
		return fmt.Errorf("%d records match now, %d were confirmed: nothing was replayed", w.tally.Whole, want)
	}
	return p.commit(ctx)
}

// A replay writes letters in one transaction.
type replay struct {
	cluster    *Cluster
	producer   *producer
	to         string
	now        []byte
	partitions map[string]int // of topics written to
	tally      Tally
}

func (w *replay) write(l *Letter) error {
	w.tally.add(l)
	if !l.whole() {
		return nil
	}
	if err := w.tally.Bounded(); err != nil {
		return err
	}
	topic, partition := w.to, ck.PartitionAny
	if topic == "" {
		topic, partition = l.Source.Topic, l.Source.Partition
	}
	n, err := w.known(topic)
	if err != nil {
		return err
	}
	if int(partition) >= n {
		return fmt.Errorf("topic %s has %d partitions now, the record was in partition %d: name a topic to replay by key", topic, n, partition)
	}
	from := l.Topic + "/" + strconv.Itoa(int(l.Partition)) + "/" + strconv.FormatInt(l.Offset, 10)
	return w.producer.send(record(topic, partition, l.Key, l.Value,
		ck.Header{Key: headerReplayedFrom, Value: []byte(from)},
		ck.Header{Key: headerReplayedReason, Value: []byte(l.Reason)},
		ck.Header{Key: headerReplayedAt, Value: w.now}))
}

// known returns how many partitions a topic has.
func (w *replay) known(topic string) (int, error) {
	if n := w.partitions[topic]; n > 0 {
		return n, nil
	}
	n, err := w.cluster.Partitions(topic)
	if err == nil && n == 0 {
		err = errors.New("topic " + topic + " does not exist")
	}
	w.partitions[topic] = n
	return n, err
}
