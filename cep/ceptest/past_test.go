package ceptest_test

import (
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/match"
	"github.com/caltrop/caltrop/cep/profile"
	"github.com/caltrop/caltrop/cep/prog"
)

var _ match.Knowing = (*engine)(nil)

// A past keeps the profiles that a rule reads, for each key of a run. As with
// evaluators, two of each take turns.
type past struct {
	rule      *prog.Rule
	histories [][2]*profile.History
	states    [][][]byte // by profile, by key
	turn      int
	key       int
	now       int64
	tables    map[string]*expr.Table
}

func newPast(rule *prog.Rule, tables map[string]*expr.Table, keys int) *past {
	p := &past{rule: rule, tables: tables}
	for _, one := range rule.Profiles {
		p.histories = append(p.histories, [2]*profile.History{profile.New(one), profile.New(one)})
		p.states = append(p.states, make([][]byte, keys))
	}
	return p
}

// at says what the next evaluation is of.
func (p *past) at(key int, now int64) { p.key, p.now = key, now }

// add gives the event to the profiles, after the rule.
func (p *past) add(key int, ev *event.Event) {
	for i, one := range p.rule.Profiles {
		if one.Stream != ev.Schema || ev.Values[one.Key[0]] != event.StringOf(caseKey) {
			continue
		}
		p.turn ^= 1
		if next, _, taken, _ := p.histories[i][p.turn].Add(p.states[i][key], ev, nil); taken {
			p.states[i][key] = slices.Clone(next)
		}
	}
}

func (e *engine) Facts() *expr.Facts { return &expr.Facts{Lists: e.past.tables, Profiles: e.past} }

func (p *past) open(i int) *profile.History {
	p.turn ^= 1
	h := p.histories[i][p.turn]
	h.Open(p.states[i][p.key], p.now, nil)
	return h
}

func (p *past) Value(i, value int) (event.Value, bool) { return p.open(i).Value(value) }

func (p *past) List(i, value int) ([]event.Value, bool) { return p.open(i).List(value) }
