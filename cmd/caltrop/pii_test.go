package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// What a person's data are in the events of privateDocuments. None of it is in
// anything but the source topic.
const (
	cardCanary = "canary-4929-1234"
	mailCanary = "canary-mail@example.com"
	codeCanary = "canary-code-778"
	keyCanary  = "canary-record-key"
)

// privateDocuments are streams with policies, a direct rule and one that needs
// a keyed log. All fields are in the evidence.
var privateDocuments = map[string]string{
	"streams/till": `{apiVersion: caltrop/v1, kind: Stream, name: till, source: {topic: tills}, time: {field: ts, unit: ms}, id: mail, partition_key: mail, lateness: 1s,
 fields: {card: {type: string, pii: mask, path: pan}, mail: {type: string, pii: hash}, code: {type: string, pii: drop}, n: int}}`,
	"rules/direct?state=live": `{apiVersion: caltrop/v1, kind: Rule, name: direct, key: mail, within: 1h, pattern: a, steps: {a: {stream: till, where: n == 1}}, alert: {summary: "{{a.mail}} {{a.card}}"}}`,
	"rules/routed?state=live": `{apiVersion: caltrop/v1, kind: Rule, name: routed, key: n, within: 1h, pattern: "a{2}", steps: {a: {stream: till, where: n == 1}}, alert: {summary: "{{last(a.mail)}}"}}`,
}

// Fault 48: personal data are in the source topic, and nowhere else: not in
// another topic, key, header, file, log line or answer.
func TestT48PersonalDataStayOutside(t *testing.T) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "tills"))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	data := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	written, address, ended := runNode(ctx, t, fmt.Sprintf("kafka: {brokers: [%q], keyed_partitions: 1}\nhttp: {address: '127.0.0.1:0'}\nlog: {level: debug}\npii: {key: {file: %q}}\ndata: %q\ncheckpoints: {every: 1s}\n",
		broker.ListenAddrs()[0], secretFile(t, "a key of sixteen bytes or more"), data))
	for _, path := range []string{"streams/till", "rules/direct?state=live", "rules/routed?state=live"} {
		putDocument(ctx, t, address+"/v1/"+path, privateDocuments[path])
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	seen := &strings.Builder{}
	for alerts, at := 0, time.Now(); alerts < 2; at = at.Add(time.Second) {
		if ctx.Err() != nil {
			t.Fatalf("no alerts:\n%s", written)
		}
		sendPrivate(ctx, t, client, at)
		alerts = 0
		for _, rule := range []string{"direct", "routed"} {
			body := get(t, address+"/v1/alerts?rule="+rule)
			seen.WriteString(body)
			if strings.Contains(body, `"evidence"`) {
				alerts++
			}
		}
	}
	for _, path := range []string{"/metrics", "/v1/jobs", "/v1/hot-keys", "/v1/streams/till"} {
		seen.WriteString(get(t, address+path))
	}
	letters := readOthers(ctx, t, broker.ListenAddrs(), seen)
	cancel()
	fmt.Fprintf(seen, "%v\n%s", <-ended, written)
	readFiles(t, data, seen)
	text := seen.String()
	for _, raw := range []string{cardCanary, mailCanary, codeCanary, keyCanary} {
		if i := strings.Index(text, raw); i >= 0 {
			t.Errorf("%s is found: %q", raw, text[max(0, i-200):min(len(text), i+200)])
		}
	}
	if letters == 0 || !strings.Contains(text, "************1234") {
		t.Errorf("%d letters, masked %v: the search saw too little", letters, strings.Contains(text, "************1234"))
	}
}

// runNode runs a process of this configuration until ctx ends, and returns its
// log, its address and how it ended.
func runNode(ctx context.Context, t *testing.T, conf string) (written *locked, address string, ended <-chan error) {
	t.Helper()
	c, err := readConfig(writeConfig(t, conf))
	if err != nil {
		t.Fatal(err)
	}
	written = &locked{waited: make(chan struct{})}
	log, err := newLog(written, c.Log)
	if err != nil {
		t.Fatal(err)
	}
	n, err := newNode(c, log)
	if err != nil {
		t.Fatal(err)
	}
	end := make(chan error, 1)
	go func() { end <- n.run(ctx) }()
	return written, "http://" + n.listener.Addr().String(), end
}

