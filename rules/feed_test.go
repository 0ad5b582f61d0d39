package rules_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/rules"
)

const stolenList = `apiVersion: caltrop/v1
kind: List
name: stolen
topic: stolen-cards
attributes: {since: timestamp, level: int, ceiling: decimal(2)}
`

// A topicLog is the topic of one list in memory.
type topicLog struct {
	mu      sync.Mutex
	topic   rules.ListTopic
	down    error // of Look
	entries []rules.Entry
	end     int64
	grown   chan struct{}
}

func newTopicLog() *topicLog {
	return &topicLog{topic: rules.ListTopic{Partitions: 1, Compacted: true}, grown: make(chan struct{})}
}

// put writes a record; value "" is a tombstone.
func (l *topicLog) put(key, value string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := rules.Entry{Offset: l.end, Record: rules.Record{Key: key}}
	if value != "" {
		e.Value = []byte(value)
	}
	l.entries = append(l.entries, e)
	l.end++
	close(l.grown)
	l.grown = make(chan struct{})
}

// compact drops what a later record of the same key replaces, and tombstones.
func (l *topicLog) compact() {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := map[string]int64{}
	for _, e := range l.entries {
		last[e.Key] = e.Offset
	}
	l.entries = slices.DeleteFunc(slices.Clone(l.entries), func(e rules.Entry) bool { return last[e.Key] != e.Offset || e.Value == nil })
}

func (l *topicLog) Look(context.Context, string) (rules.ListTopic, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.topic, l.down
}

