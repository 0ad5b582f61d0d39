package expr

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"cel.dev/cel-go/common/ast"

	"github.com/caltrop/caltrop/cep/event"
)

// A generator writes random well-typed expressions.
type generator struct {
	*rand.Rand
	vars map[string][]string // variables of macros in sight, by type
	next int
}

func (g *generator) pick(s ...string) string { return s[g.IntN(len(s))] }

// an is a random expression of a type: bool, int, double, string, time, dur,
// or a list of one of the first four.
func (g *generator) an(typ string, depth int) string {
	if vars := g.vars[typ]; len(vars) > 0 && g.IntN(3) == 0 {
		return g.pick(vars...)
	}
	if depth <= 0 {
		return g.leaf(typ)
	}
	x := func(t string) string { return g.an(t, depth-1) }
	if g.IntN(12) == 0 {
		return fmt.Sprintf("(%s ? %s : %s)", x("bool"), x(typ), x(typ))
	}
	switch typ {
	case "bool":
		return g.condition(depth)
	case "int":
		return g.integer(x)
	case "double":
		return g.number(x)
	case "string":
		return g.text(x)
	case "time":
		return g.pick("("+x("time")+" + "+x("dur")+")", "("+x("time")+" - "+x("dur")+")", g.leaf(typ))
	case "dur":
		return g.pick("("+x("time")+" - "+x("time")+")", "("+x("dur")+" + "+x("dur")+")", "("+x("dur")+" - "+x("dur")+")", g.leaf(typ))
	}
	return g.list(strings.TrimPrefix(typ, "list "), depth)
}

func (g *generator) leaf(typ string) string {
	switch typ {
	case "bool":
		return g.pick("true", "false", "card_present", "has(fee)", "has(device_id)", "has(probe)", "has(prev)")
	case "int":
		return g.pick("0", "1", "-1", "2", "7", "9223372036854775807", "items", "items", "count(probe)", "sum(probe.items)", "time.getMinutes()")
	case "double":
		return g.pick("0.0", "1.5", "-2.25", "1e300", "amount", "amount", "rate", "rate", "fee", "hit.amount", "hit.fee", "prev.amount",
			"avg(probe.amount)", "sum(probe.fee)", "max(probe.rate)", "last(probe.amount)", "stddev(probe.amount)", "probe.amount[0]")
	case "string":
		return g.pick(`""`, `"a"`, `"declined"`, `"ä€"`, "status", "device_id", "prev.device_id", "hit.status", "tags[0]", "first(probe.device_id)")
	case "time":
		return g.pick("time", "opened", "hit.time", "prev.time", `timestamp("2026-01-01T00:00:00Z")`, "max(probe.time)")
	case "dur":
		return g.pick(`duration("0s")`, `duration("90m")`, `duration("-1.5s")`, "(time - opened)", "(time - hit.time)")
	case "list double":
		return g.pick("probe.amount", "probe.fee", "probe.rate", "[1.0, 2.5]", "[amount, fee]")
	case "list string":
		return g.pick("tags", "probe.status", "probe.device_id", `["a", "declined"]`, "[status, device_id]",
			`["a", "b", "c", "d", "e", "f", "g", "declined"]`)
	case "list int":
		return g.pick("probe.items", "[1, 2, 3]", "[items, 0]")
	}
	return g.pick("probe.card_present", "[true, false]", "[card_present]")
}

func (g *generator) condition(depth int) string {
	x := func(t string) string { return g.an(t, depth-1) }
	t := g.pick("int", "double", "string", "time", "dur", "bool")
	elem := g.pick("int", "double", "string", "bool")
	switch g.IntN(13) {
	case 0, 1:
		return "(" + x("bool") + " && " + x("bool") + ")"
	case 2, 3:
		return "(" + x("bool") + " || " + x("bool") + ")"
	case 4:
		return "!" + x("bool")
	case 5, 6, 7, 8:
		return "(" + x(t) + " " + g.pick("<", "<=", ">", ">=", "==", "!=") + " " + x(t) + ")"
	case 9:
		return "(" + x(elem) + " in " + x("list "+elem) + ")"
	case 10:
		return x("string") + "." + g.pick("contains", "startsWith", "endsWith") + "(" + x("string") + ")"
	case 11:
		return "(" + x("list "+elem) + " " + g.pick("==", "!=") + " " + x("list "+elem) + ")"
	}
	return g.macro(x("list "+elem), elem, "bool", depth, g.pick("exists", "all", "exists_one"))
}

