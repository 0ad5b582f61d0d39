package group

import (
	"sync/atomic"
	"testing"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// polled polls a member until done, or fails.
func polled(t *testing.T, m *Member, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Minute); !done(); {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
		m.Poll(50)
	}
}

// A client that the group does not answer is replaced by one that it does; the old
// one moves nothing any more.
func TestAClientThatIsNotAnsweredIsReplaced(t *testing.T) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "alerts"))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	var joins atomic.Int64
	broker.ControlKey(int16(kmsg.JoinGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
		broker.KeepControl()
		if joins.Add(1) == 1 {
			broker.SleepControl(func() { <-t.Context().Done() })
		}
		return nil, nil, false
	})
	given := map[*ck.Consumer]int{}
	m, err := Join(ck.ConfigMap{"bootstrap.servers": broker.ListenAddrs()[0], "group.id": "g", "partition.assignment.strategy": "cooperative-sticky", "enable.metrics.push": false},
		func(client *ck.Consumer, ev ck.Event) error {
			if a, ok := ev.(ck.AssignedPartitions); ok {
				given[client] += len(a.Partitions)
				return client.IncrementalAssign(a.Partitions)
			}
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { m.Close() }()
	if !m.Silent().IsZero() || m.Adrift(0) {
		t.Error("silent before it was asked")
	}
	if err := m.Subscribe([]string{"alerts"}); err != nil {
		t.Fatal(err)
	}
	first, old := m.Silent(), m.Consumer
	polled(t, m, "the question", func() bool { return joins.Load() > 0 })
	if m.Adrift(time.Hour) || !m.Adrift(time.Nanosecond) || first.IsZero() {
		t.Errorf("silent since %s; adrift must depend on how long", first)
	}
	if err := m.Replace(); err != nil {
		t.Fatal(err)
	}
	if m.Consumer == old || m.Silent() != first {
		t.Error("the same client, or silent since then only")
	}
	polled(t, m, "an answer", func() bool { return m.Silent().IsZero() })
	if given[m.Consumer] != 2 || len(given) != 1 {
		t.Errorf("partitions by client: %v", given)
	}
	if err := m.Subscribe(nil); err != nil || m.Adrift(0) {
		t.Errorf("adrift though nothing is asked: %v", err)
	}
	polled(t, m, "the partitions to go", func() bool { at, err := m.Assignment(); return err == nil && len(at) == 0 })
	if !m.Silent().IsZero() {
		t.Error("silent though nothing is asked")
	}
	broker.Close()
	if err := m.Subscribe([]string{"alerts"}); err != nil || m.Adrift(time.Nanosecond) || m.Silent().IsZero() {
		t.Errorf("adrift, or not silent, though no broker is there: %v", err)
	}
}
