package task_test

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/syntax"
	"github.com/caltrop/caltrop/engine/state"
	"github.com/caltrop/caltrop/engine/task"
)

// registered is a resolver of one Avro stream, whose decoders know no schema.
type registered struct{}

func (registered) Resolve(set task.Set) (*task.Live, error) {
	schema := event.NewSchema("p", []event.Field{{Name: "card", Type: event.String, Path: []string{"card"}}})
	live := &task.Live{}
	for range set.Streams {
		live.Streams = append(live.Streams, task.Stream{
			Doc: &syntax.Stream{Meta: syntax.Meta{Name: "p"}}, Schema: schema,
			Decoder: event.NewAvroDecoder(event.Decl{Schema: schema, Time: []string{"ts"}, Unit: event.Micros}),
		})
	}
	return live, nil
}

func registeredTask() *task.Task {
	return task.New(task.Config{State: state.NewMemory(), Resolver: registered{}, Sources: []task.Source{{Stream: "p"}}})
}

var registeredSet = task.Entry{Kind: task.Switch, Set: task.Set{Streams: []task.Ref{{Name: "p", Revision: 1}}}}

// paid is a record of schema id at a second.
func paid(offset int64, id uint32) *task.Record {
	b := binary.BigEndian.AppendUint32([]byte{0}, id)
	b = append(binary.AppendVarint(b, at(float64(offset))), 2, 'c')
	return &task.Record{Offset: offset, SourceOffset: offset, Value: b}
}

// learn tells the task's decoder schema 1.
func learn(t *task.Task) {
	t.Decoder(0).(*event.AvroDecoder).Learn(1, &event.AvroSchema{Kind: event.AvroRecord, Fields: []event.AvroField{
		{Name: "ts", Schema: &event.AvroSchema{Kind: event.AvroLong}}, {Name: "card", Schema: &event.AvroSchema{Kind: event.AvroString}},
	}}, "")
}

// Fault 22, the unknown schema: what was judged once stays so, whatever the
// registry says later.
func TestT22AnUnknownSchemaStaysUnknown(t *testing.T) {
	live := registeredTask()
	if live.Decoder(0) != nil {
		t.Error("a decoder before the first set")
	}
	var eff task.Effects
	var journal []task.Entry
	call := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		journal = append(journal, eff.Journal...)
	}
	call(live.Apply(registeredSet, &eff))
	learn(live)
	eff.Reset()
	call(live.Step(paid(0, 1), &eff))
	eff.Reset()
	strange := paid(1, 2)
	strange.NoSchema = true
	call(live.Step(strange, &eff))
	if len(eff.Dead) != 1 || eff.Dead[0].Reason != event.UnknownSchema || len(eff.Journal) != 1 || eff.Journal[0].Kind != task.Strange {
		t.Fatalf("an unknown schema has the effects %+v", eff)
	}
	eff.Reset()
	call(live.Step(paid(2, 1), &eff))

	again := registeredTask()
	replay, err := task.Recover(again, live.Progress(), journal)
	if err != nil {
		t.Fatal(err)
	}
	learn(again)
	again.Decoder(0).(*event.AvroDecoder).Learn(2, &event.AvroSchema{Kind: event.AvroRecord}, "") // there by now
	for i, id := range []uint32{1, 2, 1} {
		if _, err := replay.Step(paid(int64(i), id)); err != nil {
			t.Fatalf("replaying record %d: %v", i, err)
		}
	}
	if !replay.Done() || again.Counts() != live.Counts() || again.Counts().Dead != 1 || again.Counts().Accepted != 2 {
		t.Errorf("the replay counts %+v, live counted %+v", again.Counts(), live.Counts())
	}
}

// A schema that nobody told is no fault of the record: the task ends, and the
// next one reads the record again.
func TestASchemaThatWasNotToldEndsTheTask(t *testing.T) {
	r := registeredTask()
	var eff task.Effects
	if err := r.Apply(registeredSet, &eff); err != nil {
		t.Fatal(err)
	}
	eff.Reset()
	if err := r.Step(paid(0, 1), &eff); !errors.Is(err, event.ErrSchema) || !eff.Empty() {
		t.Errorf("got %v and %+v, want event.ErrSchema and no effects", err, eff)
	}
}
