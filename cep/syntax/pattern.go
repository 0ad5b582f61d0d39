package syntax

// An Op is the kind of a pattern Node.
type Op uint8

// The node kinds of the pattern grammar (language §3).
const (
	OpStep  Op = iota // Name, Quant
	OpNot             // Name; an element of an OpSeq
	OpSeq             // Sub elements joined by Joins
	OpAlt             // Sub branches of "|"
	OpAnd             // Sub terms of "&"
	OpGroup           // "(" Sub[0] ")" Quant
)

// A Join is the contiguity between two elements of a sequence.
type Join uint8

// The joins of language §3.
const (
	Relaxed Join = iota // ->
	Strict              // ,
	Any                 // ->>
)

// A Node is one node of a parsed pattern.
type Node struct {
	Op    Op
	Name  string  // OpStep, OpNot
	Sub   []*Node // OpSeq, OpAlt, OpAnd, OpGroup
	Joins []Join  // OpSeq: Joins[i] stands before Sub[i+1]
	Quant *Quant  // OpStep, OpGroup; nil when none is written
	Pos   Pos

	joinPos []Pos // OpSeq: where Joins[i] is written; nil in a tree made by hand
}

// Unbounded is the Max of a Quant without an upper bound.
const Unbounded = -1

// A Quant is a quantifier with its flags.
type Quant struct {
	Min, Max int  // Max is Unbounded for + * {n,}
	Option   bool // written "?"
	Join     Join // the loop's own contiguity: Relaxed, Strict or Any
	Greedy   bool
	Until    string // step name, "" when absent
	Pos      Pos

	untilPos Pos
}
