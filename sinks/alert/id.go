package alert

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
)

// Tenant is the first part of every id until there are several.
const Tenant = "default"

// An Identity is what makes two alerts the same alert.
type Identity struct {
	Rule     string
	Revision int
	Key      string // as KeyText
	By       string // ByEvent, ByDeadline or ByWindow
	Evidence []Step // of `emit: all` only
}

// ByEvent names the completing event.
func ByEvent(id string) string { return id }

// ByDeadline names the deadline, in µs, that completed the match.
func ByDeadline(us int64) string { return "deadline:" + strconv.FormatInt(us, 10) }

// ByWindow names the window by its start, in µs.
func ByWindow(us int64) string { return "window:" + strconv.FormatInt(us, 10) }

// MakeID returns the first 16 bytes of SHA-256 over the identity's parts, each
// behind its length as a uvarint: tenant, rule, revision in decimal, key, what
// completed the match, then step name and event id of each evidence event.
func MakeID(i *Identity) ID {
	b := make([]byte, 0, 128)
	for _, part := range []string{Tenant, i.Rule, strconv.Itoa(i.Revision), i.Key, i.By} {
		b = appendPart(b, part)
	}
	for _, s := range i.Evidence {
		for _, e := range s.Events {
			b = appendPart(appendPart(b, s.Name), e.ID)
		}
	}
	sum := sha256.Sum256(b)
	return ID(sum[:len(ID{})])
}

func appendPart(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// String returns the id in hex, as the JSON object has it.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// ParseID reads an id in hex.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != hex.EncodedLen(len(id)) {
		return id, fmt.Errorf("an alert id has %d hex digits, not %d", hex.EncodedLen(len(id)), len(s))
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return id, fmt.Errorf("reading alert id %q: %w", s, err)
	}
	return id, nil
}
