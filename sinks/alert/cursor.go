package alert

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrUnknown says that a history has no alert of that id.
var ErrUnknown = errors.New("no such alert")

// ErrCursor says that Query.After is not the Next of any page.
var ErrCursor = errors.New("not a cursor that a page of alerts gave")

// A Position is the place of an alert in the order of a Page: At, newest
// first, then ID.
type Position struct {
	At int64
	ID ID
}

// Before reports whether p stands before q in a page.
func (p Position) Before(q Position) bool {
	if p.At != q.At {
		return p.At > q.At
	}
	return string(p.ID[:]) < string(q.ID[:])
}

const positionBytes = 8 + len(ID{})

// Cursor returns the text that asks for what stands after p.
func (p Position) Cursor() string {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, positionBytes), uint64(p.At))
	return base64.RawURLEncoding.EncodeToString(append(b, p.ID[:]...))
}

// ParseCursor reads what Cursor returned. An error matches ErrCursor.
func ParseCursor(s string) (Position, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != positionBytes {
		return Position{}, fmt.Errorf("reading %q: %w", s, ErrCursor)
	}
	return Position{At: int64(binary.BigEndian.Uint64(b)), ID: ID(b[8:])}, nil
}

// Start returns the position that the page asked for begins after, and
// whether there is one.
func (q *Query) Start() (after Position, given bool, err error) {
	if q.After == "" {
		return Position{}, false, nil
	}
	after, err = ParseCursor(q.After)
	return after, err == nil, err
}
