package alert_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/sinks/alert"
)

var payment = event.NewSchema("payment", []event.Field{
	{Name: "amount", Type: event.Decimal, Scale: 2},
	{Name: "status", Type: event.String},
	{Name: "tags", Type: event.StringList, Optional: true},
	{Name: "offset", Type: event.Int, Optional: true},
})

func pay(id string, us int64, amount int64, status string) *event.Event {
	return &event.Event{Schema: payment, Time: us, ID: id, Offset: us / 1e6,
		Values: []event.Value{event.DecimalOf(amount, 2), event.StringOf(status), {}, {}}}
}

func sample() *alert.Alert {
	hit := pay("e9", 1764000060000000, 90000, "approved")
	hit.Values[2], hit.Values[3] = event.ListOf([]string{"x", "y"}), event.IntOf(-1)
	return &alert.Alert{
		ID: alert.ID{0xab, 1}, Version: 2, Status: alert.Changed, Rule: "card-testing", Revision: 3, Mode: "live",
		Key: []event.Value{event.StringOf("c1")}, Severity: "high", Score: 60,
		At: 1764000060000000, FinalAfter: 1764000090000000, DetectedAt: 1764000091000001, Summary: `3 probes, then "900"`,
		Measures: []alert.Measure{{Name: "probed", Value: event.DoubleOf(4.5)}, {Name: "seen", Value: event.TimestampOf(1764000000000000)}},
		Evidence: []alert.Step{
			{Name: "probe", Events: []*event.Event{pay("e1", 1764000000000000, 100, "declined")}},
			{Name: "hit", Events: []*event.Event{hit}},
		},
		Suppressed: 4, Capped: true, Approx: true, Lists: map[string]int{"trusted": 7, "blocked": 2},
	}
}

