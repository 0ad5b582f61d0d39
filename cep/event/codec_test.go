package event

import (
	"bytes"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func packed() []Event {
	d := payment()
	s := d.Schema
	full := []Value{StringOf("c1"), DecimalOf(-1230, 2), StringOf(""), StringOf("é"), IntOf(math.MinInt64), DoubleOf(math.Inf(-1)),
		BoolOf(true), ListOf([]string{"", "a"}), TimestampOf(1699999999000000)}
	return []Event{
		{Schema: s, Time: 1700000000000000, ID: "e1", Partition: 3, Offset: 1 << 40, Values: full},
		{Schema: s, Time: -1, ID: "", Cluster: 2, Partition: -1, Offset: -1, Values: make([]Value, len(full))},
		{Schema: s, Time: math.MaxInt64, ID: "0b9f3c1e-75d4-4a52-9a2f-00ff10ee5a01", Values: []Value{BoolOf(false), {}, {}, {}, {}, {}, BoolOf(false), ListOf(nil), {}}},
	}
}

func TestEventRoundTrip(t *testing.T) {
	events := packed()
	events[2].Values[0] = StringOf("c2")
	for _, base := range []int64{0, 1700000000000000} {
		p := Packing{Base: base}
		var buf []byte
		for i := range events {
			buf = AppendEvent(buf, &events[i], p)
		}
		var got Event
		for i := range events {
			var err error
			if buf, err = DecodeEvent(events[i].Schema, buf, &got, p); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, events[i]) {
				t.Errorf("event %d: got %+v, want %+v", i, got, events[i])
			}
		}
		if len(buf) != 0 {
			t.Errorf("%d bytes are left", len(buf))
		}
	}
}

// What a Bulk reads stays as it is while more is read, more than it was made for
// included.
func TestBulkReadsWhatDecodeEventReads(t *testing.T) {
	var want []Event
	for i := range 5 {
		for _, ev := range packed() {
			ev.Offset = int64(i)
			ev.Values = append([]Value{StringOf(strings.Repeat("c", 40*i))}, ev.Values[1:]...)
			want = append(want, ev)
		}
	}
	b := NewBulk(len(want) / 2)
	var got []*Event
	for i := range want {
		ev, err := b.Decode(want[i].Schema, AppendEvent(nil, &want[i], Packing{}), Packing{})
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, ev)
	}
	for i := range want {
		if !reflect.DeepEqual(*got[i], want[i]) {
			t.Errorf("event %d: got %+v, want %+v", i, got[i], want[i])
		}
	}
}

func TestBulkTakesFewAllocations(t *testing.T) {
	ev := packed()[0]
	ev.Values[7] = Value{} // a list, which has a text of its own
	text := AppendEvent(nil, &ev, Packing{})
	const events = 100
	n := testing.AllocsPerRun(10, func() {
		b := NewBulk(events)
		for range events {
			if _, err := b.Decode(ev.Schema, text, Packing{}); err != nil {
				t.Fatal(err)
			}
		}
	})
	if n > 4 {
		t.Errorf("%v allocations for %d events, want 4", n, events)
	}
}

func TestEventLeavesOutWhatTheKeySays(t *testing.T) {
	ev := packed()[0]
	var got Event
	if _, err := DecodeEvent(ev.Schema, AppendEvent(nil, &ev, Packing{Omit: 1}), &got, Packing{Omit: 1}); err != nil {
		t.Fatal(err)
	}
	if got.Values[0].Present() || got.Values[1] != ev.Values[1] {
		t.Errorf("got %v and %v", got.Values[0], got.Values[1])
	}
}

func TestEventOfTwoHundredBytesIsSmall(t *testing.T) {
	s := NewSchema("payment", []Field{
		{Name: "card_id", Type: String, Path: []string{"card_id"}}, {Name: "amount", Type: Decimal, Scale: 2, Path: []string{"amount"}},
		{Name: "status", Type: String, Path: []string{"status"}}, {Name: "merchant_id", Type: String, Path: []string{"merchant_id"}},
		{Name: "country", Type: String, Path: []string{"country"}}, {Name: "device_id", Type: String, Path: []string{"device_id"}},
	})
	value := []byte(`{"event_id":"p-00000012345","ts":1700000000123,"card_id":"c-00001234","amount":1.50,"status":"declined",` +
		`"merchant_id":"m-000123","country":"BR","device_id":"d-00012345","channel":"web","currency":"EUR","mcc":"5411","v":1}`)
	var ev Event
	if err := NewDecoder(Decl{Schema: s, Time: []string{"ts"}, ID: []string{"event_id"}}).Decode(value, &ev); err != nil {
		t.Fatal(err)
	}
	ev.Offset = 1_000_000
	if n := len(AppendEvent(nil, &ev, Packing{Omit: 1})); len(value) < 200 || n >= 70 {
		t.Errorf("%d bytes of JSON take %d bytes, want less than 70", len(value), n)
	}
}

