package expr

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
)

// bounded is a random condition made of comparisons of few terms with few
// constants, so that contradictions are frequent.
func (g *generator) bounded(depth int) string {
	if depth > 0 {
		switch g.IntN(6) {
		case 0, 1, 2:
			return "(" + g.bounded(depth-1) + " && " + g.bounded(depth-1) + ")"
		case 3:
			return "(" + g.bounded(depth-1) + " || " + g.bounded(depth-1) + ")"
		case 4:
			return "!" + g.bounded(depth-1)
		}
	}
	op := g.pick("<", "<=", ">", ">=", "==", "!=")
	switch g.IntN(8) {
	case 0:
		return fmt.Sprintf("(items %s %s)", op, g.pick("0", "1", "3", "-7"))
	case 1:
		return fmt.Sprintf("(%s %s rate)", g.pick("0.0", "1.5", "-2.25"), op)
	case 2:
		return fmt.Sprintf("(status %s %s)", op, g.pick(`""`, `"a"`, `"declined"`))
	case 3:
		return g.pick("card_present", "has(device_id)", `(device_id == "a")`, `(device_id != "a")`)
	case 4:
		return "(status " + `in ["a", ` + g.pick(`"declined"`, `""`) + "])"
	case 5:
		return fmt.Sprintf("(count(probe) %s %s)", op, g.pick("0", "1", "2", "3"))
	case 6:
		return fmt.Sprintf("(rate %s amount)", op)
	}
	return fmt.Sprintf("(double(items) %s %s)", op, g.pick("0.5", "1.0", "3.0"))
}

// TestVerdictsAreCertain: what a verdict says of a condition is so for every
// event, and contradictions are found.
func TestVerdictsAreCertain(t *testing.T) {
	const cases, frames = 6_000, 8
	never, always := 0, 0
	for seed := range uint64(cases) {
		g := &generator{Rand: rand.New(rand.NewPCG(seed, 2)), vars: make(map[string][]string)}
		src := g.bounded(3)
		if seed%2 == 0 {
			src = g.an("bool", 3)
		}
		p, errs := Compile(src, event.Bool, where())
		if p == nil {
			if len(errs) == 0 {
				t.Fatalf("seed %d: %s: no error", seed, src)
			}
			continue // over the limit of cost
		}
		for range frames {
			truth, ok := p.Holds(g.frame())
			if v := p.Verdict; v.Never && truth || v.Always && (!truth || !ok) {
				t.Fatalf("seed %d: %s: %+v, and it is %v, %v", seed, src, v, truth, ok)
			}
		}
		if p.Verdict.Never {
			never++
		}
		if p.Verdict.Always {
			always++
		}
	}
	if never < cases/100 || always < cases/200 {
		t.Errorf("%d conditions never hold, %d always: the test tests nothing", never, always)
	}
}
