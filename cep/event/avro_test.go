package event_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/engine/avro"
	library "github.com/twmb/avro"
)

// avroPayment declares what the stream reads, whatever a writer's schema is.
func avroPayment() event.Decl {
	field := func(name string, typ event.Type, path ...string) event.Field {
		if path == nil {
			path = []string{name}
		}
		return event.Field{Name: name, Type: typ, Path: path, Optional: name != "card_id"}
	}
	amount := field("amount", event.Decimal)
	amount.Scale = 2
	return event.Decl{Time: []string{"ts"}, ID: []string{"event_id"}, Keys: []int{0}, Schema: event.NewSchema("payment", []event.Field{
		field("card_id", event.String), amount, field("status", event.String), field("country", event.String, "card", "country"),
		field("tries", event.Int), field("score", event.Double), field("online", event.Bool), field("tags", event.StringList),
		field("opened", event.Timestamp),
	})}
}

const avroPlain = `{"type":"record","name":"payment","namespace":"com.example","fields":[
	{"name":"event_id","type":"string"},
	{"name":"ts","type":"long"},
	{"name":"card_id","type":"string"},
	{"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":12,"scale":2}},
	{"name":"status","type":["null",{"type":"enum","name":"status","symbols":["approved","declined"]}]},
	{"name":"card","type":["null",{"type":"record","name":"card","fields":[{"name":"pan","type":"string"},{"name":"country","type":["null","string"]},{"name":"next","type":["null","card"]}]}]},
	{"name":"spare","type":["null","com.example.card"]},
	{"name":"tries","type":"int"},
	{"name":"score","type":"float"},
	{"name":"online","type":"boolean"},
	{"name":"tags","type":{"type":"array","items":"string"}},
	{"name":"labels","type":{"type":"map","values":"long"}},
	{"name":"opened","type":{"type":"long","logicalType":"timestamp-millis"}}
]}`

func plainPayment() map[string]any {
	return map[string]any{
		"event_id": "e1", "ts": int64(1700000000000), "card_id": "c1", "amount": big.NewRat(-1230, 100), "status": "declined",
		"card":  map[string]any{"pan": "4111", "country": "BR", "next": map[string]any{"pan": "1", "country": "XX", "next": nil}},
		"spare": nil, "tries": int32(3), "score": float32(0.5), "online": true, "tags": []string{"x", "é"},
		"labels": map[string]any{"a": int64(1), "b": int64(-2)}, "opened": time.UnixMilli(1767225600123),
	}
}

