package kafka

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/engine/task"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// writeLetters writes rejected records as a task of partition 1 of payments does.
func writeLetters(t *testing.T, c *Cluster, dead, late []task.Rejected) {
	t.Helper()
	p, err := c.openProducer(testContext(t), "letters")
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	out := output{topics: c.Topics(), id: TaskID{Input: "payment", Partition: 1}, producer: p}
	source := func(int) task.Source { return task.Source{Stream: "payment", Partition: 1, Origin: "payments"} }
	if err := out.write(&task.Effects{Dead: dead, Late: late}, source, nil, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := p.commit(testContext(t)); err != nil {
		t.Fatal(err)
	}
}

func rejectedRecord(reason event.Reason, offset int64, value string) task.Rejected {
	return task.Rejected{Reason: reason, Detail: "detail of " + string(reason), Offset: offset, Time: offset * 10, Key: []byte("c1"), Value: []byte(value)}
}

func letterBench(t *testing.T) *Cluster {
	t.Helper()
	t.Parallel()
	_, c := startBroker(t, "payments", "elsewhere")
	if err := c.Prepare(testContext(t)); err != nil {
		t.Fatal(err)
	}
	null := rejectedRecord(event.NullValue, 6, "")
	null.Value = nil
	writeLetters(t, c, []task.Rejected{
		rejectedRecord(event.BadJSON, 4, "{"),
		rejectedRecord(event.WrongType, 5, "{\"a\":1}\x00\xff"),
		null,
		rejectedRecord(event.TooLarge, 7, strings.Repeat("x", rejectedBytesMax+1)),
	}, []task.Rejected{rejectedRecord(task.LateStream, 8, "late")})
	return c
}

func read(t *testing.T, c *Cluster, f LetterFilter) []Letter {
	t.Helper()
	l, err := c.Letters(f)
	if err != nil {
		t.Fatal(err)
	}
	var all []Letter
	if err := l.Each(testContext(t), func(x *Letter) error { all = append(all, *x); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestLettersAreFound(t *testing.T) {
	c := letterBench(t)
	hour := time.Hour
	cases := []struct {
		name   string
		filter LetterFilter
		want   []int64 // source offsets
	}{
		{"all", LetterFilter{}, []int64{4, 5, 6, 7, 8}},
		{"dead", LetterFilter{Topics: []string{c.Topics().Dead()}}, []int64{4, 5, 6, 7}},
		{"late", LetterFilter{Topics: []string{c.Topics().Late()}}, []int64{8}},
		{"by reason", LetterFilter{Reasons: []string{"bad_json", "late_stream"}}, []int64{4, 8}},
		{"of another stream", LetterFilter{Streams: []string{"login"}}, nil},
		{"of the stream", LetterFilter{Streams: []string{"login", "payment"}}, []int64{4, 5, 6, 7, 8}},
		{"since an hour", LetterFilter{From: time.Now().Add(-hour)}, []int64{4, 5, 6, 7, 8}},
		{"of the future", LetterFilter{From: time.Now().Add(hour)}, nil},
		{"before an hour ago", LetterFilter{To: time.Now().Add(-hour)}, nil},
		{"until in an hour", LetterFilter{To: time.Now().Add(hour)}, []int64{4, 5, 6, 7, 8}},
	}
	for _, x := range cases {
		var got []int64
		for _, l := range read(t, c, x.filter) {
			got = append(got, l.Source.Offset)
			if l.Source.Topic != "payments" || l.Source.Partition != 1 || l.Stream != "payment" || l.Detail != "detail of "+l.Reason || l.Time != l.Source.Offset*10 {
				t.Errorf("%s: letter %+v", x.name, l)
			}
			if (l.CutFrom != 0) != (l.Reason == "too_large") {
				t.Errorf("%s: letter %s was cut from %d bytes", x.name, l.Reason, l.CutFrom)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, x.want) {
			t.Errorf("%s: found %v, want %v", x.name, got, x.want)
		}
	}
}

// replayed reads what stands in a topic, by where it was replayed from.
func replayed(t *testing.T, c *Cluster, topic string) []*ck.Message {
	t.Helper()
	var all []*ck.Message
	for p := range int32(2) {
		r, err := c.openReader(topic, p, ck.OffsetBeginning, onceWait)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.rest(testContext(t), func(m *ck.Message) error { all = append(all, m); return nil }); err != nil {
			t.Fatal(err)
		}
		r.close()
	}
	return all
}

func TestReplayWritesTheRecordsAsTheyWere(t *testing.T) {
	c := letterBench(t)
	l, err := c.Letters(LetterFilter{Topics: []string{c.Topics().Dead()}})
	if err != nil {
		t.Fatal(err)
	}
	tally, err := l.Tally(testContext(t))
	if err != nil || tally != (Tally{Whole: 3, Bytes: 16, Cut: 1}) {
		t.Fatalf("tally %+v, %v; want 3 whole of 16 bytes and 1 cut", tally, err)
	}
	if err := l.Replay(testContext(t), "", tally.Whole, time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	values := map[string][]byte{"bad_json": []byte("{"), "wrong_type": []byte("{\"a\":1}\x00\xff"), "null_value": nil}
	got := replayed(t, c, "payments")
	if len(got) != len(values) {
		t.Fatalf("%d records in the source topic, want %d", len(got), len(values))
	}
	for _, m := range got {
		h := headers(m)
		want, ok := values[h["caltrop_replayed_reason"]]
		if !ok || !bytes.Equal(m.Value, want) || (m.Value == nil) != (want == nil) || string(m.Key) != "c1" || m.TopicPartition.Partition != 1 {
			t.Errorf("record %q of key %q in partition %d with headers %v", m.Value, m.Key, m.TopicPartition.Partition, h)
		}
		if !strings.HasPrefix(h["caltrop_replayed_from"], "caltrop.dlq/") || h["caltrop_replayed_at"] != "1970-01-01T00:00:00Z" {
			t.Errorf("headers %v", h)
		}
	}
}

func TestReplayToANamedTopic(t *testing.T) {
	c := letterBench(t)
	l, err := c.Letters(LetterFilter{Reasons: []string{"late_stream"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Replay(testContext(t), "elsewhere", 1, time.Now()); err != nil {
		t.Fatal(err)
	}
	if got := replayed(t, c, "elsewhere"); len(got) != 1 || string(got[0].Value) != "late" {
		t.Errorf("the topic has %d records, want the late one", len(got))
	}
	if got := replayed(t, c, "payments"); len(got) != 0 {
		t.Errorf("%d records came to the source topic", len(got))
	}
}

func TestReplayRefusesAndThenWritesNothing(t *testing.T) {
	c := letterBench(t)
	cases := []struct {
		to   string
		want int
		text string
	}{
		{"", 2, "3 records match now, 2 were confirmed"},
		{"nowhere", 3, "topic nowhere does not exist"},
		{"caltrop.dlq", 3, "holds letters"},
		{"caltrop.late", 3, "holds letters"},
	}
	l, err := c.Letters(LetterFilter{Topics: []string{c.Topics().Dead()}})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range cases {
		err := l.Replay(testContext(t), x.to, x.want, time.Now())
		if err == nil || !strings.Contains(err.Error(), x.text) {
			t.Errorf("replay of %d to %q: %v, want %q", x.want, x.to, err, x.text)
		}
	}
	if got := replayed(t, c, "payments"); len(got) != 0 {
		t.Errorf("%d records were written", len(got))
	}
	if _, err := c.Letters(LetterFilter{Topics: []string{"nowhere"}}); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("letters of no topic: %v", err)
	}
}

func TestOneReplayIsBounded(t *testing.T) {
	if err := (Tally{Whole: ReplayMax, Bytes: ReplayBytesMax}).Bounded(); err != nil {
		t.Errorf("at the bound: %v", err)
	}
	for _, over := range []Tally{{Whole: ReplayMax + 1}, {Whole: 1, Bytes: ReplayBytesMax + 1}} {
		if err := over.Bounded(); err == nil || !strings.Contains(err.Error(), fmt.Sprint(ReplayMax)) {
			t.Errorf("%+v: %v, want an error that names the bound", over, err)
		}
	}
}

// What a stream with a policy on personal data refuses is told of, and not shown:
// neither the key nor the value, and a replay passes over it.
func TestLettersOfPrivateStreamsHoldNoRecord(t *testing.T) {
	o := output{topics: Topics{}}
	refused := task.Rejected{Reason: event.BadJSON, Offset: 7, Key: []byte("key"), Value: []byte("value")}
	m := o.rejected("dead", new(refused.Shown(true)), task.Source{Stream: "private", Origin: "private-topic"})
	l := letterOf(m)
	if len(l.Key)+len(l.Value) != 0 || l.CutFrom != 8 || l.Source.Offset != 7 || l.Source.Topic != "private-topic" {
		t.Errorf("letter %+v", l)
	}
	if l = letterOf(o.rejected("dead", &refused, task.Source{})); string(l.Value) != "value" || l.CutFrom != 0 {
		t.Errorf("of another stream: %+v", l)
	}
}
