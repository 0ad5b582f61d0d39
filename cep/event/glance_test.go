package event_test

import (
	"testing"

	"github.com/caltrop/caltrop/cep/event"
)

// TestGlance: of each set of fields a glance reads what a whole reading gives,
// and nothing else; of an event of an earlier revision it reads all.
func TestGlance(t *testing.T) {
	fields := []event.Field{{Name: "s", Type: event.String}, {Name: "n", Type: event.Int}, {Name: "d", Type: event.Double},
		{Name: "b", Type: event.Bool}, {Name: "t", Type: event.Timestamp}, {Name: "m", Type: event.Decimal, Scale: 2},
		{Name: "l", Type: event.StringList}, {Name: "z", Type: event.String}}
	s := event.NewSchema("e", fields)
	values := []event.Value{event.StringOf("one"), event.IntOf(-300), event.DoubleOf(1.5), event.BoolOf(true),
		event.TimestampOf(77), event.DecimalOf(1999, 2), event.ListOf([]string{"a", "bc"}), event.StringOf("two")}
	for absent := range 1 << len(fields) {
		ev := &event.Event{Schema: s, Time: 90, Partition: 3, Offset: 5, ID: "id", Values: append([]event.Value(nil), values...)}
		for i := range values {
			if absent>>i&1 != 0 {
				ev.Values[i] = event.Value{}
			}
		}
		packed := event.AppendEvent(nil, ev, event.Packing{Base: 90})
		for _, g := range []*event.Glance{{}, {Fields: 1}, {Fields: 1 << 7}, {Fields: 0b01010101}, {Fields: 0b10101010}, {Fields: 0xff}} {
			var got event.Event
			if err := g.Decode(s, packed, &got, event.Packing{Base: 90}); err != nil {
				t.Fatal(err)
			}
			if got.Time != 90 || got.Schema != s || got.Offset != 5 {
				t.Fatalf("%+v", got)
			}
			for i := range values {
				if want := ev.Values[i]; g.Fields>>i&1 != 0 && got.Values[i] != want || g.Fields>>i&1 == 0 && got.Values[i].Present() {
					t.Fatalf("fields %b absent %b: field %d is %v", g.Fields, absent, i, got.Values[i])
				}
			}
		}
		for n := range packed {
			var got event.Event
			if g := (event.Glance{Fields: 0xff}); g.Decode(s, packed[:n], &got, event.Packing{Base: 90}) == nil {
				t.Fatalf("%d of %d bytes are read", n, len(packed))
			}
		}
	}
}

func TestGlanceAtAnEarlierRevision(t *testing.T) {
	first := event.NewSchema("e", []event.Field{{Name: "x", Type: event.Int}, {Name: "s", Type: event.String}})
	second := event.NewSchema("e", []event.Field{{Name: "s", Type: event.String}})
	first.Layout, second.Layout, second.Before = 1, 2, first
	p := event.Packing{Layouts: true}
	packed := event.AppendEvent(nil, &event.Event{Schema: first, Values: []event.Value{event.IntOf(4), event.StringOf("a")}}, p)
	var got event.Event
	g := event.Glance{Fields: 1}
	if err := g.Decode(second, packed, &got, p); err != nil || got.Schema != second || got.Values[0].Str() != "a" {
		t.Fatalf("%v %+v", err, got)
	}
}

func TestTag(t *testing.T) {
	for _, same := range [][2]event.Value{{event.StringOf("m17"), event.StringOf("m17")}, {event.IntOf(5), event.IntOf(5)}, {event.BoolOf(true), event.BoolOf(true)}} {
		if same[0].Tag() != same[1].Tag() {
			t.Errorf("%v", same)
		}
	}
	seen := map[uint16]bool{}
	for n := range int64(1000) {
		seen[event.IntOf(n).Tag()] = true
	}
	if len(seen) < 950 {
		t.Errorf("a thousand numbers have %d tags", len(seen))
	}
}
