package match_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
)

// alike is a rule of one shape with others: only names and conditions differ.
func alike(limits, probe, hit string) string {
	return fmt.Sprintf("within: 60s\npattern: p{2} -> h\nlimits: {evidence: %s}\nsteps:\n  p: {stream: e, where: '%s'}\n  h: {stream: e, where: '%s'}\n", limits, probe, hit)
}

// A squad is a Cohort over one key, beside its members alone.
type squad struct {
	*match.Cohort
	sheet  *match.Sheet
	alone  []*rig
	record []byte
}

func newSquad(t *testing.T, bodies ...string) *squad {
	q := &squad{Cohort: &match.Cohort{}, alone: newRigs(t, bodies...)}
	for place, r := range q.alone {
		q.Join(match.New(r.rule), place)
	}
	q.share()
	return q
}

// share gives the evaluators in the Cohort, new ones of the same rules, a sheet.
func (q *squad) share() {
	q.sheet = match.NewSheet()
	for place, r := range q.alone {
		if r != nil {
			e := match.New(r.rule)
			e.(match.Sharing).Share(r.schema, q.sheet)
			q.Join(e, place)
		}
	}
	for _, r := range q.alone {
		if r != nil {
			q.Share(r.schema)
			return
		}
	}
}

// said steps the Cohort by an event and returns what each member says.
func (q *squad) said(ev *event.Event) []string {
	said := make([]string, len(q.alone))
	q.sheet.Begin(ev)
	defer q.sheet.End()
	record, changed, loud, ok := q.Event(q.record, ev)
	if !ok {
		return nil
	}
	if changed {
		q.record = append([]byte(nil), record...)
	}
	for _, place := range loud {
		r := *q.alone[place]
		r.out.Found, r.out.Stats = q.Said(place)
		said[place] = r.raised() + told(r.out.Found)
	}
	return said
}

// Each member of a Cohort says and remembers what it would alone, also when
// others leave it and evidence is capped.
func TestACohortIsItsMembersAlone(t *testing.T) {
	raised := 0
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 3))
		var bodies []string
		for range 1 + rng.IntN(70) {
			probe := fmt.Sprintf(`v < %d.5 && kind == "a"`, rng.IntN(6))
			switch rng.IntN(6) {
			case 0:
				probe = fmt.Sprintf(`v < %d.5 && k == "a"`, rng.IntN(6))
			case 1:
				probe = fmt.Sprintf(`kind != "b" && (v == %d.0 || v > 4.0)`, rng.IntN(6))
			}
			body := alike("4", probe, fmt.Sprintf("v >= %d.0", 2+rng.IntN(6)))
			if rng.IntN(3) == 0 {
				body += fmt.Sprintf("alert: {summary: '{{count(p)}} of {{%s(p.v)}}', measures: {n: %s(p.v)}}\n", pickAgg(rng), pickAgg(rng))
			}
			bodies = append(bodies, body)
		}
		q := newSquad(t, bodies...)
		now := int64(0)
		for i := range 80 {
			now += int64(2 + rng.IntN(9)/8*70)
			if rng.IntN(20) == 0 && len(q.alone) > 1 {
				q.lose(rng.IntN(len(q.alone)))
			}
			ev := q.any().event(now, pickKind(rng), float64(rng.IntN(9)))
			ev.ID = fmt.Sprint("e", i)
			said := q.said(ev)
			for place, r := range q.alone {
				if r == nil {
					continue
				}
				want := r.show(ev) + told(r.out.Found)
				if want != "" {
					raised++
				}
				if said[place] != want {
					t.Fatalf("seed %d, event %d, member %d of %d: says %q, alone %q", seed, i, place, len(q.alone), said[place], want)
				}
				if got, want := string(q.Member(q.record, place)), string(r.states["k1"]); got != want && got != "" {
					t.Fatalf("seed %d, event %d, member %d: remembers %q, alone %q", seed, i, place, got, want)
				}
			}
		}
	}
	if raised < 1000 {
		t.Errorf("only %d alerts", raised)
	}
}

