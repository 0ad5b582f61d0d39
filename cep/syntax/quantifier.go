package syntax

import "fmt"

// quantifier = ( "?" | "*" | "+" | "{" n [ "," [ m ] ] "}" ) { ":" flag } [ "until" name ] .
func (p *grammar) quantifier() *Quant {
	q := &Quant{Pos: p.pos()}
	switch {
	case p.take("?"):
		q.Max, q.Option = 1, true
	case p.take("*"):
		q.Max = Unbounded
	case p.take("+"):
		q.Min, q.Max = 1, Unbounded
	default:
		p.counts(q)
	}
	p.flags(q)
	if p.tok.kind == tokenName && p.tok.text == "until" {
		p.advance()
		q.untilPos = p.pos()
		q.Until = p.name("a step name after `until`")
	}
	return q
}

// counts parses {n}, {n,} or {n,m}.
func (p *grammar) counts(q *Quant) {
	open := p.tok.off
	p.advance()
	if p.tok.kind == "," {
		p.fail(p.tok.off, "a count has no lower bound", "write {0,m}")
	}
	q.Min = p.number()
	q.Max = q.Min
	if p.take(",") {
		q.Max = Unbounded
		if p.tok.kind == tokenNumber {
			q.Max = p.number()
		}
	}
	if !p.take("}") {
		if p.tok.kind == tokenEnd {
			p.fail(open, "`{` is never closed", "add `}`")
		}
		p.unexpected("`}`")
	}
}

func (p *grammar) number() int {
	n := p.tok.num
	if !p.take(tokenNumber) {
		p.unexpected("a number")
	}
	return n
}

// flags parses the flags of a quantifier and refuses those that contradict
// each other or have no meaning on it.
func (p *grammar) flags(q *Quant) {
	seen := map[string]bool{}
	for !p.failed && p.tok.kind == ":" {
		p.advance()
		t := p.tok
		if !p.take(tokenName) {
			p.unexpected("a flag (strict, any or greedy)")
			return
		}
		p.flag(q, seen, t)
	}
}

func (p *grammar) flag(q *Quant, seen map[string]bool, t token) {
	switch t.text {
	case "strict":
		q.Join = Strict
	case "any":
		q.Join = Any
	case "greedy":
		q.Greedy = true
	default:
		p.refuse(t.off, fmt.Sprintf("there is no flag `:%s`", t.text), flagHint(t.text))
		return
	}
	switch {
	case seen[t.text]:
		p.refuse(t.off, fmt.Sprintf("`:%s` is written twice", t.text), "delete one of them")
	case q.Option:
		p.refuse(t.off, fmt.Sprintf("`:%s` has no meaning on `?`", t.text), "flags say how a loop goes on; `?` is at most one event")
	case (t.text == "any" && seen["strict"]) || (t.text == "strict" && seen["any"]):
		p.refuse(t.off, "`:strict` and `:any` contradict each other", "`:strict` takes the very next event, `:any` may leave out events that it could take")
	case (t.text == "any" && seen["greedy"]) || (t.text == "greedy" && seen["any"]):
		p.refuse(t.off, "`:greedy` and `:any` contradict each other", "`:greedy` leaves no event to what follows, `:any` may leave out events that it could take")
	}
	seen[t.text] = true
}

func flagHint(name string) string {
	if s := Closest(name, []string{"strict", "any", "greedy"}); s != "" {
		return fmt.Sprintf("did you mean `:%s`?", s)
	}
	return "the flags are :strict, :any and :greedy"
}
