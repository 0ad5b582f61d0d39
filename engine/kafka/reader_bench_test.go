package kafka

import (
	"fmt"
	"strings"
	"testing"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// BenchmarkReader reads records of 250 bytes, copied one by one and lent many
// at a time. The broker runs in the same process; its work is part of both.
func BenchmarkReader(b *testing.B) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "payments"))
	if err != nil {
		b.Fatal(err)
	}
	defer broker.Close()
	cluster, err := Open(Options{Brokers: broker.ListenAddrs()})
	if err != nil {
		b.Fatal(err)
	}
	defer cluster.Close()
	const records = 200_000
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.ListenAddrs()...), kgo.DefaultProduceTopic("payments"))
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	for i := range records {
		value := fmt.Appendf(nil, `{"id":%d,"pad":"%s"}`, i, strings.Repeat("x", 220))
		client.Produce(b.Context(), &kgo.Record{Value: value}, nil)
	}
	if err := client.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	for _, lent := range []bool{false, true} {
		b.Run(fmt.Sprintf("lent=%v", lent), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				readAll(b, cluster, lent, records)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/records, "ns/record")
		})
	}
}

func readAll(b *testing.B, cluster *Cluster, lent bool, records int) {
	r, err := cluster.openReader("payments", 0, ck.OffsetBeginning)
	if err != nil {
		b.Fatal(err)
	}
	defer r.close()
	if lent {
		if err := r.lend(""); err != nil {
			b.Fatal(err)
		}
	}
	for read := 0; read < records; {
		m, _, err := r.next(time.Second)
		if err != nil {
			b.Fatal(err)
		}
		if m != nil {
			read++
		}
	}
}
