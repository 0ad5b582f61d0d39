package kafka

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// startBroker starts an in-process broker and returns a cluster on it.
func startBroker(t *testing.T, topics ...string) (*kfake.Cluster, *Cluster) {
	t.Helper()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, topics...))
	if err != nil {
		t.Fatalf("starting a broker: %v", err)
	}
	t.Cleanup(broker.Close)
	return broker, openCluster(t, broker.ListenAddrs()...)
}

func openCluster(t *testing.T, brokers ...string) *Cluster {
	t.Helper()
	return openJob(t, "test", brokers...)
}

func openJob(t *testing.T, job string, brokers ...string) *Cluster {
	t.Helper()
	return openKeyed(t, job, 2, brokers...)
}

// openKeyed is openJob with keyed logs of so many partitions.
func openKeyed(t *testing.T, job string, partitions int, brokers ...string) *Cluster {
	t.Helper()
	return openOptions(t, Options{Brokers: brokers, Job: job, KeyedPartitions: partitions})
}

func openOptions(t *testing.T, o Options) *Cluster {
	t.Helper()
	o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	c, err := Open(o)
	if err != nil {
		t.Fatalf("opening the cluster: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); c.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; c.Close() })
	return c
}

// testContext ends where a test waits in vain: later than a loaded machine takes.
func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	t.Cleanup(cancel)
	return ctx
}