func (l *topicLog) Tail(ctx context.Context, _ string, apply func(rules.Entry) error, pause func(int64)) error {
	for next := int64(0); ctx.Err() == nil; {
		l.mu.Lock()
		entries, end, grown := l.entries, l.end, l.grown
		l.mu.Unlock()
		for _, e := range entries {
			if e.Offset < next {
				continue
			}
			if err := apply(e); err != nil {
				return err
			}
		}
		next = end
		pause(0)
		select {
		case <-grown:
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

func (l *topicLog) Read(_ context.Context, _ string, from, to int64, apply func(rules.Entry) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.end < to {
		return errors.New("the topic ends")
	}
	for _, e := range l.entries {
		if e.Offset >= from && e.Offset < to {
			if err := apply(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// startLists runs a registry whose lists come from topics.
func startLists(t *testing.T, log rules.Log, topic *topicLog) *rules.Registry {
	t.Helper()
	r := rules.NewRegistry(rules.Options{Log: log, Lists: topic, ListsEvery: time.Nanosecond, ListEntriesMax: 4, ListsKept: time.Hour})
	run(t, r)
	return r
}

func putStolen(t *testing.T, r *rules.Registry) {
	t.Helper()
	if _, _, err := r.Put(t.Context(), rules.Change{Kind: rules.KindList, Name: "stolen", Text: []byte(stolenList)}); err != nil {
		t.Fatal(err)
	}
}

// status waits until the status of the list is as holds says.
func waitStatus(t *testing.T, r *rules.Registry, holds func(rules.ListStatus) bool) rules.ListStatus {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for {
		s, _ := r.ListStatus("stolen")
		if holds(s) {
			return s
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("the list is read as %+v", s)
		}
	}
}

func upTo(offset int64) func(rules.ListStatus) bool {
	return func(s rules.ListStatus) bool { return s.Read && s.Version == offset && s.Offset == offset }
}

// TestListFromATopic: a switch names the version of the topic that its rules
// read, and any process has an older one again for a replay, until compaction
// has taken a part of it (language §8).
func TestListFromATopic(t *testing.T) {
	log, topic := &rules.MemoryLog{}, newTopicLog()
	r := startLists(t, log, topic)
	putStream(t, r, "payment", paymentStream)
	topic.put("a", `{"since":"2026-01-02T03:04:05Z","level":3,"ceiling":10.5,"more":[1,{}]}`)
	putStolen(t, r)
	if _, _, err := putRule(r, strings.Replace(probeRule(5), "amount > 500", `'in_list("stolen", card_id)'`, 1), rules.Condition{}); err != nil {
		t.Fatal(err)
	}
	var versions []task.Set
	version := func(at int64) {
		waitStatus(t, r, upTo(at))
		versions = append(versions, r.Current().Restrict("payment").Names())
	}
	version(1)
	topic.put("b", `{}`)
	version(2)
	topic.put("a", "")
	version(3)
	topic.put("nobody", "")
	waitStatus(t, r, func(s rules.ListStatus) bool { return s.Offset == 4 })
	if now := r.Current().Restrict("payment").Names(); !reflect.DeepEqual(now, versions[2]) {
		t.Errorf("a record that changes nothing makes the version %v of %v", now.Lists, versions[2].Lists)
	}
	again := startLists(t, log, topic)
	for i, c := range []struct {
		set  int
		want []string
	}{{0, []string{"a"}}, {1, []string{"a", "b"}}, {2, []string{"b"}}, {0, []string{"a"}}} {
		live, err := again.Resolve(versions[c.set])
		if err != nil {
			t.Fatalf("case %d: %v", i, err)
		}
		got := live.Lists[0]
		if got.Len() != len(c.want) || got.Version != c.set+1 {
			t.Errorf("case %d: version %d of %d entries, want %v", i, got.Version, got.Len(), c.want)
		}
		for _, v := range c.want {
			if !got.Has(event.StringOf(v)) {
				t.Errorf("case %d: %s is not in the list", i, v)
			}
		}
	}
	topic.compact()
	fresh := startLists(t, log, topic)
	if _, err := fresh.Resolve(versions[2]); err != nil {
		t.Errorf("compaction has taken nothing of the third version: %v", err)
	}
	if _, err := fresh.Resolve(versions[1]); !errors.Is(err, rules.ErrListGone) {
		t.Errorf("a version that was compacted away: %v, want ErrListGone", err)
	}
	if e, _, err := r.Entry("stolen", "b"); err != nil || e.Value != "b" {
		t.Errorf("entry b: %v, %v", e, err)
	}
}

// TestTopicRecordsThatAreNoEntries: they are counted and take their keys out of
// the list.
func TestTopicRecordsThatAreNoEntries(t *testing.T) {
	for value, want := range map[string]string{
		`{`: "no JSON object", `[]`: "no JSON object", `null`: "no JSON object", `{"level":"high"}`: "level is not of type int",
		`{"since":5}`: "since is not of type timestamp", `{"level":{}}`: "of no type that a list can have", `{"level":[1]}`: "of no type that a list can have",
	} {
		topic := newTopicLog()
		r := startLists(t, &rules.MemoryLog{}, topic)
		topic.put("a", `{"level":1}`)
		topic.put("b", `{"level":null}`)
		topic.put("a", value)
		putStolen(t, r)
		s := waitStatus(t, r, upTo(3))
		if s.Entries != 1 || s.Skipped != 1 || !strings.Contains(s.Skip, want) || !strings.Contains(s.Skip, "offset 2") {
			t.Errorf("%s: %+v, want one entry and %q", value, s, want)
		}
		if _, _, err := r.Entry("stolen", "a"); !errors.Is(err, rules.ErrNotFound) {
			t.Errorf("%s: its key is still in the list: %v", value, err)
		}
	}
}

// TestListOfNumbersFromATopic: a number is written in one way, so that no two
// keys are one value.
func TestListOfNumbersFromATopic(t *testing.T) {
	topic := newTopicLog()
	r := startLists(t, &rules.MemoryLog{}, topic)
	for _, key := range []string{"4111", "04111", "+5", "x", "", "-7"} {
		topic.put(key, "anything")
	}
	text := "apiVersion: caltrop/v1\nkind: List\nname: stolen\nkey: int\ntopic: numbers\n"
	if _, _, err := r.Put(t.Context(), rules.Change{Kind: rules.KindList, Name: "stolen", Text: []byte(text)}); err != nil {
		t.Fatal(err)
	}
	if s := waitStatus(t, r, upTo(6)); s.Entries != 2 || s.Skipped != 4 {
		t.Errorf("%+v, want two entries and four skipped", s)
	}
}

// TestTopicOverTheLimit: the list stays at its last version within it.
func TestTopicOverTheLimit(t *testing.T) {
	topic := newTopicLog()
	r := startLists(t, &rules.MemoryLog{}, topic)
	putStolen(t, r)
	for i := range 4 {
		topic.put(fmt.Sprint(i), `{}`)
	}
	waitStatus(t, r, upTo(4))
	topic.put("5", `{}`)
	s := waitStatus(t, r, func(s rules.ListStatus) bool { return s.Error != "" })
	if s.Entries != 4 || s.Version != 4 || !strings.Contains(s.Error, "holds 5 entries") {
		t.Errorf("over the limit: %+v", s)
	}
	topic.put("5", "")
	topic.put("3", "")
	if s := waitStatus(t, r, upTo(7)); s.Entries != 3 || s.Error != "" {
		t.Errorf("within it again: %+v", s)
	}
}

// TestTopicsThatNoListCanHave are refused when the list is stored, and entries of
// one that is from a topic cannot be written over REST.
func TestTopicsThatNoListCanHave(t *testing.T) {
	topic := newTopicLog()
	r := startLists(t, &rules.MemoryLog{}, topic)
	store := func() error {
		_, _, err := r.Put(t.Context(), rules.Change{Kind: rules.KindList, Name: "stolen", Text: []byte(stolenList)})
		return err
	}
	for partitions, want := range map[int]string{0: "does not exist", 2: "has 2 partitions"} {
		topic.topic.Partitions = partitions
		var invalid *rules.InvalidError
		if err := store(); !errors.As(err, &invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%d partitions: %v, want %q", partitions, err, want)
		}
	}
	topic.topic.Partitions, topic.down = 1, errors.New("no broker")
	if err := store(); !errors.Is(err, rules.ErrUnavailable) {
		t.Errorf("without a broker: %v", err)
	}
	topic.down = nil
	if err := store(); err != nil {
		t.Fatal(err)
	}
	_, _, err := r.PutEntry(t.Context(), "stolen", rules.ListEntry{Value: "b"}, rules.Condition{})
	var invalid *rules.InvalidError
	if !errors.As(err, &invalid) || !strings.Contains(invalid.Problems[0].Hint, "write a record to the topic") {
		t.Errorf("putting an entry: %v", err)
	}
	s := waitStatus(t, r, upTo(0))
	if !strings.Contains(s.Warning, "min.compaction.lag.ms is 0s") {
		t.Errorf("the status does not warn of the compaction lag: %+v", s)
	}
}
