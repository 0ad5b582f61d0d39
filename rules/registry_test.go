package rules_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/caltrop/caltrop/rules"
)

const paymentStream = `apiVersion: caltrop/v1
kind: Stream
name: payment
source: {topic: payments}
time: {field: ts, unit: ms}
partition_key: card_id
fields: {card_id: string, amount: double}
`

const challengeStream = `apiVersion: caltrop/v1
kind: Stream
name: challenge
source: {topic: challenges}
time: {field: ts, unit: ms}
partition_key: card_id
fields: {card_id: string, result: string}
`

func probeRule(limit int) string {
	return fmt.Sprintf(`apiVersion: caltrop/v1
kind: Rule
name: probe
key: card_id
within: 10m
pattern: small -> large
steps:
  small: {stream: payment, where: amount < %d}
  large: {stream: payment, where: amount > 500}
`, limit)
}

// start runs a registry over log until the test ends.
func start(t *testing.T, log rules.Log) *rules.Registry {
	t.Helper()
	r := rules.NewRegistry(rules.Options{Log: log})
	run(t, r)
	return r
}

// run runs a registry until the test ends, and waits until it is ready.
func run(t *testing.T, r *rules.Registry) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v, want it to end with its context", err)
		}
	})
	<-r.Ready()
}

func putStream(t *testing.T, r *rules.Registry, name, text string) *rules.Revision {
	t.Helper()
	rev, _, err := r.Put(t.Context(), rules.Change{Kind: rules.KindStream, Name: name, Text: []byte(text)})
	if err != nil {
		t.Fatalf("Put stream %s: %v", name, err)
	}
	return rev
}

func putRule(r *rules.Registry, text string, cond rules.Condition) (*rules.Revision, bool, error) {
	return r.Put(context.Background(), rules.Change{Kind: rules.KindRule, Name: "probe", Text: []byte(text), If: cond})
}

