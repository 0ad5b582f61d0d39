package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/twmb/franz-go/pkg/kfake"
)

// deadLetters starts a broker whose topic of dead letters holds n letters of
// the topic payments.
func deadLetters(t *testing.T, n int) (brokers string) {
	t.Helper()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "caltrop.dlq", "caltrop.late", "payments"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	brokers = strings.Join(broker.ListenAddrs(), ",")
	p, err := ck.NewProducer(&ck.ConfigMap{"bootstrap.servers": brokers})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	topic, reports := "caltrop.dlq", make(chan ck.Event, n)
	for i := range n {
		headers := []ck.Header{}
		for k, v := range map[string]string{"reason": "wrong_type", "detail": "amount: text", "stream": "payment", "topic": "payments", "partition": "0", "offset": fmt.Sprint(i)} {
			headers = append(headers, ck.Header{Key: k, Value: []byte(v)})
		}
		m := &ck.Message{TopicPartition: ck.TopicPartition{Topic: &topic}, Key: []byte("c1"), Value: fmt.Appendf(nil, `{"n":%d}`, i), Headers: headers}
		if err := p.Produce(m, reports); err != nil {
			t.Fatal(err)
		}
	}
	for range n {
		<-reports
	}
	return brokers
}

func command(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out, errs bytes.Buffer
	err := run(t.Context(), args, environ{in: &bytes.Buffer{}, out: &out, err: &errs})
	return out.String(), err
}

func TestDLQListsTheNewestFirst(t *testing.T) {
	brokers := deadLetters(t, 5)
	out, err := command(t, "dlq", "ls", "--brokers", brokers, "--limit", "2")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 3 || !strings.Contains(lines[0], "payments/0/4  key \"c1\"  amount: text") || !strings.Contains(lines[1], "payments/0/3") || lines[2] != "3 older ones match; --limit shows more" {
		t.Errorf("printed\n%s", out)
	}
	out, err = command(t, "dlq", "ls", "--brokers", brokers, "--json", "--values", "--limit", "1", "--reason", "wrong_type")
	if err != nil {
		t.Fatal(err)
	}
	var l letterJSON
	if err := json.Unmarshal([]byte(out), &l); err != nil || *l.Value != `{"n":4}` || *l.Key != "c1" || l.Source.Offset != 4 || l.Topic != "caltrop.dlq" {
		t.Errorf("printed %s: %v", out, err)
	}
	if out, err = command(t, "dlq", "ls", "--brokers", brokers, "--reason", "bad_json"); err != nil || out != "" {
		t.Errorf("of another reason: %q, %v", out, err)
	}
}

func TestDLQReplaysWhatIsConfirmed(t *testing.T) {
	brokers := deadLetters(t, 3)
	out, err := command(t, "dlq", "replay", "--brokers", brokers, "--dry-run")
	if err != nil || !strings.Contains(out, "3 records of 27 bytes would be replayed") || !strings.Contains(out, "--confirm 3") {
		t.Fatalf("a dry run printed %q, %v", out, err)
	}
	if _, err := command(t, "dlq", "replay", "--brokers", brokers, "--confirm", "2"); err == nil || !strings.Contains(err.Error(), "nothing was replayed") {
		t.Errorf("with another count: %v", err)
	}
	out, err = command(t, "dlq", "replay", "--brokers", brokers, "--confirm", "3")
	if err != nil || out != "replayed 3 records\n" {
		t.Errorf("printed %q, %v", out, err)
	}
}

func TestDLQRefusesFlags(t *testing.T) {
	cases := []struct{ args, want string }{
		{"ls", "--config FILE or --brokers"},
		{"ls --brokers a:1 --config f", "one of them"},
		{"ls --brokers a:1 --kind lost", "neither dead nor late"},
		{"ls --brokers a:1 --limit 0", "from 1 to 100000"},
		{"ls --brokers a:1 --limit 1001 --values --json", "from 1 to 1000"},
		{"ls --brokers a:1 --values", "--values needs --json"},
		{"ls --brokers a:1 --from yesterday", "--from yesterday is not a time"},
		{"ls --brokers a:1 --from 2026-01-02T00:00:00Z --to 2026-01-01T00:00:00Z", "is not before --to"},
		{"replay --brokers a:1", "give --dry-run to count, then --confirm N"},
		{"replay --brokers a:1 --dry-run --confirm 3", "give --dry-run to count, then --confirm N"},
	}
	for _, c := range cases {
		if _, err := command(t, append([]string{"dlq"}, strings.Fields(c.args)...)...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("dlq %s: %v, want %q", c.args, err, c.want)
		}
	}
}

// A reason that no letter has is refused, and the known ones are those that the
// page for operators lists.
func TestDLQReasons(t *testing.T) {
	_, err := command(t, "dlq", "ls", "--brokers", "127.0.0.1:1", "--reason", "wrong_type,wrong_typo")
	if err == nil || !strings.Contains(err.Error(), "--reason wrong_typo is none, want some of [null_value too_large") {
		t.Errorf("a reason that is none: %v", err)
	}
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| reason | of a record that |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	var listed []event.Reason
	for row := range strings.Lines(table) {
		codes, _, _ := strings.Cut(strings.TrimPrefix(row, "| "), " |")
		for i, code := range strings.Split(codes, "`") {
			if i%2 == 1 {
				listed = append(listed, event.Reason(code))
			}
		}
	}
	slices.Sort(listed)
	if known := slices.Sorted(slices.Values(letterReasons)); !slices.Equal(known, listed) {
		t.Errorf("known are %v\nlisted  %v", known, listed)
	}
}

// An error of a cluster that is not there says which one was asked.
func TestNoBrokerIsNamed(t *testing.T) {
	for _, args := range [][]string{{"dlq", "ls"}, {"dlq", "replay", "--dry-run"}} {
		if _, err := command(t, append(args, "--brokers", "127.0.0.1:1,localhost:1")...); err == nil || !strings.Contains(err.Error(), "no broker at 127.0.0.1:1, localhost:1 answers") {
			t.Errorf("%v: %v", args, err)
		}
	}
}