// avroRecord writes a value under a schema with the id 7 before it.
func avroRecord(t testing.TB, schema string, value any) []byte {
	t.Helper()
	s, err := library.Parse(schema)
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.AppendEncode(binary.BigEndian.AppendUint32([]byte{0}, 7), value)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func avroDecoder(t testing.TB, d event.Decl, schema string) *event.AvroDecoder {
	t.Helper()
	s, err := avro.Parse(schema)
	if err != nil {
		t.Fatal(err)
	}
	dec := event.NewAvroDecoder(d)
	dec.Learn(7, s, "")
	return dec
}

func wantValues(t *testing.T, ev *event.Event, want []event.Value) {
	t.Helper()
	for i, v := range ev.Values {
		if v != want[i] {
			t.Errorf("field %s: got %v, want %v", ev.Schema.Fields[i].Name, v, want[i])
		}
	}
}

func TestAvroReadsDeclaredFields(t *testing.T) {
	dec := avroDecoder(t, avroPayment(), avroPlain)
	ev := event.Event{Values: []event.Value{event.StringOf("left over")}}
	if err := dec.Decode(avroRecord(t, avroPlain, plainPayment()), &ev); err != nil {
		t.Fatal(err)
	}
	wantValues(t, &ev, []event.Value{event.StringOf("c1"), event.DecimalOf(-1230, 2), event.StringOf("declined"), event.StringOf("BR"), event.IntOf(3),
		event.DoubleOf(0.5), event.BoolOf(true), event.ListOf([]string{"x", "é"}), event.TimestampOf(1767225600123000)})
	if ev.ID != "e1" || ev.Time != 1700000000000000 || ev.Schema.Stream != "payment" {
		t.Errorf("id %q, time %d, stream %s", ev.ID, ev.Time, ev.Schema.Stream)
	}
	bare := plainPayment()
	bare["status"], bare["card"] = nil, nil
	if err := dec.Decode(avroRecord(t, avroPlain, bare), &ev); err != nil || ev.Values[2].Present() || ev.Values[3].Present() {
		t.Errorf("null branches: %v, %v", ev.Values, err)
	}
}

// What a writer may do to its schema, and what a reader of the declared fields
// then sees.
func TestAvroSchemasEvolve(t *testing.T) {
	const head = `{"type":"record","name":"p","fields":[`
	value := map[string]any{"event_id": "e1", "ts": int64(1700000000000), "card_id": "c1"}
	with := func(more ...any) map[string]any {
		m := map[string]any{}
		for k, v := range value {
			m[k] = v
		}
		for i := 0; i < len(more); i += 2 {
			m[more[i].(string)] = more[i+1]
		}
		return m
	}
	const base = `{"name":"event_id","type":"string"},{"name":"ts","type":"long"},{"name":"card_id","type":"string"}`
	cases := []struct {
		name, fields string
		value        map[string]any
		field        int
		want         event.Value
	}{
		{"a field removed", base, value, 1, event.Value{}},
		{"fields reordered", `{"name":"tries","type":"long"},{"name":"card_id","type":"string"},{"name":"ts","type":"long"},{"name":"event_id","type":"string"}`, with("tries", int64(5)), 4, event.IntOf(5)},
		{"a field added before", `{"name":"new","type":{"type":"array","items":{"type":"map","values":"double"}}},` + base, with("new", []any{map[string]any{"a": 1.5}}), 0, event.StringOf("c1")},
		{"int to long", base + `,{"name":"tries","type":"long"}`, with("tries", int64(1)<<40), 4, event.IntOf(1 << 40)},
		{"int where a double is declared", base + `,{"name":"score","type":"int"}`, with("score", int32(7)), 5, event.DoubleOf(7)},
		{"long where a double is declared", base + `,{"name":"score","type":"long"}`, with("score", int64(-7)), 5, event.DoubleOf(-7)},
		{"float to double", base + `,{"name":"score","type":"double"}`, with("score", 0.1), 5, event.DoubleOf(0.1)},
		{"decimal of another scale", base + `,{"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":1}}`, with("amount", big.NewRat(15, 10)), 1, event.DecimalOf(150, 2)},
		{"decimal with zeros to spare", base + `,{"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":4}}`, with("amount", big.NewRat(150, 100)), 1, event.DecimalOf(150, 2)},
		{"decimal as fixed", base + `,{"name":"amount","type":{"type":"fixed","name":"f","size":12,"logicalType":"decimal","precision":20,"scale":2}}`, with("amount", big.NewRat(-150, 100)), 1, event.DecimalOf(-150, 2)},
		{"decimal as text", base + `,{"name":"amount","type":"string"}`, with("amount", "12.34"), 1, event.DecimalOf(1234, 2)},
		{"decimal as double", base + `,{"name":"amount","type":"double"}`, with("amount", 0.29), 1, event.DecimalOf(29, 2)},
		{"decimal as long", base + `,{"name":"amount","type":"long"}`, with("amount", int64(3)), 1, event.DecimalOf(300, 2)},
		{"made a union", base + `,{"name":"tries","type":["null","string","int"]}`, with("tries", int32(4)), 4, event.IntOf(4)},
		{"null of a union", base + `,{"name":"tries","type":["null","int"]}`, with("tries", nil), 4, event.Value{}},
		{"micros", base + `,{"name":"opened","type":{"type":"long","logicalType":"timestamp-micros"}}`, with("opened", time.UnixMicro(1234567)), 8, event.TimestampOf(1234567)},
		{"nanos, rounded down", base + `,{"name":"opened","type":{"type":"long","logicalType":"timestamp-nanos"}}`, with("opened", int64(1999)), 8, event.TimestampOf(1)},
		{"a date", base + `,{"name":"opened","type":{"type":"int","logicalType":"date"}}`, with("opened", int32(20000)), 8, event.TimestampOf(20000 * 86400 * 1e6)},
		{"a plain long in the stream's unit", base + `,{"name":"opened","type":"long"}`, with("opened", int64(5)), 8, event.TimestampOf(5000)},
		{"RFC 3339", base + `,{"name":"opened","type":"string"}`, with("opened", "1970-01-01T00:00:01Z"), 8, event.TimestampOf(1e6)},
		{"a list of symbols", base + `,{"name":"tags","type":{"type":"array","items":{"type":"enum","name":"e","symbols":["A","B"]}}}`, with("tags", []string{"B", "A"}), 7, event.ListOf([]string{"B", "A"})},
		{"a list in a union", base + `,{"name":"tags","type":["null",{"type":"array","items":["null","string"]}]}`, with("tags", []any{"x"}), 7, event.ListOf([]string{"x"})},
		{"a number as id", strings.Replace(base, `"event_id","type":"string"`, `"event_id","type":"long"`, 1), with("event_id", int64(77)), 0, event.StringOf("c1")},
	}
	for _, c := range cases {
		schema := head + c.fields + "]}"
		var ev event.Event
		if err := avroDecoder(t, avroPayment(), schema).Decode(avroRecord(t, schema, c.value), &ev); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if ev.Values[c.field] != c.want || ev.ID != fmt.Sprint(c.value["event_id"]) {
			t.Errorf("%s: got %v, id %q; want %v", c.name, ev.Values[c.field], ev.ID, c.want)
		}
	}
}

func TestAvroFaultsHaveTheirReason(t *testing.T) {
	const base = `{"type":"record","name":"p","fields":[{"name":"event_id","type":"string"},{"name":"ts","type":"long"},{"name":"card_id","type":["null","string"]}`
	good := func(more ...any) map[string]any {
		m := map[string]any{"event_id": "e1", "ts": int64(1700000000000), "card_id": "c1"}
		for i := 0; i < len(more); i += 2 {
			m[more[i].(string)] = more[i+1]
		}
		return m
	}
	cases := []struct {
		name, field string
		value       map[string]any
		want        event.Reason
	}{
		{"a text where an int is declared", `,{"name":"tries","type":"string"}`, good("tries", "3"), event.WrongType},
		{"a record where a text is declared", `,{"name":"status","type":{"type":"record","name":"s","fields":[]}}`, good("status", map[string]any{}), event.WrongType},
		{"a float where an int is declared", `,{"name":"tries","type":"double"}`, good("tries", 3.0), event.WrongType},
		{"an int where a bool is declared", `,{"name":"online","type":"int"}`, good("online", int32(1)), event.WrongType},
		{"bytes without a logical type", `,{"name":"amount","type":"bytes"}`, good("amount", []byte{1}), event.WrongType},
		{"bytes where a text is declared", `,{"name":"status","type":"bytes"}`, good("status", []byte("x")), event.WrongType},
		{"a list of numbers", `,{"name":"tags","type":{"type":"array","items":"int"}}`, good("tags", []int32{1}), event.WrongType},
		{"a list with a null", `,{"name":"tags","type":{"type":"array","items":["null","string"]}}`, good("tags", []any{"x", nil}), event.WrongType},
		{"a list that is a map", `,{"name":"tags","type":{"type":"map","values":"string"}}`, good("tags", map[string]any{"a": "b"}), event.WrongType},
		{"no time", `,{"name":"opened","type":"boolean"}`, good("opened", true), event.WrongType},
		{"too many digits", `,{"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":3}}`, good("amount", big.NewRat(1, 1000)), event.DecimalDigits},
		{"a decimal out of range", `,{"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":40,"scale":0}}`, good("amount", new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), 100))), event.NumberRange},
		{"a double that is no number", `,{"name":"score","type":"double"}`, good("score", math.NaN()), event.NumberRange},
		{"a time out of range", `,{"name":"opened","type":"long"}`, good("opened", int64(math.MaxInt64)), event.NumberRange},
		{"no key", "", good("card_id", nil), event.MissingKey},
		{"an empty id", "", good("event_id", ""), event.MissingField},
		{"a time before 1971", "", good("ts", int64(1700000000)), event.BadTime},
		{"a time after 9999", "", good("ts", int64(1)<<50), event.BadTime},
		{"a text over the limit", `,{"name":"status","type":"string"}`, good("status", strings.Repeat("x", event.FieldBytesMax+1)), event.FieldTooLarge},
		{"a list over the limit", `,{"name":"tags","type":{"type":"array","items":"string"}}`, good("tags", []string{strings.Repeat("x", event.FieldBytesMax), "y"}), event.FieldTooLarge},
		{"a record over the limit", `,{"name":"status","type":"string"}`, good("status", strings.Repeat("x", event.DefaultMaxBytes)), event.TooLarge},
	}
	for _, c := range cases {
		schema := base + c.field + "]}"
		var ev event.Event
		wantFault(t, c.name, avroDecoder(t, avroPayment(), schema).Decode(avroRecord(t, schema, c.value), &ev), c.want)
	}
}

