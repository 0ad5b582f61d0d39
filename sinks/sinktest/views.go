package sinktest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/sinks"
	"github.com/caltrop/caltrop/sinks/view"
)

// A Window names one window of a suite.
type Window struct {
	View, Key string
	Start     int64 // µs
}

// windowStart is the start of the suite's windows.
const windowStart = 1_767_225_600_000_000

// Update returns version n of the window, with values that tell it from others.
func (w Window) Update(n int, status view.Status) sinks.ViewRecord {
	u := view.Update{View: w.View, Revision: 1, Key: []event.Value{event.StringOf(w.Key)}, Status: status, Version: w.Start + int64(n), At: w.Start + int64(n),
		Start: w.Start, Last: w.Start + int64(n), End: w.Start + 1_800_000_000, Events: n, Values: []view.Value{{Name: "n", Value: event.IntOf(int64(n))}},
		To: []string{"redis", "cassandra"}}
	r, err := sinks.ParseViewRecord(u.AppendJSON(nil))
	if err != nil {
		panic(fmt.Sprintf("sinktest: %v", err)) // the update is what the engine writes
	}
	return r
}

// A ViewSink is what the suite tests: the write side that the delivery loop
// uses, and some way to read.
type ViewSink interface {
	sinks.ViewWriter
	// Stored returns the newest update of a window, as JSON; nil where there is
	// none.
	Stored(ctx context.Context, w Window) ([]byte, error)
}

// RunViews checks that a driver's sinks of views behave as every one must. open
// returns an empty one.
func RunViews(t *testing.T, open func(t *testing.T) ViewSink) {
	for _, c := range []struct {
		name string
		test func(*testing.T, ViewSink)
	}{
		{"the newest version wins in any order", viewNewestWins},
		{"of many in one batch too", viewBatch},
		{"views and keys are apart", viewsApart},
		{"any key can be stored", viewAnyKey},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

func writeViews(t *testing.T, s ViewSink, updates ...sinks.ViewRecord) {
	t.Helper()
	if err := s.WriteViews(t.Context(), updates); err != nil {
		t.Fatalf("writing %d updates: %v", len(updates), err)
	}
}

func wantStored(t *testing.T, s ViewSink, w Window, want *sinks.ViewRecord) {
	t.Helper()
	got, err := s.Stored(t.Context(), w)
	if err != nil {
		t.Fatalf("reading %v: %v", w, err)
	}
	if want == nil && got != nil || want != nil && string(got) != string(want.JSON) {
		t.Errorf("%v is\n     %s\nwant %+v", w, got, want)
	}
}

func viewNewestWins(t *testing.T, s ViewSink) {
	w := Window{"card-session", "c1", windowStart}
	wantStored(t, s, w, nil)
	newest := 0
	for _, n := range []int{2, 1, 2, 5, 3, 5, 4} {
		u := w.Update(n, view.Open)
		writeViews(t, s, u)
		newest = max(newest, n)
		want := w.Update(newest, view.Open)
		wantStored(t, s, w, &want)
	}
	closed := w.Update(9, view.Closed)
	writeViews(t, s, closed, w.Update(8, view.Open))
	writeViews(t, s, w.Update(7, view.Open))
	wantStored(t, s, w, &closed)
}

func viewBatch(t *testing.T, s ViewSink) {
	const windows, versions = 20, 40
	rng := rand.New(rand.NewPCG(1, 1))
	var all []sinks.ViewRecord
	for i := range windows {
		for n := range versions {
			all = append(all, Window{"v", fmt.Sprint("k", i), windowStart}.Update(n+1, view.Open))
		}
	}
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	writeViews(t, s, all...)
	for i := range windows {
		w := Window{"v", fmt.Sprint("k", i), windowStart}
		want := w.Update(versions, view.Open)
		wantStored(t, s, w, &want)
	}
}

func viewsApart(t *testing.T, s ViewSink) {
	all := []Window{{"a", "1", windowStart}, {"a", "2", windowStart}, {"b", "1", windowStart}, {"a-1", "", windowStart}, {"a", "-1", windowStart}}
	for i, w := range all {
		writeViews(t, s, w.Update(i+1, view.Open))
	}
	for i, w := range all {
		want := w.Update(i+1, view.Open)
		wantStored(t, s, w, &want)
	}
}

func viewAnyKey(t *testing.T, s ViewSink) {
	for i, key := range []string{"", " ", "{", "}", "{}", "}{", "{a}b", "a:b", "a/b", "é\n\x00", "\"quoted\"", `[1,"a"]`, strings.Repeat("k", 5000)} {
		w := Window{"any", key, windowStart}
		u := w.Update(i+1, view.Open)
		writeViews(t, s, u)
		wantStored(t, s, w, &u)
	}
}
