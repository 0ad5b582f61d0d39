package event

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

func payment() Decl {
	s := NewSchema("payment", []Field{
		{Name: "card_id", Type: String, Path: []string{"card_id"}},
		{Name: "amount", Type: Decimal, Scale: 2, Path: []string{"amount"}},
		{Name: "status", Type: String, Path: []string{"status"}, Optional: true},
		{Name: "country", Type: String, Path: []string{"card", "country"}, Optional: true},
		{Name: "tries", Type: Int, Path: []string{"tries"}, Optional: true},
		{Name: "score", Type: Double, Path: []string{"score"}, Optional: true},
		{Name: "online", Type: Bool, Path: []string{"online"}, Optional: true},
		{Name: "tags", Type: StringList, Path: []string{"tags"}, Optional: true},
		{Name: "opened", Type: Timestamp, Path: []string{"opened"}, Optional: true},
	})
	return Decl{Schema: s, Time: []string{"ts"}, ID: []string{"event_id"}, Keys: []int{0}}
}

// record returns a good payment with extra members, which come first and so
// win over the good ones.
func record(extra string) []byte {
	return []byte("{" + extra + `"event_id":"e1","ts":1700000000000,"card_id":"c1","amount":12.3}`)
}

func TestDecodeReadsDeclaredFields(t *testing.T) {
	extra := `"card":{"country":"BR","pan":{}},"status":"a\u00e9\n","tries":3e1,"score":0.1,"online":true,` +
		`"tags":["x","y"],"opened":"2026-01-01T01:00:00.1234569+01:00","other":[[1]],`
	var ev Event
	if err := NewDecoder(payment()).Decode(record(extra), &ev); err != nil {
		t.Fatal(err)
	}
	want := []Value{StringOf("c1"), DecimalOf(1230, 2), StringOf("aé\n"), StringOf("BR"), IntOf(30), DoubleOf(0.1),
		BoolOf(true), ListOf([]string{"x", "y"}), TimestampOf(1767225600123456)}
	for i, v := range ev.Values {
		if v != want[i] {
			t.Errorf("field %s: got %v, want %v", ev.Schema.Fields[i].Name, v, want[i])
		}
	}
	if ev.ID != "e1" || ev.Time != 1700000000000000 || ev.Schema.Stream != "payment" {
		t.Errorf("got id %q, time %d, stream %s", ev.ID, ev.Time, ev.Schema.Stream)
	}
}

func TestDecodeForgetsTheEventBefore(t *testing.T) {
	d := NewDecoder(payment())
	var ev Event
	if err := d.Decode(record(`"status":"declined","tries":1,`), &ev); err != nil {
		t.Fatal(err)
	}
	status := ev.Values[2].Str()
	if err := d.Decode(record(`"tries":null,`), &ev); err != nil {
		t.Fatal(err)
	}
	if ev.Values[2].Present() || ev.Values[4].Present() {
		t.Errorf("absent fields are present: %v %v", ev.Values[2], ev.Values[4])
	}
	if status != "declined" {
		t.Errorf("text of the earlier event became %q", status)
	}
}

func TestDecodeRefuses(t *testing.T) {
	cases := []refusal{
		{"truncated", `{"ts":17000`, BadJSON, ""},
		{"empty", ``, BadJSON, ""},
		{"two values", `{} {}`, BadJSON, ""},
		{"gzip", "\x1f\x8b\x08\x00", InvalidUTF8, ""},
		{"bad utf-8 in a field", string(record("\"status\":\"\xff\",")), InvalidUTF8, ""},
		{"array", `[1]`, NotObject, ""},
		{"null", `null`, NotObject, ""},
		{"no amount", `{"event_id":"e1","ts":1700000000000,"card_id":"c1"}`, MissingField, "amount"},
		{"null amount", string(record(`"amount":null,`)), MissingField, "amount"},
		{"no key", `{"event_id":"e1","ts":1700000000000,"amount":1}`, MissingKey, "card_id"},
		{"null key", string(record(`"card_id":null,`)), MissingKey, "card_id"},
		{"key of another type", string(record(`"card_id":7,`)), WrongType, "card_id"},
		{"no id", `{"ts":1700000000000,"card_id":"c1","amount":1}`, MissingField, "event_id"},
		{"empty id", string(record(`"event_id":"",`)), MissingField, "event_id"},
		{"id an object", string(record(`"event_id":{},`)), WrongType, "event_id"},
		{"number for string", string(record(`"status":1,`)), WrongType, "status"},
		{"string for bool", string(record(`"online":"true",`)), WrongType, "online"},
		{"string for int", string(record(`"tries":"1",`)), WrongType, "tries"},
		{"fraction for int", string(record(`"tries":1.5,`)), NotInteger, "tries"},
		{"int too large", string(record(`"tries":9223372036854775808,`)), NumberRange, "tries"},
		{"int far too large", string(record(`"tries":1e999999999999,`)), NumberRange, "tries"},
		{"double too large", string(record(`"score":1e999,`)), NumberRange, "score"},
		{"nan", string(record(`"score":NaN,`)), WrongType, "score"},
		{"number with two points", string(record(`"score":1.2.3,`)), WrongType, "score"},
		{"leading zero", string(record(`"score":01,`)), WrongType, "score"},
		{"three decimals", string(record(`"amount":1.005,`)), DecimalDigits, "amount"},
		{"amount of words", string(record(`"amount":"ten",`)), WrongType, "amount"},
		{"amount too large", string(record(`"amount":92233720368547758.08,`)), NumberRange, "amount"},
		{"list of numbers", string(record(`"tags":["a",1],`)), WrongType, "tags"},
		{"string for list", string(record(`"tags":"a",`)), WrongType, "tags"},
		{"date of words", string(record(`"opened":"yesterday",`)), WrongType, "opened"},
	}
	refuse(t, cases)
	var ev Event
	if err := NewDecoder(payment()).Decode(nil, &ev); err == nil || err.(*Fault).Reason != NullValue {
		t.Errorf("no value: got %v", err)
	}
}