func wantFault(t *testing.T, name string, err error, want event.Reason) {
	t.Helper()
	var fault *event.Fault
	if !errors.As(err, &fault) || fault.Reason != want {
		t.Errorf("%s: got %v, want reason %s", name, err, want)
	}
}

func TestAvroRecordsThatAreNone(t *testing.T) {
	dec := avroDecoder(t, avroPayment(), avroPlain)
	good := avroRecord(t, avroPlain, plainPayment())
	var ev event.Event
	cases := []struct {
		name  string
		value []byte
		want  event.Reason
	}{
		{"null", nil, event.NullValue},
		{"empty", []byte{}, event.BadMagic},
		{"JSON", []byte(`{"event_id":"e1"}`), event.BadMagic},
		{"no id", good[:4], event.BadMagic},
		{"bytes left over", append(good[:len(good):len(good)], 0), event.BadAvro},
		{"a number that does not end", append(good[:5:5], 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), event.BadAvro},
		{"a text of less than no bytes", append(good[:5:5], 1), event.BadAvro},
	}
	for _, c := range cases {
		wantFault(t, c.name, dec.Decode(c.value, &ev), c.want)
	}
	for cut := 5; cut < len(good); cut++ {
		wantFault(t, fmt.Sprintf("cut at %d of %d", cut, len(good)), dec.Decode(good[:cut], &ev), event.BadAvro)
	}
	if err := dec.Decode(good, &ev); err != nil {
		t.Errorf("afterwards a good one: %v", err)
	}
}

