package event

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
		i = space(b, i)
		m := *guess
		if m != nil && m.stands(b[i:]) {
			i += len(m.text)
		} else if m, i = s.memberAt(o, i); i == failed {
			return failed
		} else if m.text != "" {
			*guess = m
		}
		guess = &m.next
		i = space(b, i)
		if m.record == s.plan.record || m.leaf == noLeaf && m.inside == nil {
			i = s.pass(i, depth+1)
		} else {
			i = s.take(m, i, depth+1)
		}
		if i == failed {
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

// memberAt reads a name and the colon, and finds the name's member.
func (s *scanner) memberAt(o *object, i int) (*member, int) {
	b := s.b
	if i >= len(b) || b[i] != '"' {
		return nil, failed
	}
	r := o.recently(b[i+1:])
	if m := *r; m != nil && m.stands(b[i:]) {
		return m, i + len(m.text)
	}
	from := i + 1
	end, escaped := text(b, from)
	if end == failed {
		return nil, failed
	}
	if i = space(b, end+1); i >= len(b) || b[i] != ':' {
		return nil, failed
	}
	if !escaped {
		m := o.learn(b[from:end])
		if m.text != "" {
			*r = m
		}
		return m, i + 1
	}
	s.name = unescape(s.name[:0], b[from:end])
	if m := o.members[string(s.name)]; m != nil {
		return m, i + 1
	}
	return &o.other, i + 1
}

// take reads the value of a member that is wanted, or has such members, and
// keeps it.
func (s *scanner) take(m *member, i, depth int) int {
	m.record = s.plan.record
	if m.leaf == noLeaf {
		return s.enter(m, &s.passed, i, depth)
	}
	t := &s.tokens[m.leaf]
	if m.inside == nil {
		i = s.value(t, i, depth)
	} else {
		i = s.enter(m, t, i, depth)
	}
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

// enter reads the value of a member of which members are wanted.
func (s *scanner) enter(m *member, t *token, i, depth int) int {
	if i >= len(s.b) || s.b[i] != '{' {
		return s.value(t, i, depth)
	}
	if depth > DepthMax {
		return failed
	}
	t.kind, t.from = isObject, i
	t.to = s.object(m.inside, i+1, depth)
	return t.to
}

// pass reads a value that nobody wants: of a short text or number no more than
// its end.
func (s *scanner) pass(i, depth int) int {
	b := s.b
	if len(b)-i <= wordBytes+1 || depth > DepthMax {
		return s.value(&s.passed, i, depth)
	}
	switch c := b[i]; {
	case c == '"':
		if at := i + 1 + firstOf(marks(wordAt(b, i+1))); b[at] == '"' {
			return at + 1
		}
	case c-'0' <= 9 || c == '-':
		if n := firstOf(pastNumber(wordAt(b, i))); n > 1 && n < wordBytes && !numeric[b[i+n]] {
			return i + n
		}
	}
	return s.value(&s.passed, i, depth)
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
		if len(b)-i > wordBytes+1 {
			if end := i + 1 + firstOf(marks(wordAt(b, i+1))); b[end] == '"' {
				t.to, t.escaped = end, false
				return end + 1
			}
		}
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
	for i+wordBytes <= len(b) {
		n := firstOf(pastNumber(wordAt(b, i)))
		if i += n; n < wordBytes {
			break
		}
	}
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

// text returns the place of the quote that ends a text, and whether a
// backslash comes before it.
func text(b []byte, i int) (end int, escaped bool) {
	for i+wordBytes <= len(b) {
		n := firstOf(marks(wordAt(b, i)))
		if i += n; n == wordBytes {
			continue
		}
		if b[i] == '"' {
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
