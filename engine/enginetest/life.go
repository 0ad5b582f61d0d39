package enginetest

import (
	"slices"

	"github.com/caltrop/caltrop/engine/state"
	"github.com/caltrop/caltrop/engine/task"
)

// apply applies an act; before a switch it warms up the rules that start so.
func (p *incarnation) apply(e task.Entry) error {
	if e.Kind == task.Switch && p.Script.Start != nil {
		warm := e.Set
		warm.Rules, warm.Views = nil, nil
		altered, err := p.task.Alters(e.Set)
		if err != nil {
			return err
		}
		for _, ref := range e.Set.Rules {
			switch {
			case slices.Contains(p.task.Set().Rules, ref) && !slices.Contains(altered, ref):
			case p.Script.Start(ref) == "carry":
				e.Carry = append(e.Carry, e.Set.ModeOf(ref).Of(ref.Name))
			case p.Script.Start(ref) == "warm":
				warm.Rules = append(warm.Rules, ref)
			}
		}
		if err := p.warm(warm); err != nil {
			return err
		}
	}
	return p.task.Apply(e, &p.eff)
}

// warm reads the log again from as far back as the rules need, and imports
// what they remember then.
func (p *incarnation) warm(set task.Set) error {
	since, all, needed, err := p.task.Past(set)
	if err != nil || !needed || len(set.Rules) == 0 {
		return err
	}
	begin, first := task.Begin{}, 0
	if !all {
		for _, r := range p.Script.Records {
			if r.Now > since-30_000_000 { // max_future
				break
			}
			first++
			begin.Since = since
		}
	}
	w, err := p.task.Warm(state.NewMemory(), set, begin)
	if err != nil {
		return err
	}
	for _, e := range slices.Concat(p.Committed.Journal, p.tx.journal) {
		w.Tell(e)
	}
	for i := first; i < len(p.Script.Records); i++ {
		r := p.Script.Records[i]
		if r.Offset >= p.task.Position().Offset {
			break
		}
		if err := w.Step(&r); err != nil {
			return err
		}
	}
	entries, err := w.Finish(p.task)
	if err != nil {
		return err
	}
	p.Warmed += len(set.Rules)
	for _, e := range entries {
		if err := p.task.Apply(e, &p.eff); err != nil {
			return err
		}
	}
	return nil
}
