package expr

import (
	"testing"

	"github.com/caltrop/caltrop/cep/event"
)

func TestPartsOfACondition(t *testing.T) {
	scope := &Scope{At: true, Values: []Named{{Name: "n", Type: event.Int}, {Name: "total", Type: event.Double}}, Window: &WindowAggs{}}
	p, errs := Compile(`n >= 3 && (total > 5.0 || n > 9) && total / double(n) > 1.0`, event.Bool, scope)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if len(p.Parts) != 3 {
		t.Fatalf("%d parts", len(p.Parts))
	}
	for _, c := range []struct {
		values []event.Value
		denies [3]bool
	}{
		{[]event.Value{event.IntOf(2), event.DoubleOf(6)}, [3]bool{true, false, false}},
		{[]event.Value{event.IntOf(4), event.DoubleOf(2)}, [3]bool{false, true, true}},
		{[]event.Value{event.IntOf(4), event.DoubleOf(6)}, [3]bool{}},
		{[]event.Value{event.IntOf(4), {}}, [3]bool{}}, // an error denies nothing
	} {
		f := &Frame{Values: c.values}
		for i := range p.Parts {
			if got := p.Parts[i].Denies(f); got != c.denies[i] {
				t.Errorf("part %d of %v denies: got %v, want %v", i, c.values, got, c.denies[i])
			}
			if truth, ok := p.Holds(f); c.denies[i] && (truth || !ok) {
				t.Errorf("part %d of %v denies, the whole is %v, %v", i, c.values, truth, ok)
			}
		}
	}
	if got := p.Parts[1].Values; len(got) != 2 {
		t.Errorf("part 1 reads %v", got)
	}
}
