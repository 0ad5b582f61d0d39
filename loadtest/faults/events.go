//go:build e2e

package faults

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caltrop/caltrop/cep/ceptest"
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/loadtest/fraudgen"
	"github.com/caltrop/caltrop/sinks/alert"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// An input is one run's events, in arrival order, closing ones last.
type input struct {
	records []sent
	lines   [][]byte // the same, as `caltrop match` reads them
	closing int      // how many of the last records close event time
}

// A sent is one record on its way to a topic.
type sent struct {
	stream    string
	topic     string // "": that of the stream
	key       []byte
	value     []byte
	partition int32 // ck.PartitionAny: by key
	at        int64 // its event time, ms
}

// generate makes n events of the rig's streams, out of order by less than
// their lateness, dated in the past, and the events that close event time in
// every partition after the last deadline.
func (r *rig) generate(seed uint64, n int) *input {
	r.t.Helper()
	return r.generated(fraudgen.Options{Seed: seed, Count: n + n/10, Rate: 100, Cards: max(100, n/20),
		Disorder: 20 * time.Second, Duplicates: 0.01, Incidents: 0.01, Delivery: 50 * time.Minute}, 0)
}

// generated makes the events of the rig's streams among those of the options, at
// most most of them, 0 for all, and the closing ones.
func (r *rig) generated(o fraudgen.Options, most int) *input {
	r.t.Helper()
	g, err := fraudgen.New(o)
	if err != nil {
		r.t.Fatal(err)
	}
	in := &input{}
	var rec fraudgen.Record
	for (most == 0 || len(in.records) < most) && g.Next(&rec) {
		if slices.Contains(r.streamNames(), rec.Stream) {
			in.add(&rec, ck.PartitionAny)
		}
	}
	for _, s := range r.streamNames() {
		for p := range int32(r.partitions) {
			rec := g.Closing(s, p, int32(r.partitions), fraudgen.DefaultClosingAfter)
			in.add(&rec, p)
			in.closing++
		}
	}
	return in
}

func (in *input) add(rec *fraudgen.Record, partition int32) {
	in.records = append(in.records, sent{stream: rec.Stream, key: []byte(rec.Key), value: bytes.Clone(rec.Value), partition: partition, at: rec.Time})
	in.lines = append(in.lines, bytes.TrimSuffix(rec.AppendLine(nil), []byte("\n")))
}

// produce sends the records at rate a second, 0 for as fast as it goes, and
// returns when all are acknowledged. A broker that is away only delays it.
func (r *rig) produce(records []sent, rate int) error {
	p, err := ck.NewProducer(&ck.ConfigMap{"bootstrap.servers": r.Brokers, "enable.idempotence": true, "partitioner": "murmur2",
		"message.max.bytes": 12 << 20, "enable.metrics.push": false, "go.delivery.reports": true, "linger.ms": 5})
	if err != nil {
		return err
	}
	defer p.Close()
	failed := make(chan error, 1)
	go func() {
		for ev := range p.Events() {
			if m, ok := ev.(*ck.Message); ok && m.TopicPartition.Error != nil {
				select {
				case failed <- m.TopicPartition.Error:
				default:
				}
			}
		}
	}()
	began := time.Now()
	for i := range records {
		if rate > 0 {
			time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		}
		topic := cmp.Or(records[i].topic, r.topic(records[i].stream))
		m := &ck.Message{TopicPartition: ck.TopicPartition{Topic: &topic, Partition: records[i].partition}, Key: records[i].key, Value: records[i].value}
		for {
			err := p.Produce(m, nil)
			if ke, ok := err.(ck.Error); !ok || ke.Code() != ck.ErrQueueFull {
				break
			}
			p.Flush(50)
		}
	}
	for p.Flush(1000) > 0 {
	}
	select {
	case err := <-failed:
		return fmt.Errorf("producing: %w", err)
	default:
		return nil
	}
}

// An alertSet counts alerts by what must be equal: id, version, status, time,
// key and evidence.
type alertSet map[string]int

func (s alertSet) add(t *testing.T, line []byte) {
	t.Helper()
	a, err := alert.ParseJSON(line)
	if err != nil {
		t.Fatalf("reading alert %s: %v", line, err)
	}
	s[identity(a)]++
}

func identity(a *alert.Alert) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s v%d %s %s key=%s at=%d", a.ID, a.Version, a.Status, a.Rule, a.KeyText(), a.At)
	for _, s := range a.Evidence {
		fmt.Fprintf(&b, " %s=%s", s.Name, strings.Join(idsOf(s.Events), ","))
	}
	return b.String()
}

