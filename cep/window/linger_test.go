package window

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/caltrop/caltrop/cep/match"
)

// Conditions of which a part is false for long, and false of fewer events if it
// is of more.
var lingering = []string{
	"most > 19.8 && n > 2",
	"n > 60 && most > 5",
	"total > 550",
	"least < 1 && odd > 3",
	"(odd > 15 && most > 19) || n >= 70",
	"40 <= n && last > 6",
	"ratio > 1.5 || (ratio > 0.5 && n > 30)", // ratio is 1, or no number
}

// Rows that linger change nothing of what is raised, and nothing of the window
// once they have left.
func TestRowsMayLinger(t *testing.T) {
	for _, having := range lingering {
		t.Run(having, func(t *testing.T) {
			rule, raised, behind := flat(t, having), 0, 0
			for seed := range uint64(8) {
				events := 0
				amount := func(i int, cents int64) int64 {
					if seed >= 5 && i/70%2 == 1 { // what leaves lessened the sum
						return -cents
					}
					return cents
				}
				quick, slow := newRolling(newRule(rule)), newRolling(newRule(rule))
				hurry(slow)
				raised += runBoth(t, seed, quick, slow, amount, func(short, long *memory) bool {
					if quick.ring.n > slow.ring.n {
						behind++
					}
					if events++; events%8 > 0 {
						return true
					}
					return settled(quick, short) == settled(slow, long)
				})
			}
			if raised < 4 || behind < 100 {
				t.Errorf("%d alerts; after %d events rows lingered", raised, behind)
			}
		})
	}
}

// settled says what a window is once all that is over has left it.
func settled(of *rolling, m *memory) string {
	r := newRolling(of.rule)
	copied := memory{state: slices.Clone(m.state), pages: maps.Clone(m.pages)}
	if !r.load([]byte("a-key"), &copied, true) {
		return ""
	}
	var out match.Output
	r.slide(r.ring.last, r.Limits.WindowEvents, &out)
	r.results()
	g := r.ring
	return fmt.Sprint(g.n, g.first, g.last, g.held, g.lost, r.aggs, len(r.latest(min(g.n, r.kept))), out.Stats)
}

func TestWhatLetsRowsLinger(t *testing.T) {
	for having, want := range map[string][]stays{
		"most > 19.8 && n > 2":         {{ever: true, columns: []int{1}}, {ever: true}},
		"total > 550.0":                {{ever: true, rising: true, columns: []int{0}}},
		"least < 1 || 3 < odd":         {{ever: true, columns: []int{2}}},
		"most < 5":                     {{}},
		"n > 2 && last > 5":            {{ever: true}, {}},
		"total > most":                 {{}},
		"n > 2 && n % 2 == 0":          {{ever: true}, {}},
		"n > 2 || time.getHours() > 2": {{}},
		"(n > 2) == false":             {{}},
		"ratio > 0.5":                  {{ever: true, columns: []int{5}}},
	} {
		r := newRolling(newRule(flat(t, having)))
		var got []stays
		for _, d := range r.denials {
			got = append(got, d.stays)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", having, got, want)
		}
	}
}