// macro calls list.name(v, body) with a body that may use v.
func (g *generator) macro(list, elem, body string, depth int, name string) string {
	g.next++
	v := fmt.Sprintf("v%d", g.next)
	g.vars[elem] = append(g.vars[elem], v)
	b := g.an(body, depth-1)
	g.vars[elem] = g.vars[elem][:len(g.vars[elem])-1]
	return fmt.Sprintf("%s.%s(%s, %s)", list, name, v, b)
}

func (g *generator) integer(x func(string) string) string {
	switch g.IntN(9) {
	case 0:
		return "size(" + x("string") + ")"
	case 1:
		return "size(" + x("list "+g.pick("int", "double", "string")) + ")"
	case 2:
		return g.pick("sum", "min", "max", "first", "last") + "(" + x("list int") + ")"
	case 3:
		return g.pick("count", "distinct") + "(" + x("list "+g.pick("int", "double", "string", "bool")) + ")"
	case 4:
		return "int(" + x("double") + ")"
	case 5:
		return x("list int") + "[" + x("int") + "]"
	}
	return "(" + x("int") + " " + g.pick("+", "-", "*", "/", "%") + " " + x("int") + ")"
}

func (g *generator) number(x func(string) string) string {
	switch g.IntN(10) {
	case 0:
		return "double(" + x("int") + ")"
	case 1:
		return g.pick("sum", "avg", "min", "max", "stddev", "first", "last") + "(" + x("list double") + ")"
	case 2:
		return "avg(" + x("list int") + ")"
	case 3:
		return g.pick("seconds", "minutes", "hours") + "(" + x("dur") + ")"
	case 4:
		return "geo.km(" + x("double") + ", lon, lat, " + x("double") + ")"
	case 5:
		return g.pick("math.abs", "math.ceil", "math.trunc", "-") + "(" + x("double") + ")"
	case 6:
		return "math.greatest(" + x("double") + ", " + x("double") + ")"
	}
	return "(" + x("double") + " " + g.pick("+", "-", "*", "/") + " " + x("double") + ")"
}

func (g *generator) text(x func(string) string) string {
	switch g.IntN(6) {
	case 0:
		return "string(" + x(g.pick("int", "bool")) + ")"
	case 1:
		return x("string") + "." + g.pick("upperAscii()", "trim()", "reverse()", "substring(1)", "charAt(0)")
	case 2:
		return x("list string") + "[" + g.pick("0", "1", "-1", "9") + "]"
	case 3:
		return x("list string") + `.join(",")`
	}
	return "(" + x("string") + " + " + x("string") + ")"
}

func (g *generator) list(elem string, depth int) string {
	x := func(t string) string { return g.an(t, depth-1) }
	of := "list " + elem
	switch g.IntN(5) {
	case 0:
		return g.macro(x(of), elem, "bool", depth, "filter")
	case 1:
		from := g.pick("int", "double", "string")
		return g.macro(x("list "+from), from, elem, depth, "map")
	case 2:
		return "(" + x(of) + " + " + x(of) + ")"
	case 3:
		return "[" + x(elem) + ", " + x(elem) + "]"
	}
	return g.leaf(of)
}

// frame makes random events: missing optional fields, NaN, extremes, empty
// steps, no previous event.
func (g *generator) frame() *Frame {
	f := &Frame{Event: g.event(), Match: steps{0: {g.event()}, 1: g.events(), 2: nil}}
	if g.IntN(3) > 0 {
		f.Prev = g.event()
	}
	return f
}

