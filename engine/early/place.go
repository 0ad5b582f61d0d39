package early

import (
	"cmp"
	"strings"

	"github.com/caltrop/caltrop/cep/event"
)

// A Place is where an event stands in the order of its key (event.Compare).
type Place struct {
	Time      int64 // µs
	Stream    string
	Cluster   uint16
	Partition int32
	Offset    int64
}

// PlaceOf returns the place of an event.
func PlaceOf(ev *event.Event) Place {
	return Place{ev.Time, ev.Schema.Stream, ev.Cluster, ev.Partition, ev.Offset}
}

// Compare orders places as event.Compare orders their events.
func (p Place) Compare(q Place) int {
	return cmp.Or(cmp.Compare(p.Time, q.Time), strings.Compare(p.Stream, q.Stream), cmp.Compare(p.Cluster, q.Cluster),
		cmp.Compare(p.Partition, q.Partition), cmp.Compare(p.Offset, q.Offset))
}
