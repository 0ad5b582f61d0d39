package event_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/engine/avro"
	library "github.com/twmb/avro"
)

// avroFuzzed has what is hard to read: unions in any order, blocks, decimals of
// both kinds, a type that contains itself, a field that nobody reads of each.
const avroFuzzed = `{"type":"record","name":"p","fields":[
	{"name":"pass","type":{"type":"array","items":["null","long",{"type":"map","values":"bytes"}]}},
	{"name":"event_id","type":["string","long"]},
	{"name":"ts","type":["long","string"]},
	{"name":"card_id","type":["null","string",{"type":"enum","name":"e","symbols":["A","B"]}]},
	{"name":"amount","type":["double",{"type":"bytes","logicalType":"decimal","precision":30,"scale":3},{"type":"fixed","name":"f","size":9,"logicalType":"decimal","precision":20,"scale":1},"string"]},
	{"name":"card","type":["null",{"type":"record","name":"card","fields":[{"name":"country","type":["null","string","int"]},{"name":"next","type":["null","card"]}]}]},
	{"name":"tries","type":["int","long","boolean"]},
	{"name":"score","type":["float","double","long"]},
	{"name":"online","type":["boolean","null"]},
	{"name":"tags","type":["null",{"type":"array","items":["string","e"]}]},
	{"name":"opened","type":["null","long","string"]},
	{"name":"spare","type":["null","f","card"]}
]}`

func fuzzedPayments() []map[string]any {
	base := map[string]any{
		"pass": []any{nil, int64(1), map[string]any{"k": []byte{1}}}, "event_id": "e1", "ts": int64(1700000000000), "card_id": "c1", "amount": 1.25,
		"card": map[string]any{"country": "BR", "next": map[string]any{"country": int32(1), "next": nil}}, "tries": int32(3), "score": float32(0.5), "online": true,
		"tags": []any{"x", "y"}, "opened": int64(5), "spare": nil,
	}
	var all []map[string]any
	for _, change := range []map[string]any{
		{}, {"event_id": int64(7), "card_id": "A", "amount": big.NewRat(-1500, 1000), "tags": []any{"A"}, "score": math.Pi, "opened": "2026-01-01T00:00:00Z"},
		{"ts": "2026-01-01T00:00:00Z"}, {"tries": true}, {"tags": nil, "card": nil, "online": nil, "opened": nil}, {"amount": "1.50", "tries": int64(1) << 40, "score": int64(9)},
		{"card_id": nil}, {"amount": math.NaN()}, {"pass": []any{}},
	} {
		m := map[string]any{}
		for k, v := range base {
			m[k] = v
		}
		for k, v := range change {
			m[k] = v
		}
		all = append(all, m)
	}
	return all
}

// FuzzAvro compares with the library, whose values go the way of JSON: what it
// reads whole is read alike, or refused for the same reason; what it cannot read
// is no event.
func FuzzAvro(f *testing.F) {
	for _, p := range fuzzedPayments() {
		f.Add(avroRecord(f, avroFuzzed, p)[5:])
	}
	parsed, err := avro.Parse(avroFuzzed)
	if err != nil {
		f.Fatal(err)
	}
	writer := library.MustParse(avroFuzzed)
	dec := event.NewAvroDecoder(avroPayment())
	dec.Learn(7, parsed, "")
	f.Fuzz(func(t *testing.T, payload []byte) {
		got := event.Event{Values: []event.Value{event.StringOf("left over")}}
		failed := dec.Decode(append([]byte{0, 0, 0, 0, 7}, payload...), &got)
		var fault *event.Fault
		if failed != nil && !errors.As(failed, &fault) {
			t.Fatalf("%v is no fault", failed)
		}
		if bounded(fault) {
			return // before the library reads values of no bytes without end
		}
		var value any
		rest, err := writer.Decode(payload, &value)
		if err != nil || len(rest) > 0 {
			return // the library is stricter with what is passed over
		}
		line, err := json.Marshal(plainJSON(value))
		if err != nil {
			t.Fatal(err)
		}
		var want event.Event
		decl := avroPayment()
		refused := event.NewDecoder(decl).Decode(line, &want)
		switch {
		case (refused == nil) != (failed == nil):
			t.Fatalf("read as %v, the library's as %v\n%s", failed, refused, line)
		case failed == nil && (got.Time != want.Time || got.ID != want.ID || !slices.Equal(got.Values, want.Values)):
			t.Fatalf("read as %v at %d, the library's as %v at %d\n%s", got.Values, got.Time, want.Values, want.Time, line)
		}
	})
}

// bounded reports whether a record is refused for what JSON cannot show: bytes
// that are no UTF-8, and bounds that are not JSON's.
func bounded(f *event.Fault) bool {
	return f != nil && slices.Contains([]event.Reason{event.InvalidUTF8, event.TooManyFields, event.TooDeep, event.BadAvro}, f.Reason)
}

// plainJSON turns the library's values into what JSON says of them.
func plainJSON(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := map[string]any{}
		for k, x := range v {
			if k != "pass" && k != "spare" {
				m[k] = plainJSON(x)
			}
		}
		return m
	case []any:
		list := []any{}
		for _, x := range v {
			list = append(list, plainJSON(x))
		}
		return list
	case *big.Rat:
		return json.Number(v.FloatString(6))
	case float32:
		return plainJSON(float64(v))
	case float64:
		if math.IsInf(v, 0) || v != v {
			return json.Number("1e999")
		}
		return v
	case time.Time:
		return v.Format(time.RFC3339Nano)
	}
	return v
}
