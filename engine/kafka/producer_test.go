package kafka

import (
	"errors"
	"fmt"
	"runtime"
	"testing"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

func values(t *testing.T, c *Cluster, topic string) []string {
	t.Helper()
	r, err := c.openReader(topic, 0, ck.OffsetBeginning, onceWait)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	var got []string
	err = r.rest(testContext(t), func(m *ck.Message) error {
		got = append(got, string(m.Value))
		return nil
	})
	if err != nil {
		t.Fatalf("reading %s: %v", topic, err)
	}
	return got
}

func wantValues(t *testing.T, c *Cluster, topic string, want ...string) {
	t.Helper()
	got := values(t, c, topic)
	if len(got) != len(want) {
		t.Fatalf("%s holds %q, want %q", topic, got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%s holds %q, want %q", topic, got, want)
		}
	}
}

// A process has a producer for each task, so what one takes of the heap counts.
func TestAProducerIsSmall(t *testing.T) {
	_, c := startBroker(t, "out")
	const producers, most = 8, 1 << 20
	before := heap()
	for i := range producers {
		p, err := c.openProducer(testContext(t), fmt.Sprint("a", i))
		if err != nil {
			t.Fatal(err)
		}
		defer p.close()
	}
	if each := (heap() - before) / producers; each > most {
		t.Errorf("a producer takes %d bytes of the heap, want at most %d", each, most)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestOnlyCommittedRecordsAreRead(t *testing.T) {
	_, c := startBroker(t, "out")
	ctx := testContext(t)
	p, err := c.openProducer(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	p.send(record("out", 0, nil, []byte("one")))
	if err := p.commit(ctx); err != nil {
		t.Fatal(err)
	}
	p.send(record("out", 0, nil, []byte("two")))
	p.client.Flush(5000)
	wantValues(t, c, "out", "one")
}

func TestT16ANewOwnerFencesTheOldOne(t *testing.T) {
	_, c := startBroker(t, "out")
	ctx := testContext(t)
	old, err := c.openProducer(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	defer old.close()
	old.send(record("out", 0, nil, []byte("lost")))
	old.client.Flush(5000)
	owner, err := c.openProducer(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	defer owner.close()
	owner.send(record("out", 0, nil, []byte("kept")))
	if err := owner.commit(ctx); err != nil {
		t.Fatal(err)
	}
	if err := old.commit(ctx); !errors.Is(err, ErrFenced) {
		t.Fatalf("the old owner's commit returned %v, want ErrFenced", err)
	}
	wantValues(t, c, "out", "kept")
}

func TestTheLastRecordIsFoundFarBeforeTheMark(t *testing.T) {
	_, c := startBroker(t, "progress", "journal")
	ctx := testContext(t)
	p, err := c.openProducer(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	r, err := c.newReader("journal", 0, onceWait)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	r.turn("progress", 0)
	owner := &tenure{tenured: tenured{producer: p, cluster: c, out: output{progress: "progress", journal: "journal"}}}
	before := func() *ck.Message {
		t.Helper()
		b, err := owner.mark(ctx)
		if err != nil {
			t.Fatal(err)
		}
		m, err := r.lastBefore(ctx, b.progress)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	if m := before(); m != nil {
		t.Fatalf("the last record of an empty partition is %v", m)
	}
	p.send(record("progress", 0, []byte("0"), []byte("one")))
	if err := p.commit(ctx); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		p.send(record("progress", 0, []byte("0"), []byte("aborted")))
		p.client.Flush(5000)
		p.client.AbortTransaction(ctx)
		p.open = false
	}
	if m := before(); m == nil || string(m.Value) != "one" {
		t.Fatalf("the last record is %v, want one", m)
	}
}

func TestTopicsAreCreatedOnce(t *testing.T) {
	_, c := startBroker(t, "in")
	ctx := testContext(t)
	for range 2 {
		if err := c.EnsureShared(ctx); err != nil {
			t.Fatal(err)
		}
		if n, err := c.ensureInput(ctx, intake{"payment", 1}, 2); n != 2 || err != nil {
			t.Fatalf("the journal has %d partitions, %v; want 2", n, err)
		}
	}
	if n, err := c.Partitions(c.Topics().Alerts()); n != 8 || err != nil {
		t.Errorf("alerts has %d partitions, %v; want 8", n, err)
	}
	if n, err := c.ensureInput(ctx, intake{"payment", 1}, 4); n != 2 || err != nil {
		t.Errorf("after a repartitioning the journal has %d partitions, %v; want the old 2", n, err)
	}
}
