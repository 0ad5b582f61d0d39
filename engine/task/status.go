package task

// A RuleStatus is what a task knows of one revision of a rule or view at work.
type RuleStatus struct {
	Ref     Ref
	Slot    uint32 // tells it from all others of the task, of the same Ref too
	View    bool   // Ref is of a view
	Mode    Mode
	Live    bool  // false: it only finishes the events held when it was replaced
	Covered int64 // µs; its state holds everything since then; 0 before the first event
	Counts  RuleCounts
}

// Rules returns the revisions of rules and views at work, group by group in order of name.
func (t *Task) Rules() []RuleStatus {
	var all []RuleStatus
	for _, g := range t.groups {
		for _, s := range g.slots {
			st := RuleStatus{Ref: s.ref, Slot: s.id, View: s.shown != nil, Mode: s.mode(t.epoch), Live: s.died == alive, Counts: s.counts}
			if s.covered != unset {
				st.Covered = s.covered
			}
			all = append(all, st)
		}
	}
	return all
}

// Held returns the number of events that wait for a watermark, counted once
// for every set of streams that a rule reads.
func (t *Task) Held() int {
	n := t.back.pending.size
	for _, g := range t.groups {
		n += g.held.size
	}
	return n
}
