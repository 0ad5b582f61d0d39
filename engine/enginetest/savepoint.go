package enginetest

import (
	"slices"

	"github.com/caltrop/caltrop/engine/route"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/sinks/alert"
)

// A simSavepoint is one that is being made.
type simSavepoint struct {
	routes []route.Progress  // by router, when it was asked for
	until  map[*simTask]int  // the frames that a task has to have read
	parts  map[*simTask]part // that are stored
}

// A part is a task in a savepoint.
type part struct {
	copied
	alerts int // of the whole run, when it was stored
	late   int
}

// saveDue asks for a savepoint now and then.
func (s *Routed) saveDue() {
	if s.Savepoints == 0 || s.closing || s.saving != nil || s.rand.IntN(100) != 0 || s.moving() {
		return
	}
	s.saving = &simSavepoint{until: map[*simTask]int{}, parts: map[*simTask]part{}}
	for _, r := range s.routers {
		s.saving.routes = append(s.saving.routes, r.committed)
	}
	for _, t := range s.tasks {
		if !t.behind() {
			s.saving.until[t] = len(t.log())
		}
	}
}

// save stores the task's part of the savepoint, if it may, and lets another job
// start when that was the last one.
func (t *simTask) save() error {
	sp := t.sim.saving
	if sp == nil || t.behind() || t.committed.progress.Position.Offset < int64(sp.until[t]) || t.isFed() || t.task.Amid() {
		return nil
	}
	if _, made := sp.parts[t]; !made {
		sp.parts[t] = part{*t.saved, len(t.sim.Alerts), t.late}
		t.fed()
	}
	if len(sp.parts) < len(sp.until) {
		return nil
	}
	return t.sim.startFrom(sp)
}

// isFed reports whether a first stage that hands over to the task has no part yet.
func (t *simTask) isFed() bool {
	for u := range t.sim.saving.until {
		if _, made := t.sim.saving.parts[u]; !made && u.feeds(t) {
			return true
		}
	}
	return false
}

// fed lets the second stages read what the task has handed over up to its part.
func (t *simTask) fed() {
	sp := t.sim.saving
	for u := range sp.until {
		if t.feeds(u) {
			sp.until[u] = len(u.log())
		}
	}
}

func (t *simTask) feeds(u *simTask) bool {
	return slices.ContainsFunc(t.sim.Set.Relays(t.input), func(r rules.Relay) bool { return r.Input == u.input })
}

// takeOver lets the task begin with what another has left, or with its part of a
// savepoint.
func (t *simTask) takeOver(from *simTask, sp *simSavepoint) {
	if t.from = from; sp == nil {
		return
	}
	p := sp.parts[from]
	if t.part = &p; t.first() {
		t.late = p.late
	}
}

// startFrom ends the job and starts another from a savepoint: what the first has done
// since is as if it had not been.
func (s *Routed) startFrom(sp *simSavepoint) error {
	s.saving = nil
	s.Savepoints--
	var kept []alert.Alert
	var by []*simTask
	for i, a := range s.Alerts {
		if p, in := sp.parts[s.by[i]]; !in || i < p.alerts {
			kept, by = append(kept, a), append(by, s.by[i])
		}
	}
	s.Alerts, s.by = kept, by
	partitions := s.parts[len(s.parts)-1]
	if !slices.ContainsFunc(s.Set.KeyedLogs(), func(l rules.KeyedLog) bool { return l.Salts > 0 }) {
		partitions *= 1 + s.rand.IntN(2)
	}
	if err := s.grow(partitions, sp); err != nil {
		return err
	}
	s.tasks = slices.DeleteFunc(s.tasks, (*simTask).behind)
	s.skews = map[string]*route.Skew{}
	for i, r := range s.routers {
		s.skewOf(r.source)
		r.committed = sp.routes[i]
		r.committed.Generation = len(s.parts) - 1
		s.Late = slices.DeleteFunc(s.Late, func(p Place) bool {
			return p.Stream == r.source.Stream && p.Partition == r.source.Partition && p.Offset >= r.committed.Next
		})
		r.restart()
	}
	return nil
}
