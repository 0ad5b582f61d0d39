package task

import "slices"

// A Mode is what becomes of what a revision of a rule finds. The numbers are
// stored.
type Mode uint8

// The modes of a revision at work.
const (
	ModeLive   Mode = 0
	ModeShadow Mode = 1 // its alerts are on trial: no rule reads them
	ModePaused Mode = 2 // it goes on with its state and raises nothing
)

// String returns the mode as alerts spell it.
func (m Mode) String() string { return [...]string{"live", "shadow", "paused"}[m] }

// ModeOf is the mode of one of the set's revisions.
func (s *Set) ModeOf(ref Ref) Mode {
	switch {
	case slices.Contains(s.Shadow, ref):
		return ModeShadow
	case slices.Contains(s.Paused, ref):
		return ModePaused
	}
	return ModeLive
}

// A stretch is the mode of a slot from an epoch on, until the next one.
type stretch struct {
	From uint32
	Mode Mode
}

// mode is the slot's for events accepted in an epoch; for deadlines that of the
// current one counts.
func (s *slot) mode(epoch uint32) Mode {
	mode := ModeLive
	for i, m := range s.modes {
		if i == 0 || m.From <= epoch {
			mode = m.Mode
		}
	}
	return mode
}

// turn gives a slot its mode from this epoch on. What was before the oldest
// epoch that held events are of is forgotten.
func (t *Task) turn(g *group, s *slot, m Mode) {
	if s.mode(t.epoch) != m {
		if len(s.modes) == 0 {
			s.modes = []stretch{{s.born, ModeLive}}
		}
		s.modes = append(s.modes, stretch{t.epoch, m})
	}
	if len(s.modes) > 0 {
		s.modes = since(s.modes, t.oldestEpoch())
	}
	t.openBooks(g, s)
}

// since drops the stretches that ended before an epoch.
func since(modes []stretch, epoch uint32) []stretch {
	for len(modes) > 1 && modes[1].From <= epoch {
		modes = modes[1:]
	}
	if len(modes) == 1 && modes[0].Mode == ModeLive {
		return nil
	}
	return modes
}

// Of names a rule in a mode: a revision on trial is told from the one beside it, and
// what it has sent silences nothing that is live. No rule has a space in its name.
func (m Mode) Of(rule string) string {
	if m == ModeShadow {
		return rule + " " + m.String()
	}
	return rule
}

// ledgers are the modes in which the slot has raised what may still change.
func (s *slot) ledgers() []Mode {
	if len(s.modes) == 0 {
		return []Mode{ModeLive}
	}
	return []Mode{ModeLive, ModeShadow}
}
