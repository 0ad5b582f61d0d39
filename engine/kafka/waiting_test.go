package kafka

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// TestWaiting asks what is said of a cluster before and while no broker answers,
// and when one does: since when it is, and where it was looked for.
func TestWaiting(t *testing.T) {
	begun := time.Now().UTC().Truncate(time.Second)
	c, err := Open(Options{Brokers: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	first := c.Waiting()
	if first == nil || !strings.HasPrefix(first.Error(), "waiting for Kafka at 127.0.0.1:1 since 2") {
		t.Fatalf("before an answer: %v", first)
	}
	_, err = c.Partitions("payments")
	if err == nil || !strings.HasPrefix(err.Error(), "no broker at 127.0.0.1:1 answers: reading metadata of payments: ") {
		t.Fatalf("asking a broker that is not there: %v", err)
	}
	c.heard(err)
	said := c.Waiting().Error()
	_, rest, _ := strings.Cut(said, "waiting for Kafka at 127.0.0.1:1 since ")
	since, why, _ := strings.Cut(rest, ": ")
	if at, bad := time.Parse(time.RFC3339, since); bad != nil || at.Before(begun) || at.After(time.Now()) || why != err.Error() {
		t.Errorf("while no broker answers: %s", said)
	}

	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "payments"))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	there, err := Open(Options{Brokers: broker.ListenAddrs()})
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	if err := there.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := there.Waiting(); err != nil {
		t.Errorf("with a broker: %v", err)
	}
}
