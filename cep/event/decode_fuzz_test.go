package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// seedRecords are records with what is hard to read: names that stand twice or
// with escapes, halves of surrogates, numbers at bounds, depth, bad text.
func seedRecords() [][]byte {
	extras := []string{
		"", `"status":"x","tries":4,"score":1e-7,"online":false,"tags":[],`, `"status":"\u00e9\ud83d\ude00",`, `"stat\u0075s":"x","status":"y",`,
		`"status":"\ud83d","merchant":"\ude00\ud83d","tags":["\ud83d\u0041","\q","\u12"],`, `"status":"\ud83dA\n\/\\\"",`,
		`"card":7,"card":{"country":"BR"},`, `"card":{"country":null,"country":"BR"},`, `"card":{"co\u0075ntry":"BR","x":{}},`, `"card":[{"country":1}],`,
		`"tries":9223372036854775807,`, `"tries":-9223372036854775808,`, `"tries":9223372036854775808,`, `"tries":-0,`, `"tries":1e2,`, `"tries":1.0,`,
		`"score":-0,`, `"score":0.1,`, `"score":123456789012345678,`, `"score":9007199254740993,`, `"score":1e400,`, `"score":5e-324,`, `"score":-inf,`, `"score":1.,`,
		`"score":0000.1,`, `"score":.5,`, `"score":-,`, `"amount":"12.30",`, `"amount":"1\u0032",`, `"amount":92233720368547758.07,`, `"amount":0.001,`,
		`"opened":"2026-02-30T00:00:00Z",`, `"opened":"2026-01-01T01:00:00.1234569+01:00",`, `"opened":"2024-02-29T23:59:59.999999999Z",`, `"opened":1.7e12,`,
		`"opened":"0001-01-01T00:00:00Z",`, `"opened":"9999-12-31T23:59:60Z",`, `"opened":"2026-01-01T00:00:00.Z",`, `"opened":"20 6-01-01T00:00:00Z",`,
		`"other":nan,`, `"other":01,`, `"other":tru,`, `"other":{"a":[1,{"b":null}],"c":{}},`, `"other":[1,],`, `"other":{,},`, `"a":"\`, "\"a\":\"\t\x01\",",
		`"status":"` + strings.Repeat("é", 40) + `",`, strings.Repeat(" ", 9) + `"status" : "x" ,` + "\r\n\t", `"status":"` + strings.Repeat(`\n`, 20) + `",`,
		`"other":` + strings.Repeat("[", 299) + strings.Repeat("]", 299) + ",", `"other":` + strings.Repeat(`{"a":`, 300) + "1" + strings.Repeat("}", 300) + ",",
	}
	records := [][]byte{nil, []byte("{}"), []byte("[1]"), []byte(` {"ts":1e400} `), []byte(`{"a":1}x`), []byte("\"\xff\"")}
	for _, extra := range extras {
		records = append(records, record(extra))
	}
	return records
}

// FuzzDecode compares with a decoder that reads the long way: the same records
// are refused, for the same reason, and the others are read alike, whatever
// the decoder has read before. What encoding/json accepts is no bad JSON.
func FuzzDecode(f *testing.F) {
	for _, r := range seedRecords() {
		f.Add(r)
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		d := NewDecoder(payment())
		compareDecoders(t, d, value)
		compareDecoders(t, d, record(`"status":"x","other":1,`))
		compareDecoders(t, d, value)
	})
}

func compareDecoders(t *testing.T, d *Decoder, value []byte) {
	t.Helper()
	decl := payment()
	got, want := Event{Values: []Value{StringOf("left over"), IntOf(1)}}, Event{}
	err := d.Decode(slices.Clone(value), &got)
	fault := new(reference).decode(&decl, slices.Clone(value), &want)
	if fault != nil {
		if f, ok := err.(*Fault); !ok || *f != *fault {
			t.Fatalf("%q: got %v, want %v", value, err, fault)
		}
		if fault.Reason == BadJSON && utf8.Valid(value) && json.Valid(value) && !tooDeep(value) {
			t.Errorf("%q: is JSON", value)
		}
		return
	}
	want.Schema = got.Schema // the reference has one of its own
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%q: got %+v, %v, want %+v", value, got, err, want)
	}
	compareMembers(t, value, &got)
}

func tooDeep(value []byte) bool {
	return bytes.Count(value, []byte("["))+bytes.Count(value, []byte("{")) >= DepthMax
}

// compareMembers compares with what encoding/json finds, where no name stands
// twice: there it takes the last one and we the first.
func compareMembers(t *testing.T, value []byte, ev *Event) {
	var members map[string]json.RawMessage
	s := string(value)
	if strings.Contains(s, `\`) || strings.Count(s, "score") > 1 || strings.Count(s, "tries") > 1 || json.Unmarshal(value, &members) != nil {
		return
	}
	var score *float64
	if json.Unmarshal(members["score"], &score) == nil && score != nil && ev.Values[5] != DoubleOf(*score) {
		t.Errorf("score of %s: got %v, want %v", value, ev.Values[5].Double(), *score)
	}
	var tries *int64
	if json.Unmarshal(members["tries"], &tries) == nil && tries != nil && ev.Values[4] != IntOf(*tries) {
		t.Errorf("tries of %s: got %v, want %v", value, ev.Values[4].Int(), *tries)
	}
}

// Records that differ from good ones by a few bytes, under one decoder.
func TestDecodeDamagedRecords(t *testing.T) {
	seeds := seedRecords()
	d := NewDecoder(payment())
	pieces := []string{`"`, `\`, `{`, `}`, `[`, `]`, `,`, `:`, ` `, `1`, `0`, `-`, `.`, `e`, `null`, `nan`, `\u`, `d83d`, `"status":`, "\xff", "\n"}
	r := rand.New(rand.NewPCG(7, 7))
	for range 30_000 {
		value := slices.Clone(seeds[r.IntN(len(seeds))])
		for range r.IntN(4) {
			at := r.IntN(len(value) + 1)
			end := min(len(value), at+r.IntN(3))
			value = slices.Concat(value[:at], []byte(pieces[r.IntN(len(pieces))]), value[end:])
		}
		compareDecoders(t, d, value)
	}
}

// Numbers of every length and place of the point are read as the long way
// reads them.
func TestPlainNumbersAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for range 200_000 {
		text := make([]byte, 0, 24)
		for range 1 + r.IntN(21) {
			text = append(text, "00112233445566778899.-:/"[r.IntN(24)])
		}
		for scale := range 8 {
			got, reason := exact(text, scale, scale%2 == 0)
			if want, why := exactSlow(text, scale, scale%2 == 0); got != want || reason != why {
				t.Fatalf("%s at scale %d: got %d %q, want %d %q", text, scale, got, reason, want, why)
			}
		}
		compareShort(t, text)
		got, reason := doubleOf(text)
		if want, why := doubleSlow(text); got != want || reason != why {
			t.Fatalf("%s: got %v %q, want %v %q", text, got, reason, want, why)
		}
	}
}

// compareShort compares what is read at once of a number in the middle of a record.
func compareShort(t *testing.T, text []byte) {
	if len(text) > wordBytes {
		return
	}
	n, digits, ok := shortNumber(wordAt(append(slices.Clone(text), `,"a":1.5`...), 0), len(text))
	m, places, plain := plainNumber(text)
	if plain = plain && text[0] != '-'; ok != plain || ok && (n != m || digits != places) {
		t.Fatalf("%s: got %d, %d, %v, want %d, %d, %v", text, n, digits, ok, m, places, plain)
	}
}

// Decoding takes no memory of its own per event, whatever the order of members.
func TestDecodeAllocatesNothing(t *testing.T) {
	lines := NewLineDecoder([]Decl{payment()})
	d := NewDecoder(payment())
	var records [][]byte
	for i := range 7 {
		members := []string{`"status":"declined"`, `"score":0.25`, fmt.Sprintf(`"x%d":{"a":[1,2,"x"]}`, i), `"opened":"2026-01-01T01:00:00.5Z"`, `"tries":3`, `"stream":"payment"`}
		r := rand.New(rand.NewPCG(uint64(i), 0))
		r.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
		records = append(records, record(strings.Join(members, ",")+","))
	}
	var ev Event
	i := 0
	allocs := testing.AllocsPerRun(10_000, func() {
		i++
		if err := d.Decode(records[i%len(records)], &ev); err != nil {
			t.Fatal(err)
		}
		if err := lines.Decode(records[i%len(records)], &ev); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations an event", allocs)
	}
}

// An event that is kept does not hold on to the texts of others.
func TestOwnIsTheSameEvent(t *testing.T) {
	var ev Event
	if err := NewDecoder(payment()).Decode(record(`"status":"declined","tags":["a"],`), &ev); err != nil {
		t.Fatal(err)
	}
	before := Event{Schema: ev.Schema, ID: ev.ID, Time: ev.Time, Values: slices.Clone(ev.Values)}
	ev.Own()
	if !reflect.DeepEqual(ev, before) {
		t.Errorf("got %+v, want %+v", ev, before)
	}
}
