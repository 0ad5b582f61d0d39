package partitioner_test

import (
	"bufio"
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/syntax"
	"github.com/caltrop/caltrop/engine/partitioner"
)

// TestKeysGoWhereProducersSendThem reads what the producers themselves said; see
// testdata/README.md.
func TestKeysGoWhereProducersSendThem(t *testing.T) {
	for _, c := range []struct {
		file string
		of   partitioner.Func
	}{{"murmur2.txt", partitioner.Murmur2}, {"murmur2-librdkafka.txt", partitioner.Murmur2}, {"crc32-librdkafka.txt", partitioner.CRC32}} {
		file, err := os.Open("testdata/" + c.file)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		lines := 0
		for s := bufio.NewScanner(file); s.Scan(); lines++ {
			fields := strings.Fields(s.Text())
			key, err := hex.DecodeString(strings.Trim(fields[0], "-"))
			if err != nil {
				t.Fatal(err)
			}
			for i, n := range []int{1, 7, 32, 1000} {
				if got, want := c.of(key, n), fields[len(fields)-4+i]; strconv.Itoa(int(got)) != want {
					t.Errorf("%s: key %x of %d partitions: %d, want %s", c.file, key, n, got, want)
				}
			}
		}
		if lines < 30 {
			t.Errorf("%s: %d keys", c.file, lines)
		}
	}
}

func TestCheck(t *testing.T) {
	schema := event.NewSchema("s", []event.Field{{Name: "card", Type: event.String, Optional: true}, {Name: "n", Type: event.Int},
		{Name: "pan", Type: event.String, PII: event.PIIHash}, {Name: "b", Type: event.Bool}})
	ev := &event.Event{Schema: schema, Values: []event.Value{event.StringOf("abc"), event.IntOf(-2), event.StringOf("#"), event.BoolOf(true)}}
	without := &event.Event{Schema: schema, Values: []event.Value{{}, event.IntOf(-2), event.StringOf("#"), event.BoolOf(true)}}
	const abc = 4 // of 7: testdata
	at := func(key string) int32 { return partitioner.Murmur2([]byte(key), 7) }
	cases := []struct {
		name      string
		fields    []string
		key       []byte
		partition int32
		ev        *event.Event
		want      string
	}{
		{"where it belongs", []string{"card"}, []byte("abc"), abc, ev, ""},
		{"elsewhere", []string{"card"}, []byte("abc"), abc + 1, ev, partitioner.OtherPlace},
		{"without a key", []string{"card"}, nil, abc, ev, partitioner.NoKey},
		{"keyed by something else", []string{"card"}, []byte("abd"), at("abd"), ev, partitioner.OtherKey},
		{"an event without the field", []string{"card"}, []byte("abd"), at("abd"), without, ""},
		{"an int as text", []string{"n"}, []byte("-2"), at("-2"), ev, ""},
		{"an int as eight bytes", []string{"n"}, []byte("\xff\xff\xff\xff\xff\xff\xff\xfe"), at("\xff\xff\xff\xff\xff\xff\xff\xfe"), ev, ""},
		{"an int as four bytes", []string{"n"}, []byte("\xff\xff\xff\xfe"), at("\xff\xff\xff\xfe"), ev, ""},
		{"another int", []string{"n"}, []byte("-3"), at("-3"), ev, partitioner.OtherKey},
		{"a field whose text is gone", []string{"pan"}, []byte("4111"), at("4111"), ev, ""},
		{"a field of another type", []string{"b"}, []byte("yes"), at("yes"), ev, ""},
		{"two fields, in place", []string{"card", "n"}, []byte("abc/-2"), at("abc/-2"), ev, ""},
		{"two fields, elsewhere", []string{"card", "n"}, []byte("abc/-2"), at("abc/-2") + 1, ev, partitioner.OtherPlace},
	}
	for _, c := range cases {
		check := partitioner.NewCheck(&syntax.Stream{Partitioner: "murmur2", PartitionKey: c.fields}, schema, 7)
		if got := check.Of(c.partition, c.key, c.ev); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	for _, doc := range []*syntax.Stream{{Partitioner: "unknown"}, {Partitioner: "crc32"}} {
		of := map[string]int{"unknown": 7, "crc32": 0}[doc.Partitioner]
		if partitioner.NewCheck(doc, schema, of) != nil {
			t.Errorf("%s of %d partitions is checked", doc.Partitioner, of)
		}
	}
}

func TestTheFirstMisplacedRecordOfARevisionIsKept(t *testing.T) {
	var m partitioner.Misplaced
	m.Note(1, 5, "")
	m.Note(1, 6, partitioner.NoKey)
	m.Note(1, 7, partitioner.OtherPlace)
	if want := (partitioner.Misplaced{Revision: 1, Records: 2, First: 6, Why: partitioner.NoKey}); m != want {
		t.Errorf("%+v, want %+v", m, want)
	}
	if m.Note(2, 8, ""); m != (partitioner.Misplaced{Revision: 2}) {
		t.Errorf("after another revision %+v", m)
	}
}