func TestJSONHasTheMembersOfTheLanguageInOrder(t *testing.T) {
	want := `{"id":"ab010000000000000000000000000000","version":2,"status":"changed","rule":"card-testing","revision":3,"mode":"live",` +
		`"key":"c1","severity":"high","score":60,"at":"2025-11-24T16:01:00.000000Z","final_after":"2025-11-24T16:01:30.000000Z",` +
		`"detected_at":"2025-11-24T16:01:31.000001Z","summary":"3 probes, then \"900\"","measures":{"probed":4.5,"seen":"2025-11-24T16:00:00.000000Z"},` +
		`"evidence":{"probe":[{"id":"e1","stream":"payment","time":"2025-11-24T16:00:00.000000Z","partition":0,"offset":1764000000,"amount":1.00,"status":"declined"}],` +
		`"hit":[{"id":"e9","stream":"payment","time":"2025-11-24T16:01:00.000000Z","partition":0,"offset":1764000060,"amount":900.00,"status":"approved","tags":["x","y"],"_offset":-1}]},` +
		`"suppressed":4,"truncated":false,"capped":true,"approximate":true,"lists":{"blocked":2,"trusted":7}}`
	if got := string(sample().AppendJSON(nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestOptionalMembersAreLeftOut(t *testing.T) {
	a := sample()
	a.DetectedAt, a.Approx, a.Lists = 0, false, nil
	got := string(a.AppendJSON(nil))
	if strings.Contains(got, "detected_at") || strings.Contains(got, "approximate") || !strings.HasSuffix(got, `"lists":{}}`) {
		t.Errorf("got %s", got)
	}
}

// The forms an alert takes, for the tests that hold for all of them.
func forms() map[string]*alert.Alert {
	composite := sample()
	composite.Key, composite.KeyList = []event.Value{event.StringOf("a\"b"), event.IntOf(7), event.BoolOf(true)}, true
	match := sample()
	match.DetectedAt, match.Approx, match.Lists, match.Measures, match.Suppressed = 0, false, nil, nil, 0
	odd := sample()
	odd.Key = []event.Value{event.IntOf(-3)}
	odd.Measures = []alert.Measure{
		{Name: "tiny", Value: event.DoubleOf(1e-9)}, {Name: "huge", Value: event.DoubleOf(1e300)}, {Name: "none", Value: event.Value{}},
		{Name: "wait", Value: event.DurationOf(90e6)}, {Name: "zero", Value: event.DoubleOf(0)}, {Name: "big", Value: event.DoubleOf(12345678901234567890)},
	}
	return map[string]*alert.Alert{"scalar key": sample(), "composite key": composite, "of match": match, "odd numbers": odd}
}

func TestParseAndWriteGivesTheSameBytes(t *testing.T) {
	for name, a := range forms() {
		t.Run(name, func(t *testing.T) {
			want := a.AppendJSON(nil)
			parsed, err := alert.ParseJSON(want)
			if err != nil {
				t.Fatal(err)
			}
			if got := parsed.AppendJSON(nil); !bytes.Equal(got, want) {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if parsed.KeyText() != a.KeyText() {
				t.Errorf("key text %q, want %q", parsed.KeyText(), a.KeyText())
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	whole := string(sample().AppendJSON(nil))
	for _, c := range []struct{ name, json, want string }{
		{"not JSON", `{"id":`, "reading alert"},
		{"not an object", `[]`, "reading alert"},
		{"an id of another length", strings.Replace(whole, "ab01", "ab", 1), `"id"`},
		{"an id that is no hex", strings.Replace(whole, "ab01", "xy01", 1), `"id"`},
		{"a version in quotes", strings.Replace(whole, `"version":2`, `"version":"2"`, 1), `"version"`},
		{"no key", strings.Replace(whole, `"key"`, `"kez"`, 1), `no "key"`},
		{"a time of another form", strings.Replace(whole, `"at":"2025-11-24T`, `"at":"24.11.2025 `, 1), `"at"`},
		{"evidence that is no list", strings.Replace(whole, `"hit":[`, `"hit":{"a":[`, 1), "reading alert"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := alert.ParseJSON([]byte(c.json))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestPublishedSchema(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("../../docs/schema/alert.v1.json")
	if err != nil {
		t.Fatal(err)
	}
	check := func(b []byte) error {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(doc)
	}
	for name, a := range forms() {
		if err := check(a.AppendJSON(nil)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	whole := sample().AppendJSON(nil)
	for _, change := range [][2]string{{`"version":2`, `"version":0`}, {`"lists"`, `"list"`}, {`"severity":"high"`, `"severity":"bad"`}, {`"offset":1764000000,`, ``}} {
		if check(bytes.Replace(whole, []byte(change[0]), []byte(change[1]), 1)) == nil {
			t.Errorf("the schema accepts %s for %s", change[1], change[0])
		}
	}
}

func TestIDIsHashOfLengthPrefixedParts(t *testing.T) {
	want := func(parts ...string) string {
		var b []byte
		for _, p := range parts {
			b = append(binary.AppendUvarint(b, uint64(len(p))), p...)
		}
		sum := sha256.Sum256(b)
		return hex.EncodeToString(sum[:16])
	}
	steps := []alert.Step{{Name: "a", Events: []*event.Event{pay("e1", 1, 1, ""), pay("e2", 2, 1, "")}}, {Name: "b", Events: []*event.Event{pay("e3", 3, 1, "")}}}
	for _, c := range []struct {
		name string
		id   alert.Identity
		want string
	}{
		{"event", alert.Identity{Rule: "r", Revision: 12, Key: "k", By: alert.ByEvent("e3")}, want("default", "r", "12", "k", "e3")},
		{"deadline", alert.Identity{Rule: "r", Revision: 1, Key: `["a",1]`, By: alert.ByDeadline(77)}, want("default", "r", "1", `["a",1]`, "deadline:77")},
		{"window", alert.Identity{Rule: "r", Revision: 1, Key: "k", By: alert.ByWindow(-5)}, want("default", "r", "1", "k", "window:-5")},
		{"every match", alert.Identity{Rule: "r", Revision: 1, Key: "k", By: "e3", Evidence: steps}, want("default", "r", "1", "k", "e3", "a", "e1", "a", "e2", "b", "e3")},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := alert.MakeID(&c.id).String(); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestKeyText(t *testing.T) {
	for name, want := range map[string]string{"scalar key": "c1", "composite key": `["a\"b",7,true]`, "odd numbers": "-3"} {
		if got := forms()[name].KeyText(); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// many returns n events a second apart, with ids 0…n-1.
func many(n int, status string) []*event.Event {
	var events []*event.Event
	for i := range n {
		events = append(events, pay(strconv.Itoa(i), int64(i)*1e6, 100, status))
	}
	return events
}

func ids(steps []alert.Step) string {
	var all []string
	for _, s := range steps {
		for _, e := range s.Events {
			all = append(all, s.Name+e.ID)
		}
	}
	return strings.Join(all, " ")
}

func TestTrimKeepsFirstAndLastInKeyOrder(t *testing.T) {
	e := many(6, "")
	steps := []alert.Step{{Name: "a", Events: e[:1]}, {Name: "b", Events: e[2:4]}, {Name: "c", Events: []*event.Event{e[1], e[4], e[5]}}}
	for _, c := range []struct {
		max  int
		want string
		cut  bool
	}{
		{6, "a0 b2 b3 c1 c4 c5", false},
		{4, "a0 c1 c4 c5", true},
		{2, "a0 c5", true},
	} {
		kept, gone := alert.Trim(steps, c.max)
		if got := ids(kept); got != c.want || gone != c.cut {
			t.Errorf("to %d: %q %v, want %q %v", c.max, got, gone, c.want, c.cut)
		}
	}
	if got := ids(steps); got != "a0 b2 b3 c1 c4 c5" {
		t.Errorf("the steps given were changed: %s", got)
	}
}

func TestFit(t *testing.T) {
	long := strings.Repeat("\u00e9", 40<<10) // 80 KB
	for _, c := range []struct {
		name      string
		events    []*event.Event
		summary   string
		kept      int
		truncated bool
	}{
		{"a small alert stays", many(3, "ok"), "s", 3, false},
		{"more than 200 events keep 100 and 100", many(500, "ok"), "s", 200, true},
		{"many bytes drop the middle", many(10, long[:20<<10]), "s", 3, true},
		{"two events over the budget lose their fields", many(2, long), "s", 2, true},
		{"a long summary is cut", many(1, "ok"), long, 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := sample()
			a.Evidence, a.Summary = []alert.Step{{Name: "s", Events: c.events}}, c.summary
			first, last := c.events[0].ID, c.events[len(c.events)-1].ID
			a.Fit(alert.BytesMax)
			kept := a.Evidence[0].Events
			if n := len(a.AppendJSON(nil)); n > alert.BytesMax {
				t.Errorf("%d bytes, want at most %d", n, alert.BytesMax)
			}
			if len(kept) != c.kept || a.Truncated != c.truncated || kept[0].ID != first || kept[len(kept)-1].ID != last {
				t.Errorf("kept %d from %s to %s, truncated %v", len(kept), kept[0].ID, kept[len(kept)-1].ID, a.Truncated)
			}
			if !strings.HasPrefix(c.summary, strings.TrimSuffix(a.Summary, "\u2026")) {
				t.Errorf("summary %q", a.Summary)
			}
		})
	}
}

func TestFitDropsNoMoreThanNeeded(t *testing.T) {
	a := sample()
	a.Evidence = []alert.Step{{Name: "s", Events: many(100, strings.Repeat("x", 1000))}}
	a.Fit(alert.BytesMax)
	n := len(a.AppendJSON(nil))
	if one := len(many(1, strings.Repeat("x", 1000))[0].AppendJSON(nil)); n > alert.BytesMax || n+2*one < alert.BytesMax {
		t.Errorf("%d bytes kept of %d", n, alert.BytesMax)
	}
}

func FuzzParseJSON(f *testing.F) {
	for _, a := range forms() {
		f.Add(a.AppendJSON(nil))
	}
	f.Add([]byte(`{"id":"ab010000000000000000000000000000","version":1,"status":"raised","rule":"r","key":null,"at":"2025-11-24T16:01:00Z","evidence":{"a":[{}]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := alert.ParseJSON(b)
		if err != nil {
			return
		}
		once := a.AppendJSON(nil)
		again, err := alert.ParseJSON(once)
		if err != nil {
			t.Fatalf("%s written as %s: %v", b, once, err)
		}
		if twice := again.AppendJSON(nil); !bytes.Equal(once, twice) {
			t.Fatalf("%s is written as %s, then as %s", b, once, twice)
		}
	})
}
