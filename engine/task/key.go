package task

import (
	"encoding/binary"
	"fmt"

	"github.com/caltrop/caltrop/cep/event"
)

// A keyer computes one key projection of the events of one stream, at most
// once an event for all rules that share it.
type keyer struct {
	fields []int
	salts  int                   // of a first stage: its keys end with the event's salt; else 0
	owns   func(key []byte) bool // Config.Owns
	ev     *event.Event
	ok     bool   // the event has every field, and the key is the task's
	whole  bool   // it has every field
	key    []byte // once made is true
	made   bool
}

// begin makes ev the event whose key is asked for, and reports whether it has
// one that is the task's.
func (k *keyer) begin(ev *event.Event) bool {
	whole := hasAll(ev, k.fields)
	k.ev, k.made, k.whole = ev, false, whole
	k.ok = whole && (k.owns == nil || k.owns(k.bytes()))
	return k.ok
}

// hasAll reports whether an event has every one of some fields.
func hasAll(ev *event.Event, fields []int) bool {
	for _, f := range fields {
		if f >= len(ev.Values) || !ev.Values[f].Present() {
			return false
		}
	}
	return true
}

// bytes returns the event's key, where it is ok.
func (k *keyer) bytes() []byte {
	if !k.made {
		k.key, k.made = k.key[:0], true
		k.key, _ = AppendKey(k.key, k.ev, k.fields)
		if k.salts > 0 {
			k.key = append(k.key, SaltOf(k.ev, k.ev.Offset, k.salts))
		}
	}
	return k.key
}

// AppendKey appends the run-time key of an event: the only field's text when
// that is a string; else each field in turn, a string behind its length as a
// uvarint, an int as 8 bytes, a bool as one, ordered as their values are. It
// reports false when the event lacks one of the fields.
func AppendKey(dst []byte, ev *event.Event, fields []int) ([]byte, bool) {
	for _, f := range fields {
		if f >= len(ev.Values) || !ev.Values[f].Present() {
			return dst, false
		}
		dst = appendKeyPart(dst, ev.Values[f], len(fields) == 1)
	}
	return dst, true
}

func appendKeyPart(dst []byte, v event.Value, alone bool) []byte {
	switch v.Type() {
	case event.String:
		if !alone {
			dst = binary.AppendUvarint(dst, uint64(len(v.Str())))
		}
		return append(dst, v.Str()...)
	case event.Bool:
		if v.Bool() {
			return append(dst, 1)
		}
		return append(dst, 0)
	}
	return binary.BigEndian.AppendUint64(dst, uint64(v.Int())^1<<63)
}

// ParseKey reads a key back, given the types of its fields.
func ParseKey(key []byte, types []event.Type) ([]event.Value, error) {
	values := make([]event.Value, 0, len(types))
	rest := key
	for _, typ := range types {
		v, n := parseKeyPart(rest, typ, len(types) == 1)
		if n < 0 {
			return nil, fmt.Errorf("reading a key of %d bytes: it does not hold %d fields", len(key), len(types))
		}
		values, rest = append(values, v), rest[n:]
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("reading a key of %d bytes: %d left over", len(key), len(rest))
	}
	return values, nil
}

// parseKeyPart returns the value and its width, -1 when b does not hold it.
func parseKeyPart(b []byte, typ event.Type, alone bool) (event.Value, int) {
	switch {
	case typ == event.String && alone:
		return event.StringOf(string(b)), len(b)
	case typ == event.String:
		n, w := binary.Uvarint(b)
		if w <= 0 || n > uint64(len(b)-w) {
			return event.Value{}, -1
		}
		return event.StringOf(string(b[w : w+int(n)])), w + int(n)
	case typ == event.Bool && len(b) >= 1:
		return event.BoolOf(b[0] != 0), 1
	case typ != event.Bool && len(b) >= 8:
		return event.IntOf(int64(binary.BigEndian.Uint64(b) ^ 1<<63)), 8
	}
	return event.Value{}, -1
}
