package kafka

import (
	"context"
	"slices"
	"testing"

	"github.com/caltrop/caltrop/rules"
	"github.com/twmb/franz-go/pkg/kfake"
)

func TestAnEngineNoticesThatKafkaIsAway(t *testing.T) {
	t.Parallel()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, broker: broker, cluster: openCluster(t, broker.ListenAddrs()...), rules: rules.NewRegistry(rules.Options{Log: &rules.MemoryLog{}})}
	b.background(func(ctx context.Context) { b.rules.Run(ctx) })
	<-b.rules.Ready()
	e, _ := b.start(EngineOptions{Keeper: forgetful{}})
	ready := func() bool { s := e.Status(); return s.Ready() == nil }
	b.until("the engine to be ready", ready)
	broker.Close()
	b.until("the engine not to be ready", func() bool { return !ready() })
}

func TestAMissingTopicIsTold(t *testing.T) {
	b := newBench(t)
	b.put(rules.KindStream, "later", "apiVersion: caltrop/v1\nkind: Stream\nname: later\nsource: {topic: laters}\ntime: {field: ts, unit: ms}\npartition_key: id\nfields: {id: string}\n")
	e, _ := b.engine()
	b.until("the topic to be missing", func() bool { return slices.Equal(e.Status().Missing, []string{"laters"}) })
	if err := b.cluster.EnsureTopics(testContext(t), map[string]int{"laters": 1}); err != nil {
		t.Fatal(err)
	}
	b.until("the topic to be there", func() bool { return len(e.Status().Missing) == 0 })
}
