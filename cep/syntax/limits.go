package syntax

import "fmt"

// Defaults and the bound of `limits`, language §1.1.
const (
	defaultRuns     = 64
	defaultEvidence = 1000
	defaultRing     = 4096
	defaultSet      = 256
	defaultReplay   = 1000
	maxLimit        = 1_000_000
)

// DefaultLimits are those of a document that gives none.
func DefaultLimits() Limits {
	return Limits{RunsPerKey: defaultRuns, Evidence: defaultEvidence, WindowEvents: defaultRing, Set: defaultSet, Replay: defaultReplay}
}

// limits reads `limits`; d is nil for documents that are no rule.
func (r *reader) limits(v *value, d *Rule) Limits {
	l := DefaultLimits()
	all := d != nil && d.Emit == "all"
	o := v.object("`limits`")
	if o == nil {
		if all {
			r.refuse(d.EmitPos, "/emit", "`emit: all` needs `limits.matches_per_event`", "bound the matches of one event: limits: {matches_per_event: 10}")
		}
		return l
	}
	l.Pos = v.at()
	l.RunsPerKeySet = o.get("runs_per_key") != nil
	l.RunsPerKey = o.get("runs_per_key").integer(l.RunsPerKey, 1, maxLimit)
	l.MatchesPerEvent = o.get("matches_per_event").integer(0, 1, maxLimit)
	l.Evidence = o.get("evidence").integer(l.Evidence, 1, maxLimit)
	l.WindowEvents = o.get("window_events").integer(l.WindowEvents, 1, maxLimit)
	l.Set = o.get("set").integer(l.Set, 1, maxLimit)
	l.Replay = o.get("replay").integer(l.Replay, 1, maxLimit)
	if all && o.get("matches_per_event") == nil {
		o.refuse("`emit: all` needs `limits.matches_per_event`", fmt.Sprintf("add matches_per_event, at most %d", maxLimit))
	}
	o.done()
	return l
}