// total counts all, those that are there twice too.
func (s alertSet) total() (n int) {
	for _, times := range s {
		n += times
	}
	return n
}

// difference tells how got differs from want, at most a few lines of it.
func (want alertSet) difference(got alertSet) string {
	var lost, extra, twice []string
	for k := range want {
		if got[k] == 0 {
			lost = append(lost, k)
		}
	}
	for k, n := range got {
		if want[k] == 0 {
			extra = append(extra, k)
		}
		if n > 1 {
			twice = append(twice, k)
		}
	}
	if len(lost)+len(extra)+len(twice) == 0 {
		return ""
	}
	few := func(what string, s []string) string {
		slices.Sort(s)
		return fmt.Sprintf("%d %s: %s\n", len(s), what, strings.Join(s[:min(3, len(s))], "\n  "))
	}
	return few("lost", lost) + few("wrong", extra) + few("twice", twice)
}

// matched is what `caltrop match` says about the input, every version.
func (r *rig) matched(in *input) alertSet {
	r.t.Helper()
	out := r.match(in)
	set, newest := alertSet{}, newest{}
	for line := range bytes.Lines(out) {
		set.add(r.t, line)
		newest.add(r.t, line)
	}
	r.newest = alertSet{}
	for _, a := range newest {
		r.newest[identity(a)]++
	}
	return set
}

// match runs `caltrop match` with the rig's documents over the input and returns
// what it prints.
func (r *rig) match(in *input, flags ...string) []byte {
	r.t.Helper()
	docs := filepath.Join(r.Dir, "rules.yaml")
	text := bytes.Join([][]byte{r.streams, r.rules}, []byte("\n---\n"))
	if len(r.views) > 0 {
		text = bytes.Join([][]byte{text, r.views}, []byte("\n---\n"))
	}
	if err := os.WriteFile(docs, text, 0o600); err != nil {
		r.t.Fatal(err)
	}
	cmd := exec.Command(r.binary, append([]string{"match", "--rules", docs, "--events", "-"}, flags...)...)
	cmd.Stdin = bytes.NewReader(bytes.Join(in.lines, []byte("\n")))
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatalf("caltrop match: %v\n%s", err, problems.Bytes())
	}
	return out
}

// newest is the newest version of each alert.
type newest map[alert.ID]*alert.Alert

func (n newest) add(t *testing.T, line []byte) {
	t.Helper()
	a, err := alert.ParseJSON(line)
	if err != nil {
		t.Fatalf("reading alert %s: %v", line, err)
	}
	if was := n[a.ID]; was == nil || was.Version < a.Version {
		n[a.ID] = a
	}
}

// judged is what the naive oracle says: time, key, rule and evidence; it knows
// no ids and versions.
func (r *rig) judged(in *input) map[string]int {
	r.t.Helper()
	found := map[string]int{}
	for _, doc := range strings.Split(string(r.rules), "\n---\n") {
		s, err := ceptest.Parse(string(r.streams) + "\n---\n" + doc)
		if err != nil {
			r.t.Fatal(err)
		}
		alerts, err := s.Judge(in.lines)
		if err != nil {
			r.t.Fatal(err)
		}
		for i := range alerts {
			found[plain(s.Rule.Name, &alert.Alert{At: alerts[i].At, Key: alerts[i].Key, Evidence: stepsOf(&alerts[i])})]++
		}
	}
	return found
}

func stepsOf(a *ceptest.Alert) []alert.Step {
	var steps []alert.Step
	for _, s := range a.Evidence {
		steps = append(steps, alert.Step{Name: s.Step, Events: s.Events})
	}
	return steps
}

// plain is the part of an alert's identity that the oracle knows.
func plain(rule string, a *alert.Alert) string {
	steps := map[string][]string{}
	for _, s := range a.Evidence {
		steps[s.Name] = idsOf(s.Events)
	}
	text, err := json.Marshal(steps)
	if err != nil {
		panic(err) // strings only
	}
	return fmt.Sprintf("%s key=%s at=%d %s", rule, a.KeyText(), a.At, text)
}

// idsOf lists events by time and, at one instant, by id: there they come in the
// order of partitions, of which match has one.
func idsOf(events []*event.Event) []string {
	ids := make([]string, len(events))
	byTime := func(a, b *event.Event) int { return cmp.Or(cmp.Compare(a.Time, b.Time), strings.Compare(a.ID, b.ID)) }
	for i, e := range slices.SortedFunc(slices.Values(events), byTime) {
		ids[i] = e.ID
	}
	return ids
}