func TestRevisionsAreNumberedForEver(t *testing.T) {
	r := start(t, &rules.MemoryLog{})
	putStream(t, r, "payment", paymentStream)
	for want := 1; want <= 3; want++ {
		rev, created, err := putRule(r, probeRule(want), rules.Condition{})
		if err != nil || rev.Revision != want || created != (want == 1) {
			t.Fatalf("write %d: revision %v, created %v, error %v", want, rev, created, err)
		}
	}
	if err := r.Delete(t.Context(), rules.KindRule, "probe", rules.Condition{Revision: 3}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Get(rules.KindRule, "probe"); !errors.Is(err, rules.ErrNotFound) {
		t.Errorf("Get of a deleted rule = %v, want ErrNotFound", err)
	}
	if r.Current().Rule("probe") != nil {
		t.Error("a deleted rule is in the set")
	}
	rev, created, err := putRule(r, probeRule(9), rules.Condition{Absent: true})
	if err != nil || rev.Revision != 4 || !created {
		t.Fatalf("after delete: revision %v, created %v, error %v; want 4, created", rev, created, err)
	}
	revs, err := r.Revisions(rules.KindRule, "probe")
	if err != nil || len(revs) != 4 {
		t.Fatalf("Revisions = %d of them, %v; want 4", len(revs), err)
	}
	for i, limit := range []int{1, 2, 3, 9} {
		if revs[i].Text != probeRule(limit) {
			t.Errorf("revision %d has the text\n%s", i+1, revs[i].Text)
		}
	}
}

func TestPreconditions(t *testing.T) {
	r := start(t, &rules.MemoryLog{})
	putStream(t, r, "payment", paymentStream)
	steps := []struct {
		name  string
		cond  rules.Condition
		stale bool
	}{
		{"present before the first write", rules.Condition{Present: true}, true},
		{"a revision before the first write", rules.Condition{Revision: 1}, true},
		{"absent before the first write", rules.Condition{Absent: true}, false},
		{"absent after it", rules.Condition{Absent: true}, true},
		{"the current revision", rules.Condition{Revision: 1}, false},
		{"an old revision", rules.Condition{Revision: 1}, true},
		{"a future revision", rules.Condition{Revision: 3}, true},
		{"present", rules.Condition{Present: true}, false},
		{"nothing asked", rules.Condition{}, false},
	}
	for i, s := range steps {
		t.Run(s.name, func(t *testing.T) {
			if _, _, err := putRule(r, probeRule(i), s.cond); errors.Is(err, rules.ErrStale) != s.stale {
				t.Errorf("Put with %+v = %v, want stale %v", s.cond, err, s.stale)
			}
		})
	}
}

// Two instances, a hundred writers, one log: the log's order decides who was
// first, and everyone else is told (faults 50).
func TestOfConcurrentWritersOneWins(t *testing.T) {
	log := &rules.MemoryLog{}
	instances := []*rules.Registry{start(t, log), start(t, log)}
	putStream(t, instances[0], "payment", paymentStream)
	first, _, err := putRule(instances[0], probeRule(5), rules.Condition{})
	if err != nil {
		t.Fatal(err)
	}
	var (
		wg         sync.WaitGroup
		mu         sync.Mutex
		won, stale int
	)
	for i := range 100 {
		wg.Go(func() {
			_, _, err := putRule(instances[i%2], probeRule(10+i), rules.Condition{Revision: first.Revision})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won++
			case errors.Is(err, rules.ErrStale):
				stale++
			default:
				t.Errorf("writer %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if won != 1 || stale != 99 {
		t.Errorf("%d writers won and %d were stale, want 1 and 99", won, stale)
	}
	for i, r := range instances {
		revs, err := r.Revisions(rules.KindRule, "probe")
		if err != nil || len(revs) != 2 {
			t.Errorf("instance %d knows %d revisions, %v; want 2", i, len(revs), err)
		}
	}
}

// Writers without a condition all succeed, each with a number of its own.
func TestUnconditionalWritersOfTwoInstancesTakeTurns(t *testing.T) {
	log := &rules.MemoryLog{}
	instances := []*rules.Registry{start(t, log), start(t, log)}
	putStream(t, instances[0], "payment", paymentStream)
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		seen = map[int]bool{}
	)
	for i := range 10 {
		wg.Go(func() {
			rev, _, err := putRule(instances[i%2], probeRule(i), rules.Condition{})
			mu.Lock()
			defer mu.Unlock()
			if err != nil || seen[rev.Revision] {
				t.Errorf("writer %d: revision %v, %v", i, rev, err)
				return
			}
			seen[rev.Revision] = true
		})
	}
	wg.Wait()
	if len(seen) != 10 {
		t.Errorf("revisions %v, want 1 to 10", seen)
	}
}

func TestRestartReadsTheSameState(t *testing.T) {
	log := &rules.MemoryLog{}
	before := start(t, log)
	putStream(t, before, "payment", paymentStream)
	for i := range 3 {
		if _, _, err := putRule(before, probeRule(i), rules.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	after := start(t, log)
	was, is := before.Current(), after.Current()
	if was.Version != is.Version || fmt.Sprint(was.Refs()) != fmt.Sprint(is.Refs()) {
		t.Errorf("after a restart version %d %v, before %d %v", is.Version, is.Refs(), was.Version, was.Refs())
	}
	old, err := after.At([]rules.Ref{{Kind: rules.KindStream, Name: "payment", Revision: 1}, {Kind: rules.KindRule, Name: "probe", Revision: 2}})
	if err != nil || old.Rule("probe").Revision != 2 {
		t.Errorf("At an old revision = %v, %v", old, err)
	}
	if old.Stream("payment").Schema != is.Stream("payment").Schema {
		t.Error("one stream revision has two schemas")
	}
}

func TestPutRefuses(t *testing.T) {
	r := start(t, &rules.MemoryLog{})
	putStream(t, r, "payment", paymentStream)
	putStream(t, r, "challenge", challengeStream)
	if _, _, err := putRule(r, probeRule(5), rules.Condition{}); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name string
		kind rules.Kind
		doc  string
		text string
		want string
	}{
		{"a rule under another name", rules.KindRule, "other", probeRule(5), "the document is called probe, the address says other"},
		{"a stream where a rule belongs", rules.KindRule, "payment", paymentStream, "the document is a Stream, want a Rule"},
		{"two documents", rules.KindRule, "probe", probeRule(1) + "---\n" + paymentStream, "the body holds 2 documents"},
		{"a document that is too large", rules.KindRule, "probe", probeRule(1) + strings.Repeat("#", rules.TextBytesMax), "the limit is"},
		{"a pattern without within", rules.KindRule, "probe", strings.Replace(probeRule(5), "within: 10m\n", "", 1), "needs `within`"},
		{"a second stream over one topic", rules.KindStream, "shadow", strings.Replace(paymentStream, "name: payment", "name: shadow", 1), "is read by stream payment already"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := r.Put(t.Context(), rules.Change{Kind: c.kind, Name: c.doc, Text: []byte(c.text)})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Put = %v, want an error with %q", err, c.want)
			}
		})
	}
	t.Run("deleting a stream in use", func(t *testing.T) {
		var inUse *rules.InUseError
		if err := r.Delete(t.Context(), rules.KindStream, "payment", rules.Condition{}); !errors.As(err, &inUse) {
			t.Errorf("Delete = %v, want an InUseError", err)
		}
	})
	t.Run("the same text is no change", func(t *testing.T) {
		if rev := putStream(t, r, "payment", paymentStream); rev.Revision != 1 {
			t.Errorf("the same text made revision %d, want still 1", rev.Revision)
		}
	})
}

// A rule over one stream with the stream's partition key is direct; any other
// has a keyed log that is named for its key.
func TestRulesHaveAPath(t *testing.T) {
	r := start(t, &rules.MemoryLog{})
	putStream(t, r, "payment", strings.Replace(paymentStream, "{card_id: string", "{card_id: string, shop: string", 1))
	putStream(t, r, "challenge", challengeStream)
	for name, text := range map[string]string{
		"probe":  probeRule(5),
		"shops":  strings.NewReplacer("key: card_id", "key: shop", "name: probe", "name: shops").Replace(probeRule(5)),
		"joined": strings.NewReplacer("name: probe", "name: joined", "large: {stream: payment, where: amount > 500}", `large: {stream: challenge, where: 'result == "passed"'}`).Replace(probeRule(5)),
	} {
		if _, _, err := r.Put(t.Context(), rules.Change{Kind: rules.KindRule, Name: name, Text: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	set := r.Current()
	for name, want := range map[string]string{"probe": "payment", "shops": "keyed.shop", "joined": "keyed.card_id"} {
		p := set.PathOf(set.Rule(name))
		if p.Input != want || p.Direct() != (len(p.Because) == 0) {
			t.Errorf("rule %s runs at %+v, want %s", name, p, want)
		}
		if part := set.Restrict(want); len(part.Rules) != 1 || part.Rules[0].Doc.Name != name {
			t.Errorf("the tasks of %s run %v", want, part.Names())
		}
	}
	logs := set.KeyedLogs()
	if len(logs) != 2 || logs[0].Input != "keyed.card_id" || len(logs[0].Streams) != 2 || logs[1].Streams[0].Roles[0][0] != 1 {
		t.Errorf("keyed logs %+v", logs)
	}
}

func TestWritesBeforeTheLogIsReadAreRefused(t *testing.T) {
	r := rules.NewRegistry(rules.Options{Log: &rules.MemoryLog{}})
	if _, _, err := putRule(r, probeRule(1), rules.Condition{}); !errors.Is(err, rules.ErrNotReady) {
		t.Errorf("Put = %v, want ErrNotReady", err)
	}
}

// An entry of another build must stop the registry, not be skipped: the set
// without it would be wrong.
func TestForeignEntriesStopTheRegistry(t *testing.T) {
	for _, rec := range []rules.Record{
		{Key: "rule/probe", Value: []byte(`{"format":9,"next":2,"revision":1,"state":"live"}`)},
		{Key: "rule/probe", Value: []byte(`not json`)},
		{Key: "rule/probe/1", Value: []byte(`{"format":2}`)},
		{Key: "rule/probe", Value: []byte(`{"format":1,"next":2,"revision":1,"state":"live"}`)}, // its revision is not there
		{Key: "profile/card", Value: []byte(`{}`)},
		{Key: "rule/probe/x", Value: []byte(`{}`)},
		{Key: "", Value: []byte("a line typed by hand")},
	} {
		log := &rules.MemoryLog{}
		if _, err := log.Append(t.Context(), -1, []rules.Record{rec}); err != nil {
			t.Fatal(err)
		}
		if err := rules.NewRegistry(rules.Options{Log: log}).Run(t.Context()); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("entry 0, of the key %q", rec.Key)) {
			t.Errorf("Run over %s = %v, want an error that names the entry", rec.Key, err)
		}
		if _, err := log.Append(t.Context(), 0, []rules.Record{{Key: rec.Key}}); err != nil {
			t.Fatal(err)
		}
		r := start(t, log) // undone
		if _, _, err := r.Put(t.Context(), rules.Change{Kind: rules.KindStream, Name: "payment", Text: []byte(paymentStream)}); err != nil {
			t.Errorf("a write behind %s, undone: %v", rec.Key, err)
		}
	}
}

func TestWatchersSeeEveryLatestSet(t *testing.T) {
	r := start(t, &rules.MemoryLog{})
	changed := r.Changed()
	putStream(t, r, "payment", paymentStream)
	<-changed
	if r.Current().Stream("payment") == nil {
		t.Error("the set lacks the stream after the change was told")
	}
}

// A stored rule that no longer compiles is not run, and said; the others are.
func TestRulesOfAnotherBuildAreFaults(t *testing.T) {
	log := &rules.MemoryLog{}
	putStream(t, start(t, log), "payment", paymentStream)
	last := int64(1)
	for _, rec := range []rules.Record{
		{Key: "rule/later/1", Value: []byte(`{"format":1,"text":"apiVersion: caltrop/v1\nkind: Rule\nname: later\n","time":1}`)},
		{Key: "rule/later", Value: []byte(`{"format":1,"next":2,"revision":1,"state":"live","time":1}`)},
	} {
		var err error
		if last, err = log.Append(t.Context(), last, []rules.Record{rec}); err != nil {
			t.Fatal(err)
		}
	}
	set := start(t, log).Current()
	if len(set.Faults) != 1 || set.Faults[0].Ref.Name != "later" || set.Stream("payment") == nil || set.Rule("later") != nil {
		t.Errorf("faults %v, rules %v; want one fault and the stream", set.Faults, set.Rules)
	}
}