// T27: times that make no sense are refused, a mixed-up unit among them.
func TestT27BadTimes(t *testing.T) {
	refuse(t, []refusal{
		{"no time", `{"event_id":"e1","card_id":"c1","amount":1}`, BadTime, "ts"},
		{"time 0", string(record(`"ts":0,`)), BadTime, "ts"},
		{"time negative", string(record(`"ts":-5,`)), BadTime, "ts"},
		{"time int64 max", string(record(`"ts":9223372036854775807,`)), BadTime, "ts"},
		{"seconds for ms", string(record(`"ts":1700000000,`)), BadTime, "ts"},
		{"µs for ms", string(record(`"ts":1700000000000000,`)), BadTime, "ts"},
		{"text for ms", string(record(`"ts":"2026-01-01T00:00:00Z",`)), BadTime, "ts"},
	})
}

// T35: what one event may cost is bounded.
func TestT35LimitsOfOneEvent(t *testing.T) {
	deep := strings.Repeat("[", 1000) + strings.Repeat("]", 1000)
	var many strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&many, `"f%d":1,`, i)
	}
	refuse(t, []refusal{
		{"deep", string(record(`"x":` + deep + ",")), TooDeep, ""},
		{"10,000 fields", string(record(many.String())), TooManyFields, ""},
		{"long text", string(record(`"status":"` + strings.Repeat("a", FieldBytesMax+1) + `",`)), FieldTooLarge, "status"},
		{"long list", string(record(`"tags":["` + strings.Repeat("a", FieldBytesMax) + `","b"],`)), FieldTooLarge, "tags"},
		{"10 MB", string(record(`"x":"` + strings.Repeat("a", 10<<20) + `",`)), TooLarge, ""},
		{"1 MB key", string(record(`"card_id":"` + strings.Repeat("k", 1<<20-100) + `",`)), FieldTooLarge, "card_id"},
	})
}

func TestLargeRecordsLeaveNoScratchSpace(t *testing.T) {
	d := NewDecoder(payment())
	var ev Event
	if err := d.Decode(record(`"x":[`+strings.Repeat("1,", 400_000)+`1],"status":"ok",`), &ev); err != nil {
		t.Fatal(err)
	}
	if ev.Values[2] != StringOf("ok") || d.reader.texts.Cap() > textsBytes {
		t.Errorf("status %q, %d bytes of text kept", ev.Values[2].Str(), d.reader.texts.Cap())
	}
	if allocs := testing.AllocsPerRun(100, func() { d.Decode(record(""), &ev) }); allocs > 2 {
		t.Errorf("%v allocations for a small record", allocs)
	}
}

// A refusal is a record and why it becomes no event.
type refusal struct {
	name, value string
	reason      Reason
	field       string
}

func refuse(t *testing.T, cases []refusal) {
	t.Helper()
	d := NewDecoder(payment())
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var fault *Fault
			var ev Event
			if err := d.Decode([]byte(c.value), &ev); !errors.As(err, &fault) {
				t.Fatalf("got %v, want a fault", err)
			}
			if fault.Reason != c.reason || fault.Field != c.field {
				t.Errorf("got %v, want %s of %q", fault, c.reason, c.field)
			}
		})
	}
}

func TestDecodeTimeUnits(t *testing.T) {
	cases := []struct {
		unit, ts string
		want     int64
	}{
		{"s", "1700000000", 1700000000000000},
		{"s", "1700000000.1234569", 1700000000123456},
		{"s", "1.7e9", 1700000000000000},
		{"ms", "1700000000123", 1700000000123000},
		{"ms", "1700000000123.4567", 1700000000123456},
		{"us", "1700000000123456", 1700000000123456},
		{"us", "1700000000123456.9", 1700000000123456},
		{"ns", "1700000000123456789", 1700000000123456},
		{"ns", "1700000000123456999", 1700000000123456},
		{"rfc3339", `"2023-11-14T22:13:20.123456999Z"`, 1700000000123456},
		{"rfc3339", `"2023-11-15T00:13:20+02:00"`, 1700000000000000},
		{"rfc3339", `"2023-11-14t22:13:20.5z"`, 1700000000500000},
	}
	for _, c := range cases {
		d := payment()
		d.Unit, _ = UnitOf(c.unit)
		var ev Event
		if err := NewDecoder(d).Decode(record(`"ts":`+c.ts+`,`), &ev); err != nil || ev.Time != c.want {
			t.Errorf("%s %s: got %d, %v, want %d", c.unit, c.ts, ev.Time, err, c.want)
		}
	}
}

