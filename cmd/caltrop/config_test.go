package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTheDocumentedConfigurationHoldsTheDefaults(t *testing.T) {
	documented, err := readConfig(filepath.Join("..", "..", "deploy", "serve.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	least := writeConfig(t, "kafka: {brokers: ['127.0.0.1:9092']}\ndata: /var/lib/caltrop\n")
	c, err := readConfig(least)
	if err != nil {
		t.Fatal(err)
	}
	if c.Job != documented.Job || c.HTTP != documented.HTTP || c.Checkpoint != documented.Checkpoint || c.Memory != documented.Memory ||
		c.History.Kind != documented.History.Kind || c.History.Cassandra.Keyspace != documented.History.Cassandra.Keyspace || c.Log != documented.Log {
		t.Errorf("deploy/serve.yaml says\n%+v\nthe defaults are\n%+v", documented, c)
	}
	if c.Memory != 512<<20 || c.Checkpoint.Every != 30*time.Second {
		t.Errorf("memory %d, checkpoints every %s; want 512 MiB, 30s", c.Memory, c.Checkpoint.Every)
	}
}

func TestAWrongConfigurationSaysWhatIsWrong(t *testing.T) {
	good := "kafka: {brokers: ['127.0.0.1:9092']}\ndata: d\n"
	cases := []struct{ name, text, want string }{
		{"an unknown key", good + "brokers: []\n", "line 3: brokers is no key here, deploy/serve.yaml has them all"},
		{"no brokers", "data: d\n", "kafka.brokers: at least one address is needed"},
		{"no directory", "kafka: {brokers: [a]}\n", "data: a directory is needed"},
		{"a size without a unit that exists", good + "memory: 5TB\n", `"5TB" is no size`},
		{"too little memory", good + "memory: 1MiB\n", "want at least 32MiB"},
		{"an unknown history", good + "history: {kind: oracle}\n", `history.kind is "oracle"`},
		{"Cassandra without hosts", good + "history: {kind: cassandra}\n", "history.cassandra.hosts"},
		{"more than one document", good + "---\njob: two\n", "more than one document"},
		{"a size that no machine has", good + "memory: 99999999999GiB\n", `"99999999999GiB" is no size`},
		{"a file that is too long", good + "#" + strings.Repeat("x", 1<<20), "over 1048576 bytes"},
		{"an unknown level of the log", good + "log: {level: loud}\n", `log.level is "loud"`},
		{"a time without a unit", good + "checkpoints: {every: 30}\n", "line 3: `30` is not a time with its unit, as 30s or 5m"},
		{"one address in place of a list", "kafka: {brokers: 'a:1'}\ndata: d\n", "line 1: `a:1` is not a list, as [a, b]"},
		{"a number past all bounds", good + "generation: 99999999999999999999\n", "is not a whole number within bounds"},
		{"an empty address", "kafka: {brokers: ['']}\ndata: d\n", "none is empty"},
		{"a bucket that is nowhere", good + "checkpoints: {s3: {bucket: b}}\n", "checkpoints.s3.endpoint is missing"},
		{"an address in place of a network", good + "webhooks: {allow: [10.0.0.1]}\n", "webhooks.allow: 10.0.0.1 is no network"},
		{"checkpoints too often", good + "checkpoints: {every: 1ms}\n", "checkpoints.every is 1ms"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := readConfig(writeConfig(t, c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%.200q: got %v, want an error with %q", c.text, err, c.want)
			}
		})
	}
}

func TestServeSaysThatAnAddressIsTaken(t *testing.T) {
	c := &config{Data: t.TempDir()}
	c.Kafka.Brokers = []string{"127.0.0.1:1"}
	c.HTTP.Address = "127.0.0.1:0"
	c.fill()
	log, err := newLog(t.Output(), c.Log)
	if err != nil {
		t.Fatal(err)
	}
	first, err := newNode(c, log)
	if err != nil {
		t.Fatal(err)
	}
	defer first.close()
	second := *c
	second.HTTP.Address = first.listener.Addr().String()
	if _, err := newNode(&second, log); err == nil || !strings.Contains(err.Error(), "taken") {
		t.Errorf("a taken address: %v", err)
	}
	second.HTTP.Address = "127.0.0.1:0"
	if _, err := newNode(&second, log); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a taken data directory: %v", err)
	}
}

// Whatever is wrong with the history, what was opened before is closed again.
func TestServeSaysWhatIsWrongWithTheHistory(t *testing.T) {
	c := &config{Data: t.TempDir()}
	c.Kafka.Brokers = []string{"127.0.0.1:1"}
	c.HTTP.Address = "127.0.0.1:0"
	c.History.Kind = "cassandra"
	c.History.Cassandra = cassandraConfig{Hosts: []string{"127.0.0.1"}, Keyspace: "a-b;c", Consistency: "many"}
	c.fill()
	log, err := newLog(t.Output(), c.Log)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newNode(c, log); err == nil || !strings.Contains(err.Error(), "keyspace") {
		t.Errorf("got %v, want an error about the keyspace", err)
	}
	c.History.Cassandra.Keyspace, c.History.Cassandra.Consistency = "", ""
	c.fill()
	n, err := newNode(c, log)
	if err != nil {
		t.Fatalf("the directory is not free again: %v", err)
	}
	n.close()
}

// configured is a node with the configuration, which writes its log to w.
func configured(t *testing.T, text string, w io.Writer) *node {
	t.Helper()
	c, err := readConfig(writeConfig(t, text))
	if err != nil {
		t.Fatal(err)
	}
	log, err := newLog(w, c.Log)
	if err != nil {
		t.Fatal(err)
	}
	n, err := newNode(c, log)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "serve.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
