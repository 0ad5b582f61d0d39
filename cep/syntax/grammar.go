package syntax

import (
	"fmt"
	"strings"
)

// Bounds of one pattern's text; a pattern beyond them is refused before it is
// built.
const (
	MaxPatternBytes = 16 << 10
	MaxPatternDepth = 50
)

// ParsePattern parses the pattern grammar of language §3. On a syntax error
// the node is nil and there is one problem for each element outside
// parentheses that has one, at the first offending token; flags that contradict
// each other are all reported and leave the node usable. What needs the whole
// rule is refused by Check.
func ParsePattern(t Text) (*Node, []Problem) {
	if len(t.Src) > MaxPatternBytes {
		return nil, []Problem{t.problem(0, fmt.Sprintf("the pattern has %d bytes; the limit is %d", len(t.Src), MaxPatternBytes), "split it into several rules")}
	}
	p := &grammar{text: t, lex: lexer{src: t.Src}}
	p.advance()
	if p.tok.kind == tokenEnd {
		return nil, []Problem{t.problem(0, "the pattern is empty", "name at least one step, as in `probe{3,} -> hit`")}
	}
	n := p.whole()
	for p.failed && p.resume() {
		n = nil
		p.whole()
	}
	if p.failed {
		n = nil
	}
	return n, p.problems
}

// A grammar is a recursive-descent parser with one token of lookahead. After
// a syntax error it stops consuming until it resumes.
type grammar struct {
	text     Text
	lex      lexer
	tok      token
	failed   bool
	resumes  int
	problems []Problem
}

// whole parses from the current token to the end of the text.
func (p *grammar) whole() *Node {
	n := p.pattern(0)
	if !p.failed && p.tok.kind != tokenEnd {
		p.unexpected("an operator")
	}
	return n
}

// resumesMax bounds how often a pattern is taken up again after an error.
const resumesMax = 20

// resume goes on after a syntax error behind the next operator that stands
// outside parentheses; false when there is none, or enough has been said.
func (p *grammar) resume() bool {
	if p.resumes++; p.resumes > resumesMax {
		return false
	}
	stopped, depth, counts := p.tok.off, 0, false
	lex := lexer{src: p.text.Src}
	for {
		t := lex.next()
		switch t.kind {
		case tokenEnd:
			return false
		case "(":
			depth++
		case ")":
			depth = max(0, depth-1)
		case "{", "}":
			counts = t.kind == "{"
		case "->", "->>", "|", ",":
			if counts = counts && t.kind == ","; !counts && depth == 0 && t.off >= stopped {
				p.lex, p.failed = lex, false
				p.advance()
				return true
			}
		}
	}
}

func (p *grammar) advance() {
	if !p.failed {
		p.tok = p.lex.next()
	}
}

// take consumes the token when it is of the kind.
func (p *grammar) take(kind string) bool {
	if p.failed || p.tok.kind != kind {
		return false
	}
	p.advance()
	return true
}

func (p *grammar) pos() Pos { return p.text.PosAt(p.tok.off) }

func (p *grammar) refuse(off int, detail, hint string) {
	p.problems = append(p.problems, p.text.problem(off, detail, hint))
}

// fail reports a syntax error, once.
func (p *grammar) fail(off int, detail, hint string) {
	if !p.failed {
		p.refuse(off, detail, hint)
	}
	p.failed = true
}

func (p *grammar) unexpected(want string) {
	off := p.tok.off
	switch p.tok.kind {
	case tokenBad:
		rest := p.text.Src[off:]
		for _, m := range mistaken {
			if strings.HasPrefix(rest, m.text) {
				p.fail(off, fmt.Sprintf("`%s` is not part of the pattern grammar", m.text), m.hint)
				return
			}
		}
		p.fail(off, fmt.Sprintf("`%s` is not part of the pattern grammar", p.tok.text), "a pattern has step names, ->  ,  ->>  |  &  !  ( )  and ? * + {n,m}")
	case tokenEnd:
		p.fail(off, "the pattern ends where "+want+" is expected", p.endHint())
	default:
		p.fail(off, fmt.Sprintf("`%s` where %s is expected", p.tok.text, want), p.strayHint())
	}
}

func (p *grammar) strayHint() string {
	switch p.tok.kind {
	case tokenName:
		if p.tok.text == "and" || p.tok.text == "or" {
			return "steps in any order are written `a & b`, alternatives `a | b`"
		}
		return joinHint
	case "!":
		return "`!x` stands alone between `->` or `,`: it takes no `&`, quantifier or parentheses"
	case ")":
		return "there are more `)` than `(`"
	case ",", "}", "{", tokenNumber:
		return "a number of times is written {n}, {n,} or {n,m}"
	case ":":
		return "flags follow a quantifier, as in `a+:strict`"
	}
	return joinHint
}