// putDocument stores a document, as soon as the process can.
func putDocument(ctx context.Context, t *testing.T, url, body string) {
	t.Helper()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodPut, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/yaml")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(res.Body)
		res.Body.Close()
		switch {
		case res.StatusCode < 300:
			return
		case res.StatusCode != http.StatusServiceUnavailable:
			t.Fatalf("PUT %s: %s\n%s", url, res.Status, text)
		}
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sendPrivate writes a good event, one that lacks a field, one that is late and
// one that is no JSON.
func sendPrivate(ctx context.Context, t *testing.T, client *kgo.Client, at time.Time) {
	t.Helper()
	event := func(at time.Time, rest string) string {
		return fmt.Sprintf(`{"ts":%d,"mail":"%d%s","pan":%q,"code":%q%s}`, at.UnixMilli(), at.UnixMilli(), mailCanary, cardCanary, codeCanary, rest)
	}
	for _, value := range []string{event(at, `,"n":1`), event(at, ""), event(at.Add(-time.Hour), `,"n":1`), `{"mail":` + mailCanary} {
		r := &kgo.Record{Topic: "tills", Key: []byte(keyCanary), Value: []byte(value)}
		if err := client.ProduceSync(ctx, r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// readOthers reads every topic but the source, whole, into seen, and counts the
// late events and dead letters.
func readOthers(ctx context.Context, t *testing.T, brokers []string, seen *strings.Builder) (letters int) {
	t.Helper()
	reader, err := ck.NewConsumer(&ck.ConfigMap{"bootstrap.servers": strings.Join(brokers, ","), "group.id": "canary",
		"enable.partition.eof": true, "isolation.level": "read_uncommitted"})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	cluster, err := reader.GetMetadata(nil, true, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	var all []ck.TopicPartition
	for name, topic := range cluster.Topics {
		for _, p := range topic.Partitions {
			if name != "tills" {
				all = append(all, ck.TopicPartition{Topic: &name, Partition: p.ID, Offset: ck.OffsetBeginning})
			}
		}
	}
	if err := reader.Assign(all); err != nil {
		t.Fatal(err)
	}
	for ends := 0; ends < len(all); {
		if ctx.Err() != nil {
			t.Fatalf("%d of %d partitions are read", ends, len(all))
		}
		switch m := reader.Poll(100).(type) {
		case ck.PartitionEOF:
			ends++
		case *ck.Message:
			topic := *m.TopicPartition.Topic
			if strings.HasSuffix(topic, ".dlq") || strings.HasSuffix(topic, ".late") {
				letters++
			}
			fmt.Fprintf(seen, "%s %s %s %s\n", topic, m.Key, m.Value, m.Headers)
		}
	}
	return letters
}

// readFiles reads all files below a directory.
func readFiles(t *testing.T, dir string, seen *strings.Builder) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		seen.Write(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAKeyForHashesIsNeeded(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"short": "too short\n", "good": "a key of sixteen bytes or more\n", "empty": "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{"short": "at least 16", "empty": "is empty", "gone": "no such file", "good": ""} {
		key, err := hashKeyOf(filepath.Join(dir, name))
		if want == "" && (err != nil || !bytes.Equal(key, []byte("a key of sixteen bytes or more"))) {
			t.Errorf("%s: %q, %v", name, key, err)
		}
		if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	first, err := devKey(dir, "pii.key")
	if err != nil {
		t.Fatal(err)
	}
	was, _ := first.Read()
	again, err := devKey(dir, "pii.key")
	if is, _ := again.Read(); err != nil || is != was || len(is) < hashKeyMin {
		t.Errorf("the key of dev is %q, then %q, %v", was, is, err)
	}
}

// match hashes with the key it is given.
func TestMatchHashesWithItsKey(t *testing.T) {
	dir := t.TempDir()
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	docs := filepath.Join(dir, "r.yaml")
	write(docs, privateDocuments["streams/till"]+"\n---\n"+privateDocuments["rules/direct?state=live"]+"\n")
	events := filepath.Join(dir, "e.jsonl")
	write(events, `{"stream":"till","ts":1767225600000,"mail":"`+mailCanary+`","pan":"`+cardCanary+`","code":"`+codeCanary+`","n":1}`+"\n")
	keys := map[string]bool{}
	for _, args := range [][]string{nil, {"--pii-key", secretFile(t, "a key of sixteen bytes or more")}} {
		out, err := command(t, append([]string{"match", "--rules", docs, "--events", events}, args...)...)
		if err != nil || strings.Contains(out, "canary") {
			t.Fatalf("%v\n%s", err, out)
		}
		var a struct{ Key string }
		if err := json.Unmarshal([]byte(out), &a); err != nil || len(a.Key) != 32 {
			t.Fatalf("%v: %s", err, out)
		}
		keys[a.Key] = true
	}
	if len(keys) != 2 {
		t.Error("two keys give one hash")
	}
}
