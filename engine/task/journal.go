package task

import (
	"encoding/json"
	"errors"
	"fmt"
)

// entryFormat is the first byte of a stored journal entry.
const entryFormat = 1

var errEntry = errors.New("not a journal entry")

// entryJSON is the stored form of an entry, after the format byte. Journal
// entries are rare, so a form that a person can read is worth its bytes.
type entryJSON struct {
	At     int64    `json:"at"`
	Seq    uint64   `json:"seq"`
	Kind   Kind     `json:"kind"`
	Now    int64    `json:"now,omitempty"`
	Stream string   `json:"stream,omitempty"`
	Set    *Set     `json:"set,omitempty"`
	Carry  []string `json:"carry,omitempty"`
	Import *Import  `json:"import,omitempty"`
}

// AppendTo encodes a numbered entry at the end of b.
func (e *Entry) AppendTo(b []byte) []byte {
	j := entryJSON{At: e.At, Seq: e.Seq, Kind: e.Kind, Now: e.Now, Stream: e.Stream, Carry: e.Carry, Import: e.Import}
	if e.Kind == Switch {
		j.Set = &e.Set
	}
	text, err := json.Marshal(j)
	if err != nil {
		panic(fmt.Sprintf("task: encoding a journal entry: %v", err)) // no field of it can fail
	}
	return append(append(b, entryFormat), text...)
}

// DecodeEntry reads what AppendTo wrote.
func DecodeEntry(b []byte) (Entry, error) {
	if len(b) == 0 || b[0] != entryFormat {
		return Entry{}, fmt.Errorf("%w: unknown format", errEntry)
	}
	var j entryJSON
	if err := json.Unmarshal(b[1:], &j); err != nil {
		return Entry{}, fmt.Errorf("%w: %w", errEntry, err)
	}
	e := Entry{At: j.At, Seq: j.Seq, Kind: j.Kind, Now: j.Now, Stream: j.Stream, Carry: j.Carry, Import: j.Import}
	if j.Set != nil {
		e.Set = *j.Set
	}
	if e.Kind < Switch || e.Kind > Imported || e.Seq == 0 || (e.Kind == Imported) != (e.Import != nil) {
		return Entry{}, fmt.Errorf("%w: kind %d, seq %d", errEntry, e.Kind, e.Seq)
	}
	return e, nil
}