const joinHint = "join two steps with `->` (later), `,` (the very next event) or `->>` (any later)"

// endHint says what to do about a pattern that stops in the middle.
func (p *grammar) endHint() string {
	src := strings.TrimSpace(p.text.Src)
	for _, op := range []string{"->>", "->", ",", "|", "&", "!", ":", "until"} {
		if strings.HasSuffix(src, op) {
			return fmt.Sprintf("finish the pattern, or delete the last `%s`", op)
		}
	}
	return "finish the pattern"
}

// pattern = sequence { "|" sequence } .
func (p *grammar) pattern(depth int) *Node {
	n := &Node{Op: OpAlt, Pos: p.pos()}
	if depth > MaxPatternDepth {
		p.fail(p.tok.off, fmt.Sprintf("groups are nested deeper than %d", MaxPatternDepth), "leave out parentheses that change nothing")
		return n
	}
	n.Sub = append(n.Sub, p.sequence(depth))
	for p.take("|") {
		n.Sub = append(n.Sub, p.sequence(depth))
	}
	return single(n)
}

// single returns the only child of a node that has one.
func single(n *Node) *Node {
	if len(n.Sub) == 1 {
		return n.Sub[0]
	}
	return n
}

// sequence = element { ( "->" | "," | "->>" ) element } .
func (p *grammar) sequence(depth int) *Node {
	n := &Node{Op: OpSeq, Pos: p.pos()}
	n.Sub = append(n.Sub, p.element(depth))
	for {
		at := p.pos()
		join, ok := p.join()
		if !ok {
			break
		}
		n.Joins, n.joinPos = append(n.Joins, join), append(n.joinPos, at)
		n.Sub = append(n.Sub, p.element(depth))
	}
	if len(n.Sub) == 1 && n.Sub[0].Op != OpNot {
		return n.Sub[0]
	}
	return n
}

func (p *grammar) join() (Join, bool) {
	switch {
	case p.take("->"):
		return Relaxed, true
	case p.take(","):
		return Strict, true
	case p.take("->>"):
		return Any, true
	}
	return Relaxed, false
}

// element = "!" name | conjunct .
func (p *grammar) element(depth int) *Node {
	n := &Node{Op: OpNot, Pos: p.pos()}
	if !p.take("!") {
		return p.conjunct(depth)
	}
	if p.tok.kind == "(" {
		p.fail(p.tok.off, "`!` takes one step, not a group", "write `!x -> !y` to forbid both, or put the alternatives in the step's `where`")
	}
	n.Name = p.name("a step name")
	if off := p.tok.off; p.quantifierAhead() {
		p.fail(off, "`!"+n.Name+"` takes no quantifier", "an absence already means none at all")
	}
	return n
}

func (p *grammar) quantifierAhead() bool {
	switch p.tok.kind {
	case "?", "*", "+", "{":
		return !p.failed
	}
	return false
}

// conjunct = term { "&" term } .
func (p *grammar) conjunct(depth int) *Node {
	n := &Node{Op: OpAnd, Pos: p.pos()}
	n.Sub = append(n.Sub, p.term(depth))
	for p.take("&") {
		n.Sub = append(n.Sub, p.term(depth))
	}
	return single(n)
}

// term = ( name | "(" pattern ")" ) [ quantifier ] .
func (p *grammar) term(depth int) *Node {
	n := &Node{Op: OpStep, Pos: p.pos()}
	if open := p.tok.off; p.take("(") {
		n.Op = OpGroup
		n.Sub = []*Node{p.pattern(depth + 1)}
		if p.tok.kind == tokenEnd {
			p.fail(open, "`(` is never closed", "add `)`")
		}
		if !p.take(")") {
			p.unexpected("`)` or an operator")
		}
	} else {
		n.Name = p.name("a step name or `(`")
	}
	if p.quantifierAhead() {
		n.Quant = p.quantifier()
	}
	if off := p.tok.off; p.quantifierAhead() {
		p.fail(off, "a second quantifier on the same part", "put the part in parentheses: `(a{2,})?`")
	}
	return n
}

func (p *grammar) name(want string) string {
	t := p.tok
	if !p.take(tokenName) {
		p.unexpected(want)
		return ""
	}
	if t.text == "until" {
		p.fail(t.off, "`until` stands after a quantifier that has no upper bound, as in `a+ until x`", "no step may be called until")
	}
	if strings.ToLower(t.text) != t.text || t.text[0] == '_' {
		p.refuse(t.off, fmt.Sprintf("`%s` is not a step name", t.text), nameHint(t.text, fieldName, fieldNameRule))
	}
	return t.text
}
