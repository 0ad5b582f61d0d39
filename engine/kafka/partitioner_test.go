package kafka

import (
	"bufio"
	"encoding/hex"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/engine/partitioner"
	"github.com/caltrop/caltrop/rules"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

var goldens = flag.String("partitioner.goldens", "", "folder to write what librdkafka says to; see engine/partitioner/testdata/README.md")

// TestLibrdkafkaPutsKeysWhereWeLookForThem lets librdkafka itself place the keys
// of the golden values.
func TestLibrdkafkaPutsKeysWhereWeLookForThem(t *testing.T) {
	t.Parallel()
	_, c := startBroker(t)
	counts := []int{1, 7, 32, 1000}
	topics := map[string]int{}
	for _, n := range counts {
		topics[fmt.Sprint("of", n)] = n
	}
	if err := c.EnsureTopics(testContext(t), topics); err != nil {
		t.Fatal(err)
	}
	for option, name := range map[string]string{"murmur2": "murmur2", "consistent": "crc32"} {
		p, err := ck.NewProducer(c.clientConfig(ck.ConfigMap{"partitioner": option}))
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		var golden strings.Builder
		for _, key := range goldenKeys(t) {
			fmt.Fprint(&golden, hexOf(key))
			for _, n := range counts {
				topic, report := fmt.Sprint("of", n), make(chan ck.Event, 1)
				if err := p.Produce(&ck.Message{TopicPartition: ck.TopicPartition{Topic: &topic, Partition: ck.PartitionAny}, Key: key, Value: []byte("v")}, report); err != nil {
					t.Fatal(err)
				}
				got := (<-report).(*ck.Message).TopicPartition
				if want := partitioner.Of(name)(key, n); got.Error != nil || got.Partition != want {
					t.Errorf("%s sends key %x to partition %d of %d (%v), we look in %d", option, key, got.Partition, n, got.Error, want)
				}
				fmt.Fprint(&golden, " ", got.Partition)
			}
			fmt.Fprintln(&golden)
		}
		if *goldens != "" {
			if err := os.WriteFile(*goldens+"/"+name+"-librdkafka.txt", []byte(golden.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func hexOf(key []byte) string {
	if len(key) == 0 {
		return "-"
	}
	return hex.EncodeToString(key)
}

func goldenKeys(t *testing.T) (keys [][]byte) {
	t.Helper()
	file, err := os.Open("../partitioner/testdata/murmur2.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for s := bufio.NewScanner(file); s.Scan(); {
		text, _, _ := strings.Cut(s.Text(), " ")
		key, err := hex.DecodeString(strings.Trim(text, "-"))
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	return keys
}

// TestARecordInAnotherPartitionIsToldInTheStatus writes records where the
// stream's partitioner does not put them: they are events, and both the task
// that matches and the one that routes tell the first one's place, after a
// restart too.
func TestARecordInAnotherPartitionIsToldInTheStatus(t *testing.T) {
	b := newBenchOf(t, strings.Replace(streamText, "lateness:", "partitioner: murmur2\nlateness:", 1))
	b.topic("logins", 3)
	b.put(rules.KindStream, "login", loginText)
	b.put(rules.KindRule, "takeover", takeoverText)
	told := func(e *Engine) map[string]partitioner.Misplaced {
		all := map[string]partitioner.Misplaced{}
		for _, s := range e.Status().Tasks {
			if s.Misplaced.Records > 0 {
				all[fmt.Sprint(s.ID.Input, "/", s.ID.Partition)] = s.Misplaced
			}
		}
		return all
	}
	b.produce(b.fails("c1", 0)...) // keyed c1, the last one for card other
	own := partitioner.Murmur2([]byte("c1"), 2)
	want := partitioner.Misplaced{Revision: 1, Records: 1, First: 3, Why: partitioner.OtherKey}
	if own != 0 {
		want = partitioner.Misplaced{Revision: 1, Records: 4, First: 0, Why: partitioner.OtherPlace}
	}
	for range 2 {
		e, stop := b.start(EngineOptions{Keeper: forgetful{}})
		b.until(fmt.Sprintf("both tasks telling %+v", want), func() bool {
			all := slices.Collect(maps.Values(told(e)))
			return len(all) == 2 && all[0] == want && all[1] == want
		})
		b.wantAlerts(1)
		stop()
	}
}
