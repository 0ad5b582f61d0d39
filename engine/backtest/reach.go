package backtest

import (
	"time"

	"github.com/caltrop/caltrop/rules"
)

// Lead returns how far back the rules of a set can look: the longest of their
// spans, windows, profiles and suppression periods, added up along rules that
// read each other's alerts, and the longest lateness. A session that began
// before it is seen from there on only.
func Lead(set *rules.Set) time.Duration {
	var lead, lateness time.Duration
	for _, r := range set.Rules {
		lead = max(lead, chainReach(set, r))
	}
	for _, st := range set.Streams {
		lateness = max(lateness, st.Doc.Lateness)
	}
	return lead + lateness
}

// chainReach adds the reach of every rule whose alerts r reads: at most too far.
func chainReach(set *rules.Set, r *rules.Rule) time.Duration {
	sum := reach(r)
	for _, up := range set.Upstream(r) {
		sum += reach(up)
	}
	return sum
}

func reach(r *rules.Rule) time.Duration {
	span := r.Prog.Within
	if w := r.Prog.Window; w != nil {
		span = max(span, w.Size)
	}
	if p := r.Prog.Pattern; p != nil {
		for _, s := range p.Steps {
			span = max(span, s.Gap)
		}
	}
	for _, p := range r.Prog.Profiles {
		span = max(span, p.Pane*p.Panes)
	}
	return time.Duration(span+r.Prog.Suppress) * time.Microsecond
}
