package offline

import (
	"cmp"
	"slices"
	"strings"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/sinks/alert"
	"github.com/caltrop/caltrop/sinks/view"
)

// Sort puts alerts in the order of `match`: at, rule, key, first event,
// evidence, version (language §7). Keys compare by their text. Evidence
// compares step by step in the pattern's order, events in key order, fewer
// before more.
func Sort(alerts []alert.Alert) {
	order := make([]sorted, len(alerts))
	for i := range alerts {
		order[i] = sorted{&alerts[i], alerts[i].KeyText(), firstOf(&alerts[i])}
	}
	slices.SortStableFunc(order, compare)
	inOrder := make([]alert.Alert, len(alerts))
	for i := range order {
		inOrder[i] = *order[i].alert
	}
	copy(alerts, inOrder)
}

// SortUpdates puts updates of views in the order of at, view, key and version.
// Keys compare by their text.
func SortUpdates(updates []view.Update) {
	slices.SortStableFunc(updates, func(a, b view.Update) int {
		if c := cmp.Or(cmp.Compare(a.At, b.At), strings.Compare(a.View, b.View)); c != 0 {
			return c
		}
		return cmp.Or(strings.Compare(a.KeyText(), b.KeyText()), cmp.Compare(a.Version, b.Version))
	})
}

// A sorted alert has what it is compared by at hand.
type sorted struct {
	alert *alert.Alert
	key   string
	first *event.Event // nil without evidence
}

func compare(a, b sorted) int {
	if c := cmp.Or(cmp.Compare(a.alert.At, b.alert.At), strings.Compare(a.alert.Rule, b.alert.Rule), strings.Compare(a.key, b.key)); c != 0 {
		return c
	}
	if c := compareFirst(a.first, b.first); c != 0 {
		return c
	}
	return cmp.Or(compareEvidence(a.alert, b.alert), cmp.Compare(a.alert.Version, b.alert.Version))
}

func firstOf(a *alert.Alert) *event.Event {
	var first *event.Event
	for _, s := range a.Evidence {
		for _, e := range s.Events {
			if first == nil || event.Compare(e, first) < 0 {
				first = e
			}
		}
	}
	return first
}

func compareFirst(a, b *event.Event) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	return event.Compare(a, b)
}

func compareEvidence(a, b *alert.Alert) int {
	return slices.CompareFunc(a.Evidence, b.Evidence, func(x, y alert.Step) int {
		return cmp.Or(strings.Compare(x.Name, y.Name), slices.CompareFunc(x.Events, y.Events, event.Compare))
	})
}
