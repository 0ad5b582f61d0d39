package event

import (
	"encoding/binary"
	"math/bits"
)

// A kind is what a JSON value is.
type kind uint8

const (
	absent kind = iota
	isNull
	isTrue
	isFalse
	isNumber
	isString
	isArray
	isObject
)

func (k kind) String() string {
	switch k {
	case isNull:
		return "null"
	case isTrue, isFalse:
		return "bool"
	case isNumber:
		return "number"
	case isString:
		return "string"
	case isArray:
		return "array"
	case isObject:
		return "object"
	}
	return "nothing"
}

// A token is a value in a record: of a text what is between the quotes, of
// anything else all of it.
type token struct {
	kind     kind
	escaped  bool // a text with backslashes
	from, to int
}

// A scanner finds the values that a plan wants, in one pass that keeps nothing
// of the rest. Of the rest it checks how values nest and where they end, not
// how numbers and escapes are written.
type scanner struct {
	plan    plan
	b       []byte
	tokens  []token // by leaf, of the values that are there and not null
	found   []int   // their leaves, in the order of the record
	texts   int     // length of those that are texts, as they are written
	members int     // of the top object
	name    []byte  // of a member with escapes
	passed  token   // the last value that nobody wants
}

// failed is the place of a scan that met text that is no JSON.
const failed = -1

// scan reads a record and returns what kind of value it is; false when it is
// not one JSON value nested at most DepthMax deep.
func (s *scanner) scan(b []byte) (kind, bool) {
	if len(s.tokens) != s.plan.leaves {
		s.tokens = make([]token, s.plan.leaves)
	}
	for _, leaf := range s.found {
		s.tokens[leaf].kind = absent
	}
	s.found, s.texts = s.found[:0], 0
	s.plan.record++
	s.b = b
	i := space(b, 0)
	t := token{kind: isObject}
	if i < len(b) && b[i] == '{' {
		i = s.object(&s.plan.root, i+1, 1)
	} else {
		i = s.value(&t, i, 1)
	}
	return t.kind, i != failed && space(b, i) == len(b)
}

