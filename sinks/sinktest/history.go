package sinktest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/sinks"
	"github.com/caltrop/caltrop/sinks/alert"
)

// A History is what the suite tests: the write side that the delivery loop
// uses and the read side that the API uses.
type History interface {
	sinks.Writer
	// Alerts answers a query; see alert.Query and alert.Page.
	Alerts(ctx context.Context, q alert.Query) (alert.Page, error)
	// Alert returns the newest version of an alert as JSON. An error matches
	// alert.ErrUnknown where there is none.
	Alert(ctx context.Context, id alert.ID) ([]byte, error)
}

// A Driver opens the history under test.
type Driver struct {
	// Open returns an empty history.
	Open func(t *testing.T) History
	// Reopen closes h and returns a history over the same store.
	Reopen func(t *testing.T, h History) History
}

// Run checks that a driver's histories behave as every history must.
func Run(t *testing.T, d Driver) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Driver)
	}{
		{"an alert is found by its id", foundByID},
		{"writing again changes nothing", idempotent},
		{"the newest version wins in any order", newestWins},
		{"queries select", queriesSelect},
		{"pages are in order and complete", pagesComplete},
		{"a cursor holds while alerts arrive", cursorHolds},
		{"a wrong cursor is refused", wrongCursor},
		{"any key can be stored", anyKey},
		{"everything survives a restart", survivesRestart},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, d) })
	}
}

func write(t *testing.T, h History, alerts ...Alert) {
	t.Helper()
	records := make([]sinks.Record, len(alerts))
	for i, a := range alerts {
		records[i] = a.Record()
	}
	if err := h.Write(t.Context(), records); err != nil {
		t.Fatalf("writing %v: %v", alerts, err)
	}
}

// stored checks that the newest version of an alert is a's.
func stored(t *testing.T, h History, a Alert) {
	t.Helper()
	got, err := h.Alert(t.Context(), a.ID())
	if err != nil {
		t.Fatalf("reading %v: %v", a, err)
	}
	if want := a.Record().JSON; string(got) != string(want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// list follows a query to its end and returns "name/version" of each alert,
// by the names given. Every page must keep the limit.
func list(t *testing.T, h History, q alert.Query, names ...string) string {
	t.Helper()
	known := map[alert.ID]string{}
	for _, n := range names {
		known[Alert{Name: n}.ID()] = n
	}
	var all []string
	const pagesMax = 10_000
	for range pagesMax {
		page, err := h.Alerts(t.Context(), q)
		if err != nil {
			t.Fatalf("listing %+v: %v", q, err)
		}
		if len(page.Alerts) > q.Limit {
			t.Fatalf("a page of %d, the limit is %d", len(page.Alerts), q.Limit)
		}
		for _, b := range page.Alerts {
			a, err := alert.ParseJSON(b)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, fmt.Sprintf("%s/%d", known[a.ID], a.Version))
		}
		if page.Next == "" {
			return strings.Join(all, " ")
		}
		q.After = page.Next
	}
	t.Fatalf("listing %+v: no end after %d pages", q, pagesMax)
	return ""
}

// hours is a query for the alerts of a rule over all times the suite uses.
func hours(rules ...string) alert.Query {
	return alert.Query{Rules: rules, From: Base - 3600e6, To: Base + 10*3600e6, Limit: 100}
}

func foundByID(t *testing.T, d Driver) {
	h := d.Open(t)
	write(t, h, Alert{Name: "a"}, Alert{Name: "b", At: 7200})
	stored(t, h, Alert{Name: "a"})
	stored(t, h, Alert{Name: "b", At: 7200})
	if _, err := h.Alert(t.Context(), Alert{Name: "c"}.ID()); !errors.Is(err, alert.ErrUnknown) {
		t.Errorf("an alert that is not there: %v, want %v", err, alert.ErrUnknown)
	}
}

func idempotent(t *testing.T, d Driver) {
	h := d.Open(t)
	for range 3 {
		write(t, h, Alert{Name: "a"}, Alert{Name: "b", At: 1}, Alert{Name: "a"})
	}
	if got := list(t, h, hours("r"), "a", "b"); got != "b/1 a/1" {
		t.Errorf("got %s", got)
	}
}

func newestWins(t *testing.T, d Driver) {
	orders := [][]int{{1, 2, 3}, {3, 2, 1}, {2, 3, 1}, {3, 1, 2}, {1, 3, 2, 1}}
	for _, order := range orders {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			h := d.Open(t)
			for _, v := range order {
				write(t, h, Alert{Version: v})
			}
			stored(t, h, Alert{Version: 3})
			if got := list(t, h, hours("r"), "a"); got != "a/3" {
				t.Errorf("by rule: %s", got)
			}
			q := hours()
			q.Key = "k"
			if got := list(t, h, q, "a"); got != "a/3" {
				t.Errorf("by key: %s", got)
			}
		})
		t.Run(fmt.Sprint(order, " in one batch"), func(t *testing.T) {
			h := d.Open(t)
			var batch []Alert
			for _, v := range order {
				batch = append(batch, Alert{Version: v})
			}
			write(t, h, batch...)
			stored(t, h, Alert{Version: 3})
		})
	}
}

