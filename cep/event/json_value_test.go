package event_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
)

func TestValueForms(t *testing.T) {
	for _, c := range []struct {
		v          event.Value
		text, json string
	}{
		{event.Value{}, "", "null"},
		{event.StringOf("a\"b\\\n\x01é\xff"), "a\"b\\\n\x01é\xff", `"a\"b\\\n\u0001é` + "\uFFFD" + `"`},
		{event.IntOf(math.MinInt64), "-9223372036854775808", "-9223372036854775808"},
		{event.DoubleOf(4.5), "4.5", "4.5"},
		{event.DoubleOf(1), "1", "1"},
		{event.DoubleOf(1e21), "1e+21", "1e+21"},
		{event.DoubleOf(1e20), "100000000000000000000", "100000000000000000000"},
		{event.DoubleOf(1e-7), "1e-7", "1e-7"},
		{event.DoubleOf(math.Inf(1)), "+Inf", "null"},
		{event.BoolOf(true), "true", "true"},
		{event.DecimalOf(150, 2), "1.50", "1.50"},
		{event.DecimalOf(-5, 2), "-0.05", "-0.05"},
		{event.DecimalOf(7, 0), "7", "7"},
		{event.DecimalOf(math.MinInt64, 3), "-9223372036854775.808", "-9223372036854775.808"},
		{event.TimestampOf(1), "1970-01-01T00:00:00.000001Z", `"1970-01-01T00:00:00.000001Z"`},
		{event.DurationOf(1_500_000), "1.5s", `"1.5s"`},
		{event.DurationOf(-60_000_000), "-60s", `"-60s"`},
		{event.ListOf([]string{"a", `"`}), `["a","\""]`, `["a","\""]`},
	} {
		if got := string(c.v.AppendText(nil)); got != c.text {
			t.Errorf("text of %#v = %q, want %q", c.v, got, c.text)
		}
		got := string(c.v.AppendJSON(nil))
		if got != c.json {
			t.Errorf("JSON of %#v = %s, want %s", c.v, got, c.json)
		}
		if !json.Valid([]byte(got)) {
			t.Errorf("JSON of %#v is not JSON: %s", c.v, got)
		}
	}
}

// Every byte, at every place of a text of some words, is quoted as it is alone.
func TestQuotedTextIsTheTextAgain(t *testing.T) {
	for c := range 256 {
		for at := range 20 {
			text := []byte("abcdefghijklmnopqrst")
			text[at] = byte(c)
			var got string
			quoted := event.AppendQuoted(nil, string(text))
			if err := json.Unmarshal(quoted, &got); err != nil || got != strings.ToValidUTF8(string(text), "\uFFFD") {
				t.Errorf("%q became %s, which is %q: %v", text, quoted, got, err)
			}
			if n := event.QuotedBytes(string(text)); n != len(quoted) {
				t.Errorf("%s takes %d bytes, not %d", quoted, len(quoted), n)
			}
		}
	}
}

func TestJSONBytesOfAnEvent(t *testing.T) {
	for _, v := range []event.Value{{}, event.IntOf(0), event.IntOf(9), event.IntOf(10), event.IntOf(-99), event.IntOf(1e18), event.IntOf(1e18 - 1),
		event.IntOf(math.MaxInt64), event.IntOf(math.MinInt64), event.BoolOf(true), event.BoolOf(false), event.DoubleOf(0.1), event.DoubleOf(math.NaN()),
		event.DecimalOf(0, 2), event.DecimalOf(99, 2), event.DecimalOf(100, 2), event.DecimalOf(-1, 18), event.DecimalOf(math.MinInt64, 0),
		event.TimestampOf(math.MinInt64), event.TimestampOf(-1), event.StringOf(""), event.ListOf([]string{"a", "\n"}), event.ListOf(nil)} {
		s := event.NewSchema("p\"ay", []event.Field{{Name: "offset", Type: v.Type()}})
		for _, at := range []int64{math.MinInt64, -1, 0, 1_700_000_000_000_000, math.MaxInt64} {
			e := &event.Event{Schema: s, Time: at, ID: "é", Partition: -1, Offset: at, Values: []event.Value{v}}
			if got, want := e.JSONBytes(), len(e.AppendJSON(nil)); got != want {
				t.Errorf("%s takes %d bytes, not %d", e.AppendJSON(nil), want, got)
			}
		}
	}
}

func TestEventJSONKeepsReservedNamesApart(t *testing.T) {
	s := event.NewSchema("pay", []event.Field{{Name: "id", Type: event.String}, {Name: "amount", Type: event.Decimal, Scale: 2}, {Name: "gone", Type: event.Int}})
	e := &event.Event{Schema: s, Time: 1_000_000, ID: "e1", Partition: 3, Offset: 12,
		Values: []event.Value{event.StringOf("x"), event.DecimalOf(100, 2), {}}}
	want := `{"id":"e1","stream":"pay","time":"1970-01-01T00:00:01.000000Z","partition":3,"offset":12,"_id":"x","amount":1.00}`
	if got := string(e.AppendJSON(nil)); got != want {
		t.Errorf("event = %s\nwant    %s", got, want)
	}
}