func TestCorruptEventsAreRefused(t *testing.T) {
	for _, ev := range packed() {
		whole := AppendEvent(nil, &ev, Packing{})
		for n := range whole {
			var got Event
			if _, err := NewBulk(1).Decode(ev.Schema, whole[:n], Packing{}); err == nil {
				t.Errorf("a bulk took the first %d bytes of %d for an event", n, len(whole))
			}
			if _, err := DecodeEvent(ev.Schema, whole[:n], &got, Packing{}); err == nil {
				t.Errorf("the first %d bytes of %d were taken for an event", n, len(whole))
			}
		}
		for _, head := range []byte{0, 0x20, formatEvent | 8} {
			var got Event
			bad := append([]byte{head}, whole[1:]...)
			if _, err := DecodeEvent(ev.Schema, bad, &got, Packing{}); err == nil {
				t.Errorf("head %#x was taken", head)
			}
		}
	}
}

func FuzzDecodeEvent(f *testing.F) {
	for _, ev := range packed() {
		f.Add(AppendEvent(nil, &ev, Packing{}))
	}
	s := payment().Schema
	f.Fuzz(func(t *testing.T, buf []byte) {
		var ev, again Event
		if _, err := DecodeEvent(s, buf, &ev, Packing{}); err != nil {
			return
		}
		if _, err := DecodeEvent(s, AppendEvent(nil, &ev, Packing{}), &again, Packing{}); err != nil || !reflect.DeepEqual(ev, again) {
			t.Errorf("got %+v, %v, want %+v", again, err, ev)
		}
	})
}

func FuzzUUID(f *testing.F) {
	f.Add("0b9f3c1e-75d4-4a52-9a2f-00ff10ee5a01")
	f.Fuzz(func(t *testing.T, s string) {
		p, ok := packUUID(s)
		if text := unpackUUID(string(p[:])); ok && string(text[:]) != s {
			t.Errorf("%q became %q", s, text)
		}
	})
}

func TestValueRoundTripAndOrder(t *testing.T) {
	values := []Value{{}, StringOf(""), StringOf("a"), StringOf("b"), IntOf(-5), IntOf(7), DoubleOf(-1.5), DoubleOf(2), BoolOf(false), BoolOf(true),
		TimestampOf(-1), TimestampOf(5), DecimalOf(-150, 2), DecimalOf(12, 2), ListOf(nil), ListOf([]string{"a"}), ListOf([]string{"a", "b"}),
		ListOf([]string{"b"}), DurationOf(0), DurationOf(9)}
	seen := map[string]bool{}
	for _, v := range values {
		buf := AppendValue(nil, v)
		seen[string(buf)] = true
		got, rest, err := DecodeValue(append(buf, 'x'))
		if err != nil || got != v || string(rest) != "x" {
			t.Errorf("%v: got %v, rest %q, %v", v, got, rest, err)
		}
		for n := range buf {
			if _, _, err := DecodeValue(buf[:n]); err == nil {
				t.Errorf("the first %d bytes of %v were taken", n, v)
			}
		}
	}
	if len(seen) != len(values) {
		t.Errorf("%d values have %d forms", len(values), len(seen))
	}
	shuffled := slices.Clone(values)
	slices.Reverse(shuffled)
	slices.SortFunc(shuffled, CompareValues)
	if !slices.Equal(shuffled, values) {
		t.Errorf("got order %v", shuffled)
	}
}

func FuzzDecodeValue(f *testing.F) {
	f.Add(AppendValue(nil, ListOf([]string{"a", "b"})))
	f.Add(AppendValue(nil, DecimalOf(5, 2)))
	f.Fuzz(func(t *testing.T, buf []byte) {
		v, _, err := DecodeValue(buf)
		if err != nil {
			return
		}
		form := AppendValue(nil, v)
		if again, rest, err := DecodeValue(bytes.Clone(form)); err != nil || len(rest) != 0 || again != v {
			t.Errorf("%v became %v, %v", v, again, err)
		}
	})
}

func TestFingerprintTellsSchemasApart(t *testing.T) {
	base := func() []Field { return slices.Clone(payment().Schema.Fields) }
	one := NewSchema("payment", base()).Fingerprint()
	if NewSchema("payment", base()).Fingerprint() != one {
		t.Error("equal schemas differ")
	}
	scale, name := base(), base()
	scale[1].Scale, name[2].Name = 3, "state"
	for i, s := range []*Schema{NewSchema("payments", base()), NewSchema("payment", scale), NewSchema("payment", name), NewSchema("payment", base()[1:])} {
		if s.Fingerprint() == one {
			t.Errorf("schema %d has the fingerprint of another", i)
		}
	}
}

func BenchmarkEventRoundTrip(b *testing.B) {
	ev := packed()[0]
	var buf []byte
	var got Event
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendEvent(buf[:0], &ev, Packing{})
		if _, err := DecodeEvent(ev.Schema, buf, &got, Packing{}); err != nil {
			b.Fatal(err)
		}
	}
}