func TestTimestampFieldsRoundDown(t *testing.T) {
	var ev Event
	if err := NewDecoder(payment()).Decode(record(`"opened":-0.0001,`), &ev); err != nil {
		t.Fatal(err)
	}
	if got := ev.Values[8]; got != TimestampOf(-1) {
		t.Errorf("-0.1 µs: got %d, want -1", got.Int())
	}
}

func TestDecimalsAreExact(t *testing.T) {
	cases := []struct {
		text   string
		scale  uint8
		want   int64
		reason Reason
	}{
		{"0.1", 2, 10, ""}, {"0.29", 2, 29, ""}, {"1.10", 1, 11, ""}, {"-1.5", 2, -150, ""},
		{"1e2", 2, 10000, ""}, {"125e-2", 2, 125, ""}, {"0e999", 0, 0, ""}, {"0.000e-5", 2, 0, ""},
		{"92233720368547758.07", 2, math.MaxInt64, ""}, {"-92233720368547758.08", 2, math.MinInt64, ""},
		{"-92233720368547758.09", 2, 0, NumberRange}, {"0.001", 2, 0, DecimalDigits}, {"1e-3", 2, 0, DecimalDigits},
		{"1E+1", 0, 10, ""}, {"", 0, 0, WrongType}, {"-", 0, 0, WrongType}, {"1.", 0, 0, WrongType},
		{".5", 0, 0, WrongType}, {"+1", 0, 0, WrongType}, {"1e", 0, 0, WrongType}, {"0x1", 0, 0, WrongType},
	}
	for _, c := range cases {
		if got, reason := exact([]byte(c.text), int(c.scale), false); got != c.want || reason != c.reason {
			t.Errorf("%q at scale %d: got %d %q, want %d %q", c.text, c.scale, got, reason, c.want, c.reason)
		}
	}
}

func TestLinesNameTheirStream(t *testing.T) {
	other := Decl{Schema: NewSchema("login", []Field{{Name: "user", Type: String, Path: []string{"user"}}}), Time: []string{"ts"}}
	d := NewLineDecoder([]Decl{payment(), other})
	var ev Event
	if err := d.Decode([]byte(`{"stream":"login","ts":1700000000000,"user":"u"}`), &ev); err != nil || ev.Schema != other.Schema || ev.ID != "" {
		t.Errorf("login: got %+v, %v", ev, err)
	}
	if err := d.Decode(record(`"stream":"payment",`), &ev); err != nil || ev.Schema.Stream != "payment" {
		t.Errorf("payment: got %+v, %v", ev, err)
	}
	for _, line := range []string{`{"stream":"nope","ts":1}`, `{"ts":1}`, `{"stream":1}`} {
		if err := d.Decode([]byte(line), &ev); err == nil || err.(*Fault).Reason != UnknownStream {
			t.Errorf("%s: got %v", line, err)
		}
	}
}

// A name is told from its neighbours, whatever its length, where the decoder
// expects it and at the end of a record.
func TestNamesAreToldApart(t *testing.T) {
	for n := 1; n <= 40; n++ {
		name := strings.Repeat("n", n)
		d := NewDecoder(Decl{Schema: NewSchema("s", []Field{{Name: name, Type: Int, Path: []string{name}, Optional: true}}), Time: []string{"ts"}})
		others := []string{name + "n", name[1:], name + `\"`}
		for i := range n {
			others = append(others, name[:i]+"m"+name[i+1:])
		}
		for _, form := range []string{`{"%s":1,"ts":1700000000000}`, `{"ts":1700000000000,"%s":1}`, `{"%s" : 1 ,"ts" :1700000000000}`} {
			for _, other := range others {
				for _, as := range []string{name, other} {
					var ev Event
					if err := d.Decode(fmt.Appendf(nil, form, as), &ev); err != nil || ev.Values[0].Present() != (as == name) {
						t.Fatalf("%s as %s: read %v, %v", name, as, ev.Values[0].Present(), err)
					}
				}
			}
		}
	}
}

func benchRecord() []byte {
	return record(`"card":{"country":"BR","pan":"x"},"status":"declined","merchant":"m-000123","device":"d-000442","tries":3,` +
		`"channel":"web","currency":"EUR","mcc":"5411",`)
}

func BenchmarkDecode(b *testing.B) {
	d, value := NewDecoder(payment()), benchRecord()
	var ev Event
	b.SetBytes(int64(len(value)))
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Decode(value, &ev); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReference is what BenchmarkDecode is to be compared with where the
// machine is not quiet.
func BenchmarkReference(b *testing.B) {
	d, decl, value := new(reference), payment(), benchRecord()
	var ev Event
	b.SetBytes(int64(len(value)))
	for b.Loop() {
		if fault := d.decode(&decl, value, &ev); fault != nil {
			b.Fatal(fault)
		}
	}
}
