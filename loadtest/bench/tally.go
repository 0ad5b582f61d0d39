package bench

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"

	"github.com/caltrop/caltrop/cep/ceptest"
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/sinks/alert"
)

// A Tally counts alerts and adds up their hashes: it does not depend on their
// order.
type Tally struct {
	Alerts int
	Hash   uint64
}

// Add takes one alert's mark.
func (t *Tally) Add(mark uint64) {
	t.Alerts++
	t.Hash += mark
}

// A mark is the hash of what engine and oracle both say of an alert: rule,
// key, time, and of each step the first and the last event.
type marker struct{ b []byte }

func newMarker(rule string, key []event.Value, at int64) *marker {
	m := &marker{b: append([]byte(rule), 0)}
	for _, v := range key {
		m.b = event.AppendValue(m.b, v)
	}
	m.b = binary.LittleEndian.AppendUint64(m.b, uint64(at))
	return m
}

func (m *marker) step(name string, events []*event.Event) {
	m.b = append(append(m.b, 0), name...)
	for _, ev := range []*event.Event{events[0], events[len(events)-1]} {
		m.b = append(append(m.b, 0), ev.Schema.Stream...)
		m.b = binary.LittleEndian.AppendUint64(m.b, uint64(ev.Offset))
	}
}

func markOf(a *alert.Alert) uint64 {
	m := newMarker(a.Rule, a.Key, a.At)
	for _, s := range a.Evidence {
		m.step(s.Name, s.Events)
	}
	return xxh3.Hash(m.b)
}

func markOfOracle(rule string, a *ceptest.Alert) uint64 {
	m := newMarker(rule, a.Key, a.At)
	for _, s := range a.Evidence {
		m.step(s.Step, s.Events)
	}
	return xxh3.Hash(m.b)
}
