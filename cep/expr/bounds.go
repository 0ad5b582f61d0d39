package expr

import (
	"math"
	"slices"
)

// A bound is one demand on the value of a term: `amount > 500`. Words say it
// as a person would.
type bound struct {
	term  term
	op    relation
	value fixed
	words string
	nan   bool // it holds for what is not a number
}

// A relation compares a term with a constant.
type relation uint8

const (
	isEqual relation = iota
	isUnequal
	isLess
	isAtMost
	isMore
	isAtLeast
)

// opposite turns a relation into the one that holds where it does not.
func (r relation) opposite() relation {
	return [...]relation{isEqual: isUnequal, isUnequal: isEqual, isLess: isAtLeast, isAtMost: isMore, isMore: isAtMost, isAtLeast: isLess}[r]
}

// mirrored turns `constant r term` into `term r constant`.
func (r relation) mirrored() relation {
	return [...]relation{isEqual: isEqual, isUnequal: isUnequal, isLess: isMore, isAtMost: isAtLeast, isMore: isLess, isAtLeast: isAtMost}[r]
}

func (r relation) sign() string {
	return [...]string{isEqual: "==", isUnequal: "!=", isLess: "<", isAtMost: "<=", isMore: ">", isAtLeast: ">="}[r]
}

// A fixed value is a number, with times and durations in µs and bools as 0 and 1,
// or a text.
type fixed struct {
	number float64
	text   string
	isText bool
}

// A term is what a bound is about: equal keys mean equal values within one
// evaluation. What is known of its value beforehand is in least and most.
type term struct {
	key         string
	whole       bool // a whole number
	nan         bool // may be no number
	least, most float64
}

// unlimited is a term of which nothing is known.
func unlimited(key string) term { return term{key: key, least: math.Inf(-1), most: math.Inf(1)} }

// A span is the set of values that fulfil some bounds of one term.
type span struct {
	least, most         float64
	openLeast, openMost bool
	not                 []float64
	whole, nan          bool
	text                *string // the only text; nil: any
	notText             []string
	empty               bool
}

func newSpan(t *term) span { return span{least: t.least, most: t.most, whole: t.whole, nan: t.nan} }

// add narrows the span by one bound and reports whether anything is left.
func (s *span) add(b *bound) bool {
	s.nan = s.nan && b.nan
	if b.value.isText {
		s.addText(b)
	} else {
		s.addNumber(b.op, b.value.number)
	}
	return !s.none()
}

func (s *span) addText(b *bound) {
	switch text := b.value.text; b.op {
	case isEqual:
		s.empty = s.empty || s.text != nil && *s.text != text
		s.text = &text
	case isUnequal:
		s.notText = append(s.notText, text)
	}
}

func (s *span) addNumber(op relation, x float64) {
	if s.whole && math.Abs(x) >= exactMax {
		return // whole numbers so large are not told apart
	}
	switch op {
	case isEqual:
		s.raise(x, false)
		s.lower(x, false)
	case isUnequal:
		s.not = append(s.not, x)
	case isLess, isAtMost:
		s.lower(x, op == isLess)
	case isMore, isAtLeast:
		s.raise(x, op == isMore)
	}
}

func (s *span) raise(x float64, open bool) {
	if s.whole && open && x == math.Floor(x) {
		x, open = x+1, false
	} else if s.whole {
		x, open = math.Ceil(x), false
	}
	if x > s.least || x == s.least && open {
		s.least, s.openLeast = x, open
	}
}

func (s *span) lower(x float64, open bool) {
	if s.whole && open && x == math.Ceil(x) {
		x, open = x-1, false
	} else if s.whole {
		x, open = math.Floor(x), false
	}
	if x < s.most || x == s.most && open {
		s.most, s.openMost = x, open
	}
}

// none reports whether no value is left.
func (s *span) none() bool {
	if s.text != nil && slices.Contains(s.notText, *s.text) {
		return true
	}
	if s.empty || s.nan {
		return s.empty
	}
	for s.whole && s.least < s.most && slices.Contains(s.not, s.least) {
		s.least++
	}
	for s.whole && s.least < s.most && slices.Contains(s.not, s.most) {
		s.most--
	}
	return s.least > s.most || s.least == s.most && (s.openLeast || s.openMost || slices.Contains(s.not, s.least))
}

// conflict says which of the bounds cannot hold together, "" when all can.
func conflict(bounds []bound) string {
	spans := map[string]*span{}
	for i := range bounds {
		b := &bounds[i]
		s := spans[b.term.key]
		if s == nil {
			fresh := newSpan(&b.term)
			s = &fresh
			spans[b.term.key] = s
		}
		if !s.add(b) {
			return conflictWords(bounds[:i+1])
		}
	}
	return ""
}

// conflictWords names the last bound and, if one is enough, the other that
// contradicts it.
func conflictWords(bounds []bound) string {
	last := &bounds[len(bounds)-1]
	if alone := newSpan(&last.term); !alone.add(last) {
		return last.words + " never holds"
	}
	words := ""
	for i := range bounds[:len(bounds)-1] {
		b := &bounds[i]
		if b.term.key != last.term.key {
			continue
		}
		pair := newSpan(&last.term)
		pair.add(b)
		if !pair.add(last) {
			return b.words + " contradicts " + last.words
		}
		words += b.words + ", "
	}
	return words + last.words + " cannot hold together"
}
