package enginetest

import (
	"fmt"
	"testing"

	"github.com/caltrop/caltrop/engine/state"
	"github.com/caltrop/caltrop/engine/task"
)

// TestMemoryOfAKey holds the promise of the state's size: a key with one open
// run of one 200-byte event takes at most 150 bytes, of three at most 300,
// evidence included; a key without runs takes none once the lateness is over.
func TestMemoryOfAKey(t *testing.T) {
	memoryOfAKey(t, 150, "1.25")
	memoryOfAKey(t, 300, "1.25", "2.50", "3.75")
}

func memoryOfAKey(t *testing.T, perKeyMax int, amounts ...string) {
	t.Helper()
	const keys = 10_000
	lib, err := NewLibrary(benchStream)
	if err != nil {
		t.Fatal(err)
	}
	if err := lib.Add(1, fmt.Sprintf(benchRule, 0)); err != nil {
		t.Fatal(err)
	}
	store := state.NewMemory()
	tk := task.New(task.Config{Sources: []task.Source{{Stream: "payment"}}, Resolver: lib, State: store})
	var eff task.Effects
	if err := tk.Apply(task.Entry{Kind: task.Switch, Set: lib.Set(task.Ref{Name: "card-testing-0", Revision: 1})}, &eff); err != nil {
		t.Fatal(err)
	}
	offset := int64(0)
	read := func(key int, amount string, at int64) {
		value := fmt.Appendf(nil, `{"event_id":"e%09d","ts":%d,"card":"card-%06d","amount":%s,"status":"declined","shop":"m-%04d","channel":"ecom","terminal":"t-%06d","note":"nothing that a rule reads"}`,
			offset, at, key, amount, key%5000, key)
		if err := tk.Step(&task.Record{Offset: offset, SourceOffset: offset, Value: value}, &eff); err != nil {
			t.Fatal(err)
		}
		offset++
		eff.Reset()
	}
	for _, amount := range amounts {
		for key := range keys {
			read(key, amount, scriptStart+offset/100)
		}
	}
	for key := range keys {
		read(keys+key, "40.00", scriptStart+offset/100)
	}
	read(0, "40.00", scriptStart+60_000+offset/100) // everything before is past the watermark
	if store.Len() != keys || tk.Held() != 1 {
		t.Errorf("%d records and %d held events, want one a key with a run, %d, and 1", store.Len(), tk.Held(), keys)
	}
	if per := store.Bytes() / keys; per > perKeyMax {
		t.Errorf("a key with an open run of %d events takes %d bytes, want at most %d", len(amounts), per, perKeyMax)
	} else {
		t.Logf("%d bytes a key with an open run of %d events", per, len(amounts))
	}
	for i := range 40 * keys { // past the rule's window a step now and then looks at a few records
		read(2*keys+i, "40.00", scriptStart+2_000_000+int64(i))
	}
	if store.Len() != 0 {
		t.Errorf("%d records are left after the window", store.Len())
	}
}