func TestAvroAsksForItsSchemas(t *testing.T) {
	dec := event.NewAvroDecoder(avroPayment())
	good := avroRecord(t, avroPlain, plainPayment())
	var ev event.Event
	if id, needs := dec.Needs(good); id != 7 || !needs {
		t.Errorf("needs %d, %v; want 7", id, needs)
	}
	if err := dec.Decode(good, &ev); !errors.Is(err, event.ErrSchema) {
		t.Errorf("without its schema: %v", err)
	}
	dec.Learn(7, nil, "it is Protobuf")
	if _, needs := dec.Needs(good); needs {
		t.Error("asks for what it was told")
	}
	wantFault(t, "no Avro", dec.Decode(good, &ev), event.BadSchema)
	dec.Learn(8, &event.AvroSchema{Kind: event.AvroString}, "")
	wantFault(t, "no record", dec.Decode([]byte{0, 0, 0, 0, 8, 0}, &ev), event.BadSchema)
	for id := range uint32(300) { // more than it remembers
		dec.Learn(1000+id, nil, "")
	}
	if _, needs := dec.Needs(good); !needs {
		t.Error("a decoder remembers without a bound")
	}
	for _, none := range [][]byte{nil, {0, 0, 0, 0}, []byte(`{"a":1}`)} {
		if _, needs := dec.Needs(none); needs {
			t.Errorf("%q needs a schema", none)
		}
	}
}

// Small records whose schema makes them long to read, or deep, are refused.
func TestAvroRecordsAreBounded(t *testing.T) {
	const head = `{"type":"record","name":"p","fields":[{"name":"ts","type":"long"},{"name":"x","type":`
	laughs := `{"type":"record","name":"l0","fields":[]}`
	for i := 1; i <= 9; i++ {
		var fields []string
		for j := range 10 {
			of := fmt.Sprintf("%q", fmt.Sprintf("l%d", i-1))
			if j == 0 {
				of = laughs
			}
			fields = append(fields, fmt.Sprintf(`{"name":"f%d","type":%s}`, j, of))
		}
		laughs = fmt.Sprintf(`{"type":"record","name":"l%d","fields":[%s]}`, i, strings.Join(fields, ","))
	}
	ts := binary.AppendVarint([]byte{0, 0, 0, 0, 7}, 1700000000000)
	cases := []struct {
		name, schema string
		payload      []byte
		want         event.Reason
	}{
		{"a billion values of no bytes", head + laughs + "}]}", nil, event.TooManyFields},
		{"an array of nulls without end", head + `{"type":"array","items":"null"}}]}`, binary.AppendVarint(nil, 1<<60), event.TooManyFields},
		{"a block of all numbers there are", head + `{"type":"array","items":"null"}}]}`, binary.AppendVarint(nil, math.MinInt64), event.BadAvro},
		{"a block that says it is longer", head + `{"type":"array","items":"int"}}]}`, binary.AppendVarint(binary.AppendVarint(nil, -1), 1<<40), event.BadAvro},
		{"a list of itself", head + `["null",{"type":"record","name":"n","fields":[{"name":"next","type":["null","n"]}]}]}]}`, []byte(strings.Repeat("\x02", 400)), event.TooDeep},
	}
	for _, c := range cases {
		var ev event.Event
		wantFault(t, c.name, avroDecoder(t, avroPayment(), c.schema).Decode(append(ts[:len(ts):len(ts)], c.payload...), &ev), c.want)
	}
}

func TestAvroReadsWithoutAllocation(t *testing.T) {
	dec := avroDecoder(t, avroPayment(), avroPlain)
	value := plainPayment()
	value["tags"] = []string{}
	record := avroRecord(t, avroPlain, value)
	var ev event.Event
	allocs := testing.AllocsPerRun(1000, func() {
		if err := dec.Decode(record, &ev); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 0.1 { // memory for texts, now and then
		t.Errorf("%.2f allocations a record", allocs)
	}
}
