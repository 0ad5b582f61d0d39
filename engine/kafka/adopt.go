package kafka

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/rules"
)

// awaitLists lets a task without rules wait until the lists from topics that it
// is to begin with have been read.
func (t *tenure) awaitLists(ctx context.Context) {
	for reflect.DeepEqual(t.task.Set(), task.Set{}) {
		changed := t.rules.Changed()
		unread := t.rules.Current().Restrict(t.id.Input).Unread()
		if len(unread) == 0 {
			return
		}
		t.say(StatePaused, fmt.Sprintf("waiting until the topics of the lists %v have been read", unread))
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// adopt brings the task to the rules that are live now, where they differ from
// those it runs. What starts warm is warmed up beside the task first: until then
// the revision before it goes on, and all else is adopted at once. While the topic
// of a list has not been read it keeps the rules it runs.
func (t *tenure) adopt(ctx context.Context, now time.Time) error {
	t.changed = t.rules.Changed()
	set := t.rules.Current()
	part := set.Restrict(t.id.Input)
	t.mute = set.Routes(t.id.Input)
	if err := t.openRelays(ctx, set); err != nil {
		return err
	}
	if len(part.Unread()) > 0 {
		return nil
	}
	want := part.Names()
	cold, altered, err := t.coldRules(part, want)
	if err != nil {
		return err
	}
	if w := t.live.warm; w != nil && !w.isOf(cold) {
		t.stopWarming()
	}
	switch {
	case len(cold.Rules) > 0:
		return t.adoptWarm(ctx, part, want, cold, altered, now)
	case reflect.DeepEqual(want, t.task.Set()):
		t.status.RulesVersion = part.Version
		return nil
	}
	return t.switchTo(part, want, nil, now)
}

// switchTo journals what the rules that start remember, then the set.
func (t *tenure) switchTo(part *rules.Set, want task.Set, imports []task.Entry, now time.Time) error {
	for _, e := range append(imports, task.Entry{Kind: task.Switch, Set: want, Carry: t.carried(part)}) {
		if err := t.decide(e, now); err != nil {
			return fmt.Errorf("switching to %d rules: %w", len(want.Rules), err)
		}
	}
	t.status.RulesVersion = part.Version
	return nil
}

// carried names the rules, for the journal, whose new revision goes on with the runs of the one
// that the task has.
func (t *tenure) carried(part *rules.Set) []string {
	var names []string
	for _, r := range part.AtWork() {
		if r.Doc.State == "carry" && t.carries(r) {
			mode := task.ModeLive
			if r.State == rules.Shadow {
				mode = task.ModeShadow
			}
			names = append(names, mode.Of(r.Doc.Name))
		}
	}
	return names
}

// carries reports whether the task has a revision of the rule, not on trial, whose
// runs the rule can go on with.
func (t *tenure) carries(r *rules.Rule) bool {
	has := t.task.Set()
	was, ok := beside(has, r.Doc.Name, false)
	if !ok || was.Stage != task.Whole || was.Revision == r.Revision || slices.ContainsFunc(has.Rules, func(ref task.Ref) bool { return ref.Name == r.Doc.Name && ref.Revision == r.Revision }) {
		return false
	}
	one := has
	one.Rules, one.Views, one.Shadow, one.Paused = []task.Ref{was}, nil, nil, nil
	live, err := t.rules.Resolve(one)
	return err == nil && rules.Uncarried(live.Rules[0].Rule, r.Prog) == ""
}

// beside finds the revision of a rule that a set has on trial, or the other one.
func beside(set task.Set, name string, trial bool) (task.Ref, bool) {
	for _, ref := range set.Rules {
		if ref.Name == name && slices.Contains(set.Shadow, ref) == trial {
			return ref, true
		}
	}
	return task.Ref{}, false
}

// coldRules is the part of the set of the rules to be warmed up. altered tells
// whether one of them is at work already, over earlier revisions of what it reads.
func (t *tenure) coldRules(part *rules.Set, want task.Set) (cold task.Set, altered bool, err error) {
	cold = want
	cold.Rules, cold.Views = nil, nil
	if reflect.DeepEqual(want, t.task.Set()) {
		return cold, false, nil
	}
	anew, err := t.task.Alters(want)
	if err != nil {
		return cold, false, fmt.Errorf("comparing the rules of two sets: %w", err)
	}
	for i, r := range part.AtWork() {
		isNew := !slices.Contains(t.task.Set().Rules, want.Rules[i]) || slices.Contains(anew, want.Rules[i])
		if isNew && want.Rules[i].Stage == task.Whole && r.Prog.Upstream == nil && r.Doc.State != "reset" && !(r.Doc.State == "carry" && t.carries(r)) {
			cold.Rules = append(cold.Rules, want.Rules[i])
		}
	}
	cold.Shadow, cold.Paused = among(want.Shadow, cold.Rules), nil
	cold.Streams = slices.DeleteFunc(slices.Clone(cold.Streams), func(r task.Ref) bool { return r.Name == prog.AlertsStream })
	if len(cold.Rules) == 0 {
		return cold, false, nil
	}
	_, _, needed, err := t.task.Past(cold)
	if err != nil || !needed { // nothing has been read that could be read again
		cold.Rules = nil
	}
	return cold, len(among(anew, cold.Rules)) > 0, nil
}

// adoptWarm begins to warm up rules and adopts the rest of the set; where the
// warm-up is for other revisions of streams or profiles, those wait for it.
func (t *tenure) adoptWarm(ctx context.Context, part *rules.Set, want, cold task.Set, altered bool, now time.Time) error {
	rest := t.without(want, cold)
	if has := t.task.Set(); altered {
		rest.Streams, rest.Profiles = joined(has.Streams, want.Streams), joined(has.Profiles, want.Profiles)
	}
	switch _, err := t.rules.Resolve(rest); {
	case err != nil && altered: // what is new needs the new revisions
		rest = t.task.Set()
	case err != nil: // the revisions before do not go with the rest
		return t.switchTo(part, want, nil, now)
	}
	if !reflect.DeepEqual(rest, t.task.Set()) {
		if err := t.switchTo(&rules.Set{Version: t.status.RulesVersion, Rules: part.Rules, Shadows: part.Shadows}, rest, nil, now); err != nil {
			return err
		}
	}
	if t.live.warm != nil {
		return nil
	}
	if err := t.commit(ctx, false); err != nil { // the warm-up reads the journal
		return err
	}
	return t.warm(ctx, cold)
}

// without is the set with the revisions that the task has in place of the cold
// ones, and what those read.
func (t *tenure) without(want, cold task.Set) task.Set {
	rest, has := want, t.task.Set()
	rest.Rules, rest.Shadow, rest.Paused = nil, nil, slices.Clone(want.Paused)
	for _, ref := range want.Rules {
		trial := slices.Contains(want.Shadow, ref)
		if slices.Contains(cold.Rules, ref) {
			was, ok := beside(has, ref.Name, trial)
			if !ok || was != ref && slices.Contains(want.Rules, was) { // or it is promoted, or put on trial
				continue
			}
			if slices.Contains(want.Paused, ref) || slices.Contains(has.Paused, was) {
				rest.Paused = append(rest.Paused, was)
			}
			ref = was
		}
		rest.Rules = append(rest.Rules, ref)
		if trial {
			rest.Shadow = append(rest.Shadow, ref)
		}
	}
	rest.Paused = among(rest.Paused, rest.Rules)
	rest.Profiles, rest.Lists = joined(want.Profiles, has.Profiles), joined(want.Lists, has.Lists)
	return rest
}

// among returns those of refs that others have too; nil where there are none.
func among(refs, others []task.Ref) []task.Ref {
	var both []task.Ref
	for _, ref := range refs {
		if slices.Contains(others, ref) {
			both = append(both, ref)
		}
	}
	return both
}

// joined returns refs and those of others whose names they lack.
func joined(refs, others []task.Ref) []task.Ref {
	all := slices.Clone(refs)
	for _, ref := range others {
		if !slices.ContainsFunc(all, func(r task.Ref) bool { return r.Name == ref.Name }) {
			all = append(all, ref)
		}
	}
	return all
}

// warmed makes the switch for which a warm-up has come to where the task is.
// One that cannot succeed leaves its rules to start empty; any other error is of
// now, and it begins anew.
func (t *tenure) warmed(ctx context.Context, now time.Time) error {
	w := t.live.warm
	entries, err := w.finish(ctx, t.task)
	t.stopWarming()
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil && !hopeless(err):
		t.cluster.opts.Log.Warn("a warm-up begins anew", "partition", t.id.String(), "error", err)
		t.live.warmError = err.Error()
		return t.warm(ctx, w.set)
	case err != nil:
		t.cluster.opts.Log.Warn("rules start empty", "partition", t.id.String(), "rules", len(w.set.Rules), "error", err)
	}
	t.live.warmError = ""
	part := t.rules.Current().Restrict(t.id.Input)
	if err := t.switchTo(part, part.Names(), entries, now); err != nil {
		return err
	}
	t.live.cutDue = now // from a checkpoint on, nothing is imported again
	return t.commit(ctx, false)
}

// hopeless reports whether a warm-up would fail the same way again.
func hopeless(err error) bool {
	return errors.Is(err, task.ErrAhead) || errors.Is(err, task.ErrTooLarge)
}
