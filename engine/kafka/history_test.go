package kafka

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/caltrop/caltrop/engine/backtest"
	"github.com/twmb/franz-go/pkg/kgo"
)

// produce writes values v<from>, v<from+1>, … a minute of record time apart, to
// the two partitions of payments in turn.
func produce(t *testing.T, client *kgo.Client, from, n int) {
	t.Helper()
	for i := range n {
		at := historyBegin.Add(time.Duration(from+i) * time.Minute)
		r := &kgo.Record{Partition: int32(i % 2), Value: fmt.Appendf(nil, "v%d", from+i), Timestamp: at}
		if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

var historyBegin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func newProducer(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic("payments"))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// spanValues reads the first partition of payments.
func spanValues(t *testing.T, h History, from time.Time) string {
	t.Helper()
	ctx := testContext(t)
	spans, err := h.Spans(ctx, "payments", from)
	if err != nil || len(spans) != 2 {
		t.Fatalf("%v, %v", spans, err)
	}
	r, err := h.Open(ctx, "payments", spans[0])
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	read := []string{}
	var rec backtest.Record
	for err = r.Next(ctx, &rec); err == nil; err = r.Next(ctx, &rec) {
		read = append(read, string(rec.Value))
	}
	if err != io.EOF {
		t.Error(err)
	}
	return fmt.Sprint(read)
}

// What was aborted was never there, and markers at the end of a span end it.
func TestHistoryIsCommitted(t *testing.T) {
	broker, cluster := startBroker(t, "payments")
	client := newProducer(t, kgo.SeedBrokers(broker.ListenAddrs()...), kgo.TransactionalID("writer"))
	for i, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit, kgo.TryAbort} {
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		produce(t, client, 10*i, 4)
		if err := client.EndTransaction(t.Context(), end); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := spanValues(t, cluster.History(), time.Time{}), "[v0 v2 v20 v22]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A span holds the records of its time.
func TestHistoryReadsSpans(t *testing.T) {
	broker, cluster := startBroker(t, "payments")
	produce(t, newProducer(t, kgo.SeedBrokers(broker.ListenAddrs()...)), 0, 20)
	base := historyBegin
	h := cluster.History()
	for _, c := range []struct {
		name string
		from time.Time
		want string
	}{
		{"all", time.Time{}, "[v0 v2 v4 v6 v8 v10 v12 v14 v16 v18]"},
		{"before the first", base.Add(-time.Hour), "[v0 v2 v4 v6 v8 v10 v12 v14 v16 v18]"},
		{"between two", base.Add(7 * time.Minute), "[v8 v10 v12 v14 v16 v18]"},
		{"after all", base.Add(time.Hour), "[]"},
	} {
		if got := spanValues(t, h, c.from); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
	if _, err := h.Spans(t.Context(), "nothing", time.Time{}); err == nil {
		t.Error("a topic that is not there has spans")
	}
}
