package rules_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caltrop/caltrop/rules"
)

const binsList = "apiVersion: caltrop/v1\nkind: List\nname: bins\nkey: int\nentries: [4111, 5222]\n"

func putBins(t *testing.T, r *rules.Registry) {
	t.Helper()
	if _, _, err := r.Put(t.Context(), rules.Change{Kind: rules.KindList, Name: "bins", Text: []byte(binsList)}); err != nil {
		t.Fatal(err)
	}
}

func TestEntriesKeepTheirPreconditions(t *testing.T) {
	r := start(t, &rules.MemoryLog{})
	putBins(t, r)
	put := func(value string, c rules.Condition) error {
		_, _, err := r.PutEntry(t.Context(), "bins", rules.ListEntry{Value: value}, c)
		return err
	}
	cases := []struct {
		name string
		err  error
		want error
	}{
		{"create what is there", put("4111", rules.Condition{Absent: true}), rules.ErrStale},
		{"create what is not there", put("6333", rules.Condition{Absent: true}), nil},
		{"replace what is not there", put("7444", rules.Condition{Present: true}), rules.ErrStale},
		{"replace what is there", put("6333", rules.Condition{Present: true}), nil},
		{"an old revision", put("8555", rules.Condition{Revision: 1}), rules.ErrStale},
		{"delete what must not be there", r.DeleteEntry(t.Context(), "bins", "4111", rules.Condition{Absent: true}), rules.ErrStale},
		{"delete what must be there", r.DeleteEntry(t.Context(), "bins", "4111", rules.Condition{Present: true}), nil},
	}
	for _, c := range cases {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, c.err, c.want)
		}
	}
}

// Entries that two instances write at the same time are all kept, and what one
// instance wrote a moment ago the other one knows.
func TestEntriesOfTwoInstances(t *testing.T) {
	log := &rules.MemoryLog{}
	instances := []*rules.Registry{start(t, log), start(t, log)}
	putBins(t, instances[0])
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			value := fmt.Sprint(9000 + i)
			rev, created, err := instances[i%2].PutEntry(t.Context(), "bins", rules.ListEntry{Value: value}, rules.Condition{Absent: true})
			if err != nil || !created {
				t.Errorf("entry %s: created %t, %v", value, created, err)
				return
			}
			if err := instances[1-i%2].DeleteEntry(t.Context(), "bins", value, rules.Condition{}); err != nil {
				t.Errorf("deleting entry %s, of revision %d: %v", value, rev.Revision, err)
			}
		})
	}
	wg.Wait()
	rev, _, err := instances[0].PutEntry(t.Context(), "bins", rules.ListEntry{Value: "1"}, rules.Condition{Revision: 17})
	if err != nil {
		t.Fatalf("on the 17th revision: %v", err)
	}
	if want := "[\n4111,\n5222,\n1]}\n"; !strings.HasSuffix(rev.Text, want) {
		t.Errorf("at the end the list is\n%s\nwant it to end with %s", rev.Text, want)
	}
}

// A fencedLog fences its first writer for another one that then writes nothing.
type fencedLog struct {
	rules.MemoryLog
	fenced bool
}

func (l *fencedLog) Append(ctx context.Context, last int64, records []rules.Record) (int64, error) {
	if !l.fenced {
		l.fenced = true
		return 0, rules.ErrConflict
	}
	return l.MemoryLog.Append(ctx, last, records)
}

// Who is fenced by a writer that then fails does not wait for its entry for
// ever.
func TestAWriterOutlivesTheOneThatFencedIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, &fencedLog{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, _, err := r.Put(ctx, rules.Change{Kind: rules.KindList, Name: "bins", Text: []byte(binsList)}); err != nil {
			t.Error(err)
		}
	})
}

// What a write returns is what is read back later.
func TestRevisionsKeepTheirTime(t *testing.T) {
	r := rules.NewRegistry(rules.Options{Log: &rules.MemoryLog{}, Now: func() time.Time { return time.Unix(1, 1_234_567) }})
	run(t, r)
	putBins(t, r)
	rev, _, err := r.PutEntry(t.Context(), "bins", rules.ListEntry{Value: "1"}, rules.Condition{})
	if err != nil {
		t.Fatal(err)
	}
	if d, err := r.Get(rules.KindList, "bins"); err != nil || !d.Time.Equal(rev.Time) {
		t.Errorf("written at %v, read back as %v, %v", rev.Time, d.Time, err)
	}
}
