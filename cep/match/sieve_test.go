package match_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/match"
)

// A guard is an evaluator with nothing but conditions.
type guard struct {
	match.Evaluator
	conditions []*expr.Program
	always     bool
}

func (g *guard) Guards(*event.Schema) ([]*expr.Program, bool) { return g.conditions, !g.always }

var sieveSchema = event.NewSchema("e", []event.Field{
	{Name: "s", Type: event.String}, {Name: "t", Type: event.String, Optional: true}, {Name: "n", Type: event.Int},
	{Name: "d", Type: event.Double, Optional: true}, {Name: "m", Type: event.Decimal, Scale: 2},
})

func randomCondition(rng *rand.Rand) string {
	comparisons := []string{"==", "<", "<=", ">", ">=", "!="}
	one := func() string {
		op := comparisons[rng.IntN(len(comparisons))]
		switch rng.IntN(7) {
		case 0:
			return fmt.Sprintf(`s == "v%d"`, rng.IntN(9))
		case 1:
			return fmt.Sprintf(`"v%d" == t`, rng.IntN(3))
		case 2:
			return fmt.Sprintf("n %s %d", op, rng.IntN(5))
		case 3:
			return fmt.Sprintf("d %s %d.5", op, rng.IntN(5))
		case 4:
			return fmt.Sprintf("%d %s m", rng.IntN(5), op)
		case 5:
			return fmt.Sprintf("(d > 2.0 || n == %d)", rng.IntN(5))
		}
		return "has(t)"
	}
	parts := []string{one()}
	for rng.IntN(2) == 0 {
		parts = append(parts, one())
	}
	return strings.Join(parts, " && ")
}

func randomEvent(rng *rand.Rand) *event.Event {
	ev := &event.Event{Schema: sieveSchema, Values: []event.Value{
		event.StringOf(fmt.Sprintf("v%d", rng.IntN(9))), {}, event.IntOf(int64(rng.IntN(5))), {}, event.DecimalOf(int64(rng.IntN(500)), 2)}}
	if rng.IntN(2) == 0 {
		ev.Values[1] = event.StringOf(fmt.Sprintf("v%d", rng.IntN(3)))
	}
	if rng.IntN(2) == 0 {
		ev.Values[3] = event.DoubleOf(float64(rng.IntN(10)) / 2)
	}
	return ev
}

// What a sieve keeps back has only conditions that are false, and none that
// ends in an error; what it lets through comes in order.
func TestSieveKeepsBackOnlyWhatCannotMatter(t *testing.T) {
	kept := 0
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 7))
		var evaluators []match.Evaluator
		for range 1 + rng.IntN(100) {
			g := &guard{always: rng.IntN(50) == 0}
			for range rng.IntN(3) {
				p, errs := expr.Compile(randomCondition(rng), event.Bool, &expr.Scope{Event: sieveSchema})
				if p == nil {
					t.Fatal(errs)
				}
				g.conditions = append(g.conditions, p)
			}
			evaluators = append(evaluators, g)
		}
		sieve := match.NewSieve(sieveSchema, evaluators)
		for range 200 {
			ev := randomEvent(rng)
			passed, last := map[int]bool{}, -1
			set := sieve.Pass(ev)
			for i := match.NextMember(set); i >= 0; i = match.NextMember(set) {
				if i <= last {
					t.Fatalf("seed %d: member %d after %d", seed, i, last)
				}
				passed[i], last = true, i
			}
			for i, e := range evaluators {
				if passed[i] {
					continue
				}
				kept++
				g := e.(*guard)
				for _, c := range g.conditions {
					if truth, ok := c.Holds(&expr.Frame{Event: ev}); g.always || truth || !ok {
						t.Fatalf("seed %d: %q kept back from %v: %v, %v", seed, c.Text, ev.Values, truth, ok)
					}
				}
			}
		}
	}
	if kept < 100_000 {
		t.Errorf("kept back %d times only", kept)
	}
}
