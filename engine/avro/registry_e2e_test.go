//go:build e2e

package avro_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/engine/avro"
	library "github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/sr"
)

// TestARealRegistry registers schemas as a writer does, one that evolves and one
// that refers to another, and reads what is written with them by their ids.
func TestARealRegistry(t *testing.T) {
	address := os.Getenv("E2E_REGISTRY")
	if address == "" {
		t.Fatal("E2E_REGISTRY is not set: run by `make e2e`")
	}
	client, err := sr.NewClient(sr.URLs(address))
	if err != nil {
		t.Fatal(err)
	}
	subject := fmt.Sprintf("payments-%x", rand.Uint64())
	register := func(name, text string, refs ...sr.SchemaReference) sr.SubjectSchema {
		t.Helper()
		s, err := client.CreateSchema(t.Context(), subject+name, sr.Schema{Schema: text, References: refs})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	const first = `{"type":"record","name":"p","fields":[{"name":"ts","type":"long"},{"name":"card_id","type":"string"}]}`
	const second = `{"type":"record","name":"p","fields":[{"name":"note","type":["null","string"],"default":null},{"name":"card_id","type":"string"},{"name":"ts","type":"long"}]}`
	card := register("-card", `{"type":"record","name":"x.card","fields":[{"name":"id","type":"string"}]}`)
	ids := map[uint32]string{uint32(register("", first).ID): first, uint32(register("", second).ID): second}
	if len(ids) != 2 {
		t.Fatalf("two schemas have ids %v", ids)
	}
	refers := uint32(register("-refers", `{"type":"record","name":"q","fields":[{"name":"card","type":"x.card"}]}`,
		sr.SchemaReference{Name: "x.card", Subject: card.Subject, Version: card.Version}).ID)

	registry, err := avro.New(avro.Options{URLs: []string{address}})
	if err != nil {
		t.Fatal(err)
	}
	dec := event.NewAvroDecoder(event.Decl{Time: []string{"ts"}, Schema: event.NewSchema("p", []event.Field{{Name: "card_id", Type: event.String, Path: []string{"card_id"}}})})
	for id, text := range ids {
		s, err := registry.Schema(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		dec.Learn(id, s.Schema, s.Problem)
		value, err := library.MustParse(text).AppendEncode([]byte{0, byte(id >> 24), byte(id >> 16), byte(id >> 8), byte(id)},
			map[string]any{"ts": int64(1700000000000), "card_id": "c1", "note": nil})
		if err != nil {
			t.Fatal(err)
		}
		var ev event.Event
		if err := dec.Decode(value, &ev); err != nil || ev.Values[0] != event.StringOf("c1") || ev.Time != 1700000000000000 {
			t.Errorf("schema %d: %+v, %v", id, ev, err)
		}
	}
	if s, err := registry.Schema(t.Context(), refers); err != nil || s.Schema == nil || s.Schema.Fields[0].Schema.Kind != event.AvroRecord {
		t.Errorf("a schema that refers to another: %+v, %v", s, err)
	}
	if _, err := registry.Schema(t.Context(), 1<<30); !errors.Is(err, avro.ErrUnknown) {
		t.Errorf("an unknown id: %v", err)
	}
}