func space(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// object reads the members of a wanted object, from behind its brace.
func (s *scanner) object(o *object, i, depth int) int {
	b := s.b
	s.members = 0
	if i = space(b, i); i < len(b) && b[i] == '}' {
		return i + 1
	}
	guess := &o.first
	for count := 1; ; count++ {
		if i = space(b, i); i >= len(b) || b[i] != '"' {
			return failed
		}
		m := *guess
		if i++; m != nil && m.stands(b[i:]) {
			i += len(m.text)
		} else if m, i = s.memberAt(o, i); i == failed {
			return failed
		} else if m.text != "" {
			*guess = m
		}
		guess = &m.next
		if i = s.take(m, space(b, i), depth+1); i == failed {
			return failed
		}
		if i = space(b, i); i >= len(b) {
			return failed
		}
		switch b[i] {
		case ',':
			i++
		case '}':
			s.members = count
			return i + 1
		default:
			return failed
		}
	}
}

// memberAt reads a name, from behind its quote, and the colon, and finds the
// name's member.
func (s *scanner) memberAt(o *object, i int) (*member, int) {
	from := i
	end, escaped := text(s.b, i)
	if end == failed {
		return nil, failed
	}
	if i = space(s.b, end+1); i >= len(s.b) || s.b[i] != ':' {
		return nil, failed
	}
	if !escaped {
		return o.learn(s.b[from:end]), i + 1
	}
	s.name = unescape(s.name[:0], s.b[from:end])
	if m := o.members[string(s.name)]; m != nil {
		return m, i + 1
	}
	return &o.other, i + 1
}

// take reads the value of a member and keeps it when it is wanted.
func (s *scanner) take(m *member, i, depth int) int {
	if m.record == s.plan.record || m.leaf == noLeaf && m.inside == nil {
		return s.value(&s.passed, i, depth)
	}
	m.record = s.plan.record
	if m.leaf == noLeaf {
		return s.enter(m, &s.passed, i, depth)
	}
	t := &s.tokens[m.leaf]
	i = s.enter(m, t, i, depth)
	if t.kind == isNull {
		t.kind = absent
		return i
	}
	s.found = append(s.found, m.leaf)
	if t.kind == isString {
		s.texts += t.to - t.from
	}
	return i
}

// enter reads the value of a member; of an object what is wanted inside.
func (s *scanner) enter(m *member, t *token, i, depth int) int {
	if m.inside == nil || i >= len(s.b) || s.b[i] != '{' {
		return s.value(t, i, depth)
	}
	if depth > DepthMax {
		return failed
	}
	t.kind, t.from = isObject, i
	t.to = s.object(m.inside, i+1, depth)
	return t.to
}

// value reads any value.
func (s *scanner) value(t *token, i, depth int) int {
	b := s.b
	if i >= len(b) || depth > DepthMax {
		return failed
	}
	t.from = i
	switch b[i] {
	case '"':
		t.kind, t.from = isString, i+1
		if t.to, t.escaped = text(b, i+1); t.to == failed {
			return failed
		}
		return t.to + 1
	case '{':
		t.kind, t.to = isObject, s.passOver(i+1, depth)
	case '[':
		t.kind, t.to = isArray, s.items(i+1, depth)
	case 't':
		t.kind, t.to = isTrue, literal(b, i, "true")
	case 'f':
		t.kind, t.to = isFalse, literal(b, i, "false")
	case 'n':
		if t.kind, t.to = isNull, literal(b, i, "null"); t.to == failed {
			t.kind, t.to = isNumber, digitsEnd(b, i)
		}
	default:
		t.kind, t.to = isNumber, digitsEnd(b, i)
	}
	return t.to
}

func literal(b []byte, i int, word string) int {
	if len(b)-i >= len(word) && string(b[i:i+len(word)]) == word {
		return i + len(word)
	}
	return failed
}

// passOver passes over the members of an object nobody wants anything of.
func (s *scanner) passOver(i, depth int) int {
	b := s.b
	if i = space(b, i); i < len(b) && b[i] == '}' {
		return i + 1
	}
	var t token
	for {
		if i = space(b, i); i >= len(b) || b[i] != '"' {
			return failed
		}
		if i, _ = text(b, i+1); i == failed {
			return failed
		}
		if i = space(b, i+1); i >= len(b) || b[i] != ':' {
			return failed
		}
		if i = s.value(&t, space(b, i+1), depth+1); i == failed {
			return failed
		}
		if i = space(b, i); i < len(b) && b[i] == '}' {
			return i + 1
		}
		if i >= len(b) || b[i] != ',' {
			return failed
		}
		i++
	}
}

// items passes over the items of an array.
func (s *scanner) items(i, depth int) int {
	b := s.b
	if i = space(b, i); i < len(b) && b[i] == ']' {
		return i + 1
	}
	var t token
	for {
		if i = s.value(&t, space(b, i), depth+1); i == failed {
			return failed
		}
		if i = space(b, i); i < len(b) && b[i] == ']' {
			return i + 1
		}
		if i >= len(b) || b[i] != ',' {
			return failed
		}
		i++
	}
}

// digitsEnd returns the end of what stands in the place of a number: a run of
// the characters that numbers are written with, or a word for what is none,
// which some producers write. Whether it is a number is asked where it is
// wanted.
func digitsEnd(b []byte, i int) int {
	from := i
	for i < len(b) && numeric[b[i]] {
		i++
	}
	if i == len(b) || i > from+1 || i == from+1 && b[from] != '-' && b[from] != '+' {
		return i
	}
	if len(b)-i >= 3 {
		switch string([]byte{b[i] | 0x20, b[i+1] | 0x20, b[i+2] | 0x20}) {
		case "nan", "inf":
			return i + 3
		}
	}
	return failed
}

// numeric tells the characters that numbers are written with.
var numeric = [256]bool{'0': true, '1': true, '2': true, '3': true, '4': true, '5': true, '6': true, '7': true,
	'8': true, '9': true, '.': true, '-': true, '+': true, 'e': true, 'E': true}

// Eight bytes at a time: a byte of x that is zero has its high bit set in
// (x - ones) &^ x & highs, and the lowest one set is right. (H. Warren,
// "Hacker's Delight", 6-1.)
const (
	ones    = 0x0101010101010101
	highs   = 0x8080808080808080
	quotes  = '"' * ones
	slashes = '\\' * ones
)

// text returns the place of the quote that ends a text, and whether a
// backslash comes before it.
func text(b []byte, i int) (end int, escaped bool) {
	for i+8 <= len(b) {
		w := binary.LittleEndian.Uint64(b[i:])
		q, s := w^quotes, w^slashes
		hit := ((q-ones)&^q | (s-ones)&^s) & highs
		if hit == 0 {
			i += 8
			continue
		}
		if i += bits.TrailingZeros64(hit) / 8; b[i] == '"' {
			return i, escaped
		}
		escaped = true
		i += 2
	}
	for ; i < len(b); i++ {
		switch b[i] {
		case '"':
			return i, escaped
		case '\\':
			escaped = true
			i++
		}
	}
	return failed, escaped
}
