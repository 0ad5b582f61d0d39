package event

import "strconv"

// What JSON an event of a schema is made of besides its values.
type texts struct {
	stream  string   // the member, and the time up to its quote
	members []string // by field, up to the value
}

func textsOf(s *Schema) texts {
	t := texts{stream: string(AppendQuoted([]byte(`,"stream":`), s.Stream)) + `,"time":"`, members: make([]string, len(s.Fields))}
	for i := range s.Fields {
		name := s.Fields[i].Name
		if reserved(name) {
			name = "_" + name
		}
		t.members[i] = `,"` + name + `":`
	}
	return t
}

// reserved are the members every event has in evidence. A declared field of
// one of these names is written with an underscore before it, which no field
// name can have.
func reserved(name string) bool {
	switch name {
	case "id", "stream", "time", "partition", "offset":
		return true
	}
	return false
}

// The members of every event, as AppendJSON writes them.
const (
	idMember        = `{"id":`
	partitionMember = `","partition":`
	offsetMember    = `,"offset":`
)

// AppendJSON appends the event as evidence carries it: id, stream, time,
// partition, offset, then every declared field that is present, in the order
// of the schema.
func (e *Event) AppendJSON(dst []byte) []byte {
	dst = AppendQuoted(append(dst, idMember...), e.ID)
	dst = AppendTime(append(dst, e.Schema.texts.stream...), e.Time)
	dst = strconv.AppendInt(append(dst, partitionMember...), int64(e.Partition), 10)
	dst = strconv.AppendInt(append(dst, offsetMember...), e.Offset, 10)
	for i := range e.Values {
		if v := &e.Values[i]; v.Present() {
			dst = v.AppendJSON(append(dst, e.Schema.texts.members[i]...))
		}
	}
	return append(dst, '}')
}

// JSONBytes returns how many bytes AppendJSON appends.
func (e *Event) JSONBytes() int {
	n := len(idMember) + QuotedBytes(e.ID) + len(e.Schema.texts.stream) + timeBytes(e.Time) +
		len(partitionMember) + intBytes(int64(e.Partition)) + len(offsetMember) + intBytes(e.Offset) + len("}")
	for i := range e.Values {
		if v := &e.Values[i]; v.Present() {
			n += len(e.Schema.texts.members[i]) + v.jsonBytes()
		}
	}
	return n
}

func (v *Value) jsonBytes() int {
	switch v.typ {
	case String:
		return QuotedBytes(v.str)
	case Int:
		return intBytes(v.num)
	case Decimal:
		return decimalBytes(v.num, v.scale)
	}
	var room [64]byte
	return len(v.AppendJSON(room[:0]))
}

// QuotedBytes returns how many bytes AppendQuoted appends.
func QuotedBytes(s string) int {
	if plain(s) == len(s) {
		return len(s) + len(`""`)
	}
	var room [256]byte
	return len(AppendQuoted(room[:0], s))
}

func timeBytes(us int64) int {
	if us >= instantMin && us <= instantMax {
		return len(timeZeros)
	}
	var room [64]byte
	return len(AppendTime(room[:0], us))
}

func intBytes(n int64) int { return decimalBytes(n, 0) }

func decimalBytes(unscaled int64, scale uint8) int {
	sign, n := 0, uint64(unscaled)
	if unscaled < 0 {
		sign, n = 1, -n
	}
	digits := 1
	for digits < len(powers) && n >= uint64(powers[digits]) {
		digits++
	}
	if scale == 0 {
		return sign + digits
	}
	return sign + max(digits, int(scale)+1) + len(".")
}