func queriesSelect(t *testing.T, d Driver) {
	h := d.Open(t)
	write(t, h,
		Alert{Name: "a", Rule: "r", Key: "k", At: 0},
		Alert{Name: "b", Rule: "r", Key: "l", At: 10},
		Alert{Name: "c", Rule: "s", Key: "k", At: 20},
		Alert{Name: "d", Rule: "s", Key: "l", At: 3*3600 - 1, Version: 2},
		Alert{Name: "e", Rule: "rr", Key: "kk", At: 3 * 3600},
	)
	second := func(n int64) int64 { return Base + n*1e6 }
	for _, c := range []struct {
		name string
		q    alert.Query
		want string
	}{
		{"a rule", alert.Query{Rules: []string{"r"}}, "b/1 a/1"},
		{"several rules, merged by time", alert.Query{Rules: []string{"s", "rr", "r"}}, "e/1 d/2 c/1 b/1 a/1"},
		{"a rule without alerts", alert.Query{Rules: []string{"q"}}, ""},
		{"a key", alert.Query{Key: "k"}, "c/1 a/1"},
		{"a key and a rule", alert.Query{Key: "k", Rules: []string{"s"}}, "c/1"},
		{"a status", alert.Query{Rules: []string{"r", "s"}, Status: alert.Changed}, "d/2"},
		{"a key and a status", alert.Query{Key: "l", Status: alert.Raised}, "b/1"},
		{"from is included", alert.Query{Rules: []string{"r"}, From: second(10)}, "b/1"},
		{"to is excluded", alert.Query{Rules: []string{"r"}, To: second(10)}, "a/1"},
		{"a range by key", alert.Query{Key: "k", From: second(1), To: second(21)}, "c/1"},
		{"the last µs of an hour", alert.Query{Rules: []string{"s", "rr"}, From: second(3 * 3600)}, "e/1"},
	} {
		for _, limit := range []int{1, 2, 100} {
			t.Run(fmt.Sprintf("%s, %d a page", c.name, limit), func(t *testing.T) {
				q := c.q
				q.Limit = limit
				if q.From == 0 {
					q.From = second(0)
				}
				if q.To == 0 {
					q.To = second(4 * 3600)
				}
				if got := list(t, h, q, "a", "b", "c", "d", "e"); got != c.want {
					t.Errorf("got %q, want %q", got, c.want)
				}
			})
		}
	}
}

func pagesComplete(t *testing.T, d Driver) {
	h := d.Open(t)
	const alerts, atOnce = 60, 7
	var all []Alert
	var names []string
	for i := range alerts {
		n := fmt.Sprintf("n%d", i)
		names = append(names, n)
		// Seven alerts share a time; the times span several hours.
		all = append(all, Alert{Name: n, Rule: fmt.Sprintf("r%d", i%2), At: int64(i/atOnce) * 1800})
	}
	write(t, h, all...)
	slices.SortFunc(all, func(a, b Alert) int {
		if a.At != b.At {
			return int(b.At - a.At)
		}
		x, y := a.ID(), b.ID()
		return strings.Compare(string(x[:]), string(y[:]))
	})
	var want []string
	for _, a := range all {
		want = append(want, a.Name+"/1")
	}
	byRule, byKey := hours("r0", "r1"), hours()
	byKey.Key = "k"
	for name, q := range map[string]alert.Query{"by rule": byRule, "by key": byKey} {
		for _, limit := range []int{1, 3, 7, 59, 60, 61} {
			q.Limit = limit
			if got := list(t, h, q, names...); got != strings.Join(want, " ") {
				t.Errorf("%s, %d a page:\ngot  %s\nwant %s", name, limit, got, strings.Join(want, " "))
			}
		}
	}
}

func cursorHolds(t *testing.T, d Driver) {
	h := d.Open(t)
	write(t, h, Alert{Name: "a", At: 1}, Alert{Name: "b", At: 2}, Alert{Name: "c", At: 3})
	q := hours("r")
	q.Limit = 1
	first, err := h.Alerts(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if first.Next == "" {
		t.Fatal("the first page of three has no next")
	}
	write(t, h, Alert{Name: "d", At: 4})             // newer than the page: not in its rest
	write(t, h, Alert{Name: "a", At: 1, Version: 2}) // in its rest, changed
	q.After = first.Next
	if got := list(t, h, q, "a", "b", "c", "d"); got != "b/1 a/2" {
		t.Errorf("the rest is %s", got)
	}
}

func wrongCursor(t *testing.T, d Driver) {
	h := d.Open(t)
	for _, after := range []string{"x", "!!", strings.Repeat("A", 200)} {
		q := hours("r")
		q.After = after
		if _, err := h.Alerts(t.Context(), q); !errors.Is(err, alert.ErrCursor) {
			t.Errorf("after %q: %v, want %v", after, err, alert.ErrCursor)
		}
	}
}

func anyKey(t *testing.T, d Driver) {
	h := d.Open(t)
	// A record cannot have an empty Key by way of Alert: made by hand below.
	keys := []string{"é\x00\x01", `["a",1]`, strings.Repeat("x", 100_000), strings.Repeat("x", 100_001), "k", "kk"}
	for i, key := range keys {
		write(t, h, Alert{Name: fmt.Sprint(i), Key: key})
	}
	empty := Alert{Name: "empty"}.Record()
	empty.Key = ""
	if err := h.Write(t.Context(), []sinks.Record{empty}); err != nil {
		t.Fatalf("writing an empty key: %v", err)
	}
	for i, key := range keys {
		q := hours()
		q.Key = key
		if got := list(t, h, q, fmt.Sprint(i)); got != fmt.Sprint(i, "/1") {
			t.Errorf("key %.20q…: got %s", key, got)
		}
	}
	stored(t, h, Alert{Name: "empty"})
}

func survivesRestart(t *testing.T, d Driver) {
	h := d.Open(t)
	write(t, h, Alert{Name: "a", Version: 2}, Alert{Name: "b", At: 1})
	h = d.Reopen(t, h)
	stored(t, h, Alert{Name: "a", Version: 2})
	write(t, h, Alert{Name: "a", Version: 1}, Alert{Name: "c", At: 2})
	if got := list(t, h, hours("r"), "a", "b", "c"); got != "c/1 b/1 a/2" {
		t.Errorf("got %s", got)
	}
}