func (g *generator) events() []*event.Event {
	list := make([]*event.Event, g.IntN(4))
	for i := range list {
		list[i] = g.event()
	}
	return list
}

func (g *generator) event() *event.Event {
	ev := pay(g.Int64N(4e9), g.Int64N(100000)-200)
	ev.Values[1] = event.DoubleOf([]float64{0, math.Copysign(0, -1), 1.5, -2.25, math.NaN(), math.Inf(1), 1e300}[g.IntN(7)])
	ev.Values[2] = event.IntOf([]int64{0, 1, 3, -7, math.MaxInt64, math.MinInt64}[g.IntN(6)])
	ev.Values[3] = event.StringOf(g.pick("", "a", "declined", "ä€"))
	ev.Values[4] = event.BoolOf(g.IntN(2) == 0)
	ev.Values[6] = event.ListOf([]string{"a", "", "declined"}[:g.IntN(4)])
	if g.IntN(2) == 0 {
		ev.Values[7] = event.StringOf(g.pick("a", "declined"))
	}
	if g.IntN(2) == 0 {
		ev.Values[8] = event.DecimalOf(g.Int64N(1000), 2)
	}
	return ev
}

// both compiles src to closures and to cel-go's program; nil when it has no
// closures.
func both(t testing.TB, src string) (closures, oracle *Program) {
	t.Helper()
	parsed, iss := caltrop.env.Parse(src)
	if iss.Err() != nil {
		t.Fatalf("%s: %v", src, iss.Err())
	}
	tree := parsed.NativeRep()
	r := newResolver(where(), newSource(src, 0, tree.SourceInfo()), tree.SourceInfo())
	r.walk(tree.Expr())
	if len(r.errs) > 0 {
		t.Fatalf("%s: %v", src, r.errs)
	}
	checked, errs := (&check{tree: tree, src: r.src, data: r.data}).run()
	if len(errs) > 0 {
		t.Fatalf("%s: %v", src, errs)
	}
	a := &assembler{checked: checked, data: make(map[string]*datum)}
	for _, d := range r.data {
		a.data[d.ident()] = d
	}
	oracle = &Program{}
	if err := interpret(oracle, ast.Copy(checked), r.data); err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	if a.node(checked.Expr()); a.giveUp {
		return nil, oracle
	}
	closures, err := assemble(checked, r.data, false)
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	return closures, oracle
}

func same(a, b event.Value) bool {
	if a.Type() == event.Double && b.Type() == event.Double && a.Double() != a.Double() {
		return b.Double() != b.Double()
	}
	return a == b
}

// compareSeed checks one random expression on framesPerCase random frames and
// reports whether it had closures.
func compareSeed(t testing.TB, seed uint64) bool {
	const framesPerCase = 4
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 1)), vars: make(map[string][]string)}
	src := g.an(g.pick("bool", "bool", "bool", "int", "double", "string", "time", "dur"), 1+g.IntN(4))
	closures, oracle := both(t, src)
	if closures == nil {
		return false
	}
	for range framesPerCase {
		f := g.frame()
		want, wok := oracle.Eval(f)
		got, ok := closures.Eval(f)
		if ok != wok || ok && !same(got, want) {
			t.Errorf("seed %d: %s\nevent %v\nprev %v\nmatch %v\n got %v, %v\nwant %v, %v", seed, src, f.Event, f.Prev, f.Match, got, ok, want, wok)
		}
	}
	return true
}

// TestClosuresEqualCEL: a closure's value or error is cel-go's.
func TestClosuresEqualCEL(t *testing.T) {
	const cases = 20_000
	compiled := 0
	for seed := range uint64(cases) {
		if compareSeed(t, seed) {
			compiled++
		}
		if t.Failed() {
			return
		}
	}
	if compiled < cases*9/10 {
		t.Errorf("only %d of %d expressions had closures", compiled, cases)
	}
}

func FuzzClosuresEqualCEL(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { compareSeed(t, seed) })
}
