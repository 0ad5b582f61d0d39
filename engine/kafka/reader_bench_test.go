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
	const records = 200_000
	cluster := filled(b, records)
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

// BenchmarkReaderOnce opens a reader, reads a partition of ten records to its end
// and closes it.
func BenchmarkReaderOnce(b *testing.B) {
	cluster := filled(b, 10)
	for name, from := range map[string]ck.Offset{"beginning": ck.OffsetBeginning, "offset": 0} {
		b.Run("from="+name, func(b *testing.B) {
			for b.Loop() {
				r, err := cluster.openReader("payments", 0, from, onceWait)
				if err != nil {
					b.Fatal(err)
				}
				if err := r.rest(b.Context(), func(*ck.Message) error { return nil }); err != nil {
					b.Fatal(err)
				}
				r.close()
			}
		})
	}
}

// filled is a cluster whose topic payments has so many records.
func filled(b *testing.B, records int) *Cluster {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "payments"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(broker.Close)
	cluster, err := Open(Options{Brokers: broker.ListenAddrs()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(cluster.Close)
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
	return cluster
}

func readAll(b *testing.B, cluster *Cluster, lent bool, records int) {
	r, err := cluster.openReader("payments", 0, ck.OffsetBeginning, onceWait)
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
