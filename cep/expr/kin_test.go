package expr

import (
	"testing"

	"github.com/caltrop/caltrop/cep/event"
)

func TestKinOfConditions(t *testing.T) {
	schema := event.NewSchema("e", []event.Field{{Name: "v", Type: event.Double}, {Name: "n", Type: event.Int}, {Name: "s", Type: event.String}, {Name: "r", Type: event.String}})
	kin := func(src string) Kin {
		p, errs := Compile(src, event.Bool, &Scope{Event: schema})
		if len(errs) > 0 {
			t.Fatalf("%s: %v", src, errs)
		}
		return p.Kin
	}
	base := kin(`v < 5.0 && s == "a"`)
	if base.Text == "" || base.Bound != 5 {
		t.Fatalf("got %+v", base)
	}
	for src, same := range map[string]bool{
		`v < 7.5 && s == "a"`:            true,
		`v < 5.0 && r == "a"`:            false,
		`s == "a" && v < 4.0`:            false, // though it is the same
		`v <= 5.0 && s == "a"`:           false,
		`v > 5.0 && s == "a"`:            false,
		`v < 5.0 && s == "b"`:            false,
		`n < 5 && s == "a"`:              false,
		`v < 5.0`:                        false,
		`v < 5.0 && s == "a" && n < 3`:   false,
		`v < 5.0 && (s == "a" || n > 2)`: false,
	} {
		if got := kin(src); (got.Text == base.Text) != same {
			t.Errorf("%s: kin %+v, of %+v", src, got, base)
		}
	}
	for _, src := range []string{`s == "a"`, `v < 5.0 || n > 2`, `n > 9007199254740993`, `v < double(n)`, `!(v < 5.0)`} {
		if got := kin(src); got.Text != "" {
			t.Errorf("%s: kin %+v, want none", src, got)
		}
	}
}