// told is what alerts tell besides their events.
func told(found []match.Found) (all string) {
	for i := range found {
		all += fmt.Sprintln(found[i].Summary, found[i].Measures)
	}
	return all
}

func pickAgg(rng *rand.Rand) string { return [...]string{"min", "max"}[rng.IntN(2)] }

func pickKind(rng *rand.Rand) string { return string(rune('a' + rng.IntN(3))) }

func (q *squad) any() *rig {
	for _, r := range q.alone {
		if r != nil {
			return r
		}
	}
	return nil
}

// lose takes a member out, unless it is the last.
func (q *squad) lose(place int) {
	r := q.alone[place]
	if q.alone[place] = nil; r == nil || q.any() == nil {
		q.alone[place] = r
		return
	}
	record, _ := q.Without(q.record, []int{place})
	q.record = append([]byte(nil), record...)
	q.Leave([]int{place})
	q.share()
}

// An event over which a condition ends in an error changes nothing: the members
// are to be asked one by one.
func TestACohortLeavesErrorsToItsMembers(t *testing.T) {
	q := newSquad(t, alike("9", `v < 5.0`, `v > 6.0`), alike("9", `v < 4.0`, `v > 7.0`))
	ev := q.any().event(1, "a", 1)
	ev.Values[2] = event.Value{}
	if said := q.said(ev); said != nil || q.record != nil {
		t.Errorf("said %q, record %q", said, q.record)
	}
}

// What a member remembers can be put into a record and is read from it; others
// keep theirs.
func TestRecordsOfACohort(t *testing.T) {
	q := newSquad(t, alike("9", `v < 5.0`, `v > 6.0`), alike("9", `v < 4.0`, `v > 7.0`), alike("9", `v < 3.0`, `v > 7.0`))
	for place, state := range []string{"one", "two", "one"} {
		q.record = append([]byte(nil), q.Replace(q.record, place, []byte(state))...)
	}
	if got := fmt.Sprintf("%s %s %s", q.Member(q.record, 0), q.Member(q.record, 1), q.Member(q.record, 2)); got != "one two one" {
		t.Errorf("remembered %s", got)
	}
	together := len(q.record)
	if q.record = append([]byte(nil), q.Replace(q.record, 2, []byte("own"))...); len(q.record) <= together {
		t.Errorf("%d bytes for three states, %d for two", len(q.record), together)
	}
	if record, held := q.Without(q.record, []int{0, 1, 2}); !held || len(record) > 0 {
		t.Errorf("held %v, left %q", held, record)
	}
}

// Rules whose states mean different things are never in one Cohort.
func TestShapesTellRulesApart(t *testing.T) {
	base := alike("9", `v < 5.0`, `v > 6.0`)
	like := func(old, now string) string { return replaced(t, base, old, now) }
	rigs := newRigs(t, base, alike("9", `v < 4.0`, `kind == "x"`), like("60s", "61s"), like("p{2}", "p{3}"), like("p{2} ->", "p{2} ,"),
		like("evidence: 9", "evidence: 8"), like("within", "timing: early\nwithin"), like("within", "after_match: no_skip\nwithin"))
	shape := match.Shape(match.New(rigs[0].rule))
	if shape == "" || match.Shape(match.New(rigs[1].rule)) != shape {
		t.Errorf("rules that differ in conditions only are of two shapes: %q", shape)
	}
	for i, r := range rigs[2:] {
		if match.Shape(match.New(r.rule)) == shape {
			t.Errorf("rule %d has the same shape", 2+i)
		}
	}
}

func replaced(t *testing.T, text, old, now string) string {
	t.Helper()
	if !strings.Contains(text, old) {
		t.Fatalf("%q is not in the rule", old)
	}
	return strings.Replace(text, old, now, 1)
}
