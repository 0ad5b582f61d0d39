package task

import (
	"fmt"
	"slices"

	"github.com/caltrop/caltrop/cep/expr"
)

// A listing remembers which versions of lists were live in which epochs: a
// lookup reads what was current when the event was accepted (language §8).
type listing []listEpoch

// A listEpoch is what was live from an epoch on, until the next one.
type listEpoch struct {
	From   uint32
	Refs   []Ref
	tables map[string]*expr.Table
}

// add makes tables the live ones from epoch on.
func (l *listing) add(epoch uint32, refs []Ref, tables []*expr.Table) {
	var now []Ref
	if n := len(*l); n > 0 {
		now = (*l)[n-1].Refs
	}
	if slices.Equal(now, refs) {
		return
	}
	e := listEpoch{From: epoch, Refs: slices.Clone(refs)}
	e.index(tables)
	*l = append(*l, e)
}

// at returns the tables that were live in an epoch, by name.
func (l listing) at(epoch uint32) map[string]*expr.Table { return l.find(epoch).tables }

// refs returns the versions that were live in an epoch.
func (l listing) refs(epoch uint32) []Ref { return l.find(epoch).Refs }

func (l listing) find(epoch uint32) listEpoch {
	for i := len(l) - 1; i >= 0; i-- {
		if l[i].From <= epoch {
			return l[i]
		}
	}
	return listEpoch{}
}

// forget drops what no epoch from oldest on reads.
func (l *listing) forget(oldest uint32) {
	n := 0
	for n+1 < len(*l) && (*l)[n+1].From <= oldest {
		n++
	}
	*l = slices.Delete(*l, 0, n)
}

// oldestEpoch is the earliest one that a held event or a slot still reads the
// lists of.
func (t *Task) oldestEpoch() uint32 {
	oldest := t.epoch
	for _, h := range t.back.pending.all() {
		oldest = min(oldest, h.epoch)
	}
	for _, g := range t.groups {
		for _, h := range g.held.all() {
			oldest = min(oldest, h.epoch)
		}
		for _, s := range g.slots {
			if s.died != alive {
				oldest = min(oldest, s.died-1)
			}
		}
	}
	return oldest
}

// listVersions are the versions that the rule reads now, for its alerts; nil
// when it reads no list.
func (s *slot) listVersions() map[string]int {
	if len(s.rule.Outside.Lists) == 0 {
		return nil
	}
	tables := s.store.Facts().Lists
	versions := make(map[string]int, len(s.rule.Outside.Lists))
	for _, name := range s.rule.Outside.Lists {
		if t := tables[name]; t != nil {
			versions[name] = t.Version
		}
	}
	return versions
}

// restoreLists asks for the tables of every epoch that is still read.
func (t *Task) restoreLists(saved []listEpoch) error {
	for _, e := range saved {
		live, err := t.cfg.Resolver.Resolve(Set{Lists: e.Refs})
		if err != nil {
			return fmt.Errorf("resolving the lists of epoch %d: %w", e.From, err)
		}
		if len(live.Lists) != len(e.Refs) {
			return fmt.Errorf("resolving the lists of epoch %d: %d asked for, %d given", e.From, len(e.Refs), len(live.Lists))
		}
		t.lists = append(t.lists, listEpoch{From: e.From, Refs: e.Refs})
		t.lists[len(t.lists)-1].index(live.Lists)
	}
	return nil
}

func (e *listEpoch) index(tables []*expr.Table) {
	e.tables = make(map[string]*expr.Table, len(tables))
	for _, t := range tables {
		e.tables[t.Decl.Name] = t
	}
}
