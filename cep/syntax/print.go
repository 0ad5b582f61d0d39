package syntax

import (
	"strconv"
	"strings"
)

// Walk calls f for the node and, while f returns true, for all below it in
// the order of the text.
func (n *Node) Walk(f func(*Node) bool) {
	if !f(n) {
		return
	}
	for _, s := range n.Sub {
		s.Walk(f)
	}
}

// String prints the pattern so that ParsePattern reads the same tree back.
func (n *Node) String() string {
	var b strings.Builder
	n.print(&b)
	return b.String()
}

func (n *Node) print(b *strings.Builder) {
	switch n.Op {
	case OpStep:
		b.WriteString(n.Name)
	case OpNot:
		b.WriteString("!" + n.Name)
	case OpGroup:
		b.WriteByte('(')
		n.Sub[0].print(b)
		b.WriteByte(')')
	default:
		for i, s := range n.Sub {
			if i > 0 {
				b.WriteString(n.separator(i))
			}
			s.print(b)
		}
	}
	b.WriteString(n.Quant.String())
}

func (n *Node) separator(i int) string {
	switch n.Op {
	case OpAlt:
		return " | "
	case OpAnd:
		return " & "
	}
	if j := n.Joins[i-1]; j != Strict {
		return " " + j.String() + " "
	}
	return ", "
}

// String returns the operator of the join.
func (j Join) String() string {
	return [...]string{Relaxed: "->", Strict: ",", Any: "->>"}[j]
}

// String prints the quantifier with its flags; of nil it is empty.
func (q *Quant) String() string {
	if q == nil {
		return ""
	}
	s := q.counts()
	switch q.Join {
	case Strict:
		s += ":strict"
	case Any:
		s += ":any"
	}
	if q.Greedy {
		s += ":greedy"
	}
	if q.Until != "" {
		s += " until " + q.Until
	}
	return s
}

func (q *Quant) counts() string {
	low := strconv.Itoa(q.Min)
	switch {
	case q.Option:
		return "?"
	case q.Max == Unbounded && q.Min == 0:
		return "*"
	case q.Max == Unbounded && q.Min == 1:
		return "+"
	case q.Max == Unbounded:
		return "{" + low + ",}"
	case q.Max == q.Min:
		return "{" + low + "}"
	}
	return "{" + low + "," + strconv.Itoa(q.Max) + "}"
}

// Loops reports whether the quantifier allows more than one iteration; a nil
// one does not.
func (q *Quant) Loops() bool { return q != nil && (q.Max == Unbounded || q.Max > 1) }

// Nullable reports whether the node can match without an event. Absences
// take no event, so a sequence of nothing else is nullable.
func (n *Node) Nullable() bool {
	if n.Quant != nil && n.Quant.Min == 0 {
		return true
	}
	switch n.Op {
	case OpStep:
		return false
	case OpNot:
		return true
	case OpAlt:
		for _, s := range n.Sub {
			if s.Nullable() {
				return true
			}
		}
		return false
	}
	for _, s := range n.Sub {
		if !s.Nullable() {
			return false
		}
	}
	return true
}
