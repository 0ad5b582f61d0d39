//go:build e2e

package faults

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// sourcePartitions is how many a source topic has where a test asks for no other number.
var sourcePartitions = flag.Int("partitions", 8, "of a source topic, where a test asks for no other number")

// A rig is one test's corner of the servers: topics, keyspace and directories
// of its own, and the program built from this tree.
type rig struct {
	t      *testing.T
	binary string
	settings
	streams, rules []byte   // the documents, with this rig's topics
	views          []byte   // likewise; nil: none
	only           []string // the streams that are used; nil: all
	keyedLogs      int      // that the rules have
	partitions     int      // of each source topic
	newest         alertSet // of what matched said, the last version of each alert
	apart          string   // a rule that is left out of what is compared; "": none
}

func newRig(t *testing.T) *rig {
	t.Helper()
	return newRigOn(t, cmp.Or(os.Getenv("E2E_KAFKA"), "127.0.0.1:19092"), 1)
}

// newRigOn is a rig on these brokers, with topics of so many replicas.
func newRigOn(t *testing.T, brokers string, replication int, only ...string) *rig {
	t.Helper()
	name := fmt.Sprintf("t%d", time.Now().UnixNano())
	r := &rig{t: t, binary: program, only: only, partitions: *sourcePartitions, settings: settings{
		Name: name, Dir: t.TempDir(), Keyspace: name, History: "cassandra",
		Brokers: brokers, Replication: replication,
		CassandraHost:   cmp.Or(os.Getenv("E2E_CASSANDRA_HOST"), "127.0.0.1"),
		CassandraPort:   cmp.Or(os.Getenv("E2E_CASSANDRA_PORT"), "19042"),
		CheckpointEvery: 2 * time.Second, Memory: "256MiB",
	}}
	if user := os.Getenv("E2E_CASSANDRA_USER"); user != "" {
		r.CassandraUser = fmt.Sprintf("username: %s, password: {env: E2E_CASSANDRA_PASSWORD}", user)
	}
	r.Checkpoints = "directory: " + filepath.Join(r.Dir, "checkpoints")
	if err := built(); err != nil {
		t.Fatal(err)
	}
	r.streams, r.rules = r.document("streams.yaml"), r.document("rules.yaml")
	r.createTopics(r.streamNames()...)
	return r
}

// program is where built puts the program of this tree; TestMain says it.
var program string

// built builds the program, once for all tests.
var built = sync.OnceValue(func() error {
	if out, err := exec.Command("go", "build", "-o", program, "github.com/caltrop/caltrop/cmd/caltrop").CombinedOutput(); err != nil {
		return fmt.Errorf("building the program: %w\n%s", err, out)
	}
	return nil
})

func (r *rig) document(name string) []byte {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		r.t.Fatal(err)
	}
	return []byte(strings.ReplaceAll(string(text), "TOPIC-", r.Name+"-"))
}

// keyed are the documents of keyed.yaml of these streams, with this lateness.
func (r *rig) keyed(lateness string, streams ...string) []byte {
	r.t.Helper()
	all := documents(bytes.ReplaceAll(r.document("keyed.yaml"), []byte("LATENESS"), []byte(lateness)))
	all = slices.DeleteFunc(all, func(doc string) bool { return !slices.Contains(streams, nameOf(doc)) })
	return []byte(strings.Join(all, "\n---\n"))
}

func (r *rig) streamNames() []string {
	if r.only != nil {
		return r.only
	}
	return []string{"payment", "login", "order"}
}

func (r *rig) topic(stream string) string { return r.Name + "-" + stream }

func (r *rig) createTopics(streams ...string) {
	r.t.Helper()
	topics := make([]string, len(streams))
	for i, s := range streams {
		topics[i] = r.topic(s)
	}
	r.create(topics)
}

func (r *rig) create(topics []string) {
	r.t.Helper()
	admin, err := ck.NewAdminClient(&ck.ConfigMap{"bootstrap.servers": r.Brokers})
	if err != nil {
		r.t.Fatal(err)
	}
	defer admin.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, topic := range topics {
		results, err := admin.CreateTopics(ctx, []ck.TopicSpecification{{Topic: topic, NumPartitions: r.partitions, ReplicationFactor: r.Replication,
			Config: map[string]string{"max.message.bytes": fmt.Sprint(12 << 20)}}})
		if err != nil {
			r.t.Fatalf("creating topics (are the servers up? make services): %v", err)
		}
		if code := results[0].Error.Code(); code != ck.ErrNoError {
			r.t.Fatalf("creating topic %s: %v", topic, results[0].Error)
		}
	}
	eventually(r.t, patience, func() string {
		for _, topic := range topics {
			md, err := admin.GetMetadata(&topic, false, 5000)
			if err != nil || len(md.Topics[topic].Partitions) != r.partitions {
				return "topic " + topic + " is not visible"
			}
		}
		return ""
	})
}

// install stores the rig's streams and rules through one process and waits
// until every partition has a task that runs them.
func (r *rig) install(p *process, all ...*process) {
	r.t.Helper()
	r.store(p)
	r.settled(patience, all...)
}

// store stores the rig's streams and rules through one process.
func (r *rig) store(p *process) {
	r.t.Helper()
	r.ready(p)
	for _, kind := range []struct {
		name string
		text []byte
	}{{"streams", r.streams}, {"rules", r.rules}, {"views", r.views}} {
		for _, doc := range documents(kind.text) {
			p.put(kind.name, nameOf(doc), []byte(doc))
		}
	}
}

// ready waits until a process says that it is.
func (r *rig) ready(p *process) {
	r.t.Helper()
	eventually(r.t, patience, func() string {
		if err := p.get("/readyz", &map[string]any{}); err != nil {
			return err.Error()
		}
		return ""
	})
}

// documents are those of a text; none of an empty one.
func documents(text []byte) []string {
	if len(text) == 0 {
		return nil
	}
	return strings.Split(string(text), "\n---\n")
}

// nameOf finds the name of a document.
func nameOf(doc string) string {
	for line := range strings.Lines(doc) {
		if rest, ok := strings.CutPrefix(line, "name: "); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

// settled waits until every partition of every stream is live in exactly one
// process, with the newest rules.
func (r *rig) settled(within time.Duration, all ...*process) {
	r.t.Helper()
	newest := int64(-1) // a rule set's version is the offset of its last document
	r.readAll(r.Name+".rules", func(m *ck.Message) { newest = max(newest, int64(m.TopicPartition.Offset)) })
	eventually(r.t, within, func() string {
		live := map[string]int{}
		var tasks []taskView
		for _, p := range all {
			tasks = append(tasks, p.tasks()...)
		}
		for _, t := range tasks {
			if t.State == "live" && t.Rules == newest {
				live[fmt.Sprintf("%s/%d", t.Stream, t.Partition)]++
			}
		}
		if want := r.partitions*len(r.streamNames()) + r.keyedLogs*r.Keyed; len(live) != want {
			return fmt.Sprintf("%d partitions are live with rules %d, want %d: %+v", len(live), newest, want, tasks)
		}
		return ""
	})
}
