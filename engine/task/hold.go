package task

import (
	"math"

	"github.com/caltrop/caltrop/cep/event"
)

// HeldBytesMax bounds what the events held by one task take, where Config does
// not. Past it the earliest events are matched before their time: the
// watermarks of their streams move to them, as if the lateness were shorter,
// and what comes later than that is late. Reading cannot stop instead, as only
// what is read moves the watermark.
const HeldBytesMax = 256 << 20

// What a held event takes besides its texts.
const (
	eventBytes = 160 // the event and its places in the queues
	valueBytes = 32
)

// weigh notes on an event what it takes and how many queues hold it. The sum
// is a function of the events alone, so that a replay comes to the same one.
func (t *Task) weigh(ev *event.Event, queues int) {
	n := eventBytes + valueBytes*len(ev.Values) + len(ev.ID)
	for i := range ev.Values {
		n += len(ev.Values[i].Str())
	}
	ev.Hold = event.Hold{Queues: int32(queues), Bytes: int32(min(n, math.MaxInt32))}
	t.heldBytes += int64(ev.Hold.Bytes)
}

// hasten lets the group with the most events match its earliest ones, until
// the held events are within their bound.
func (t *Task) hasten() {
	for t.heldBytes > t.heldMax && t.failed == nil {
		most := t.groups[0]
		for _, g := range t.groups {
			if g.held.size > most.held.size {
				most = g
			}
		}
		h, ok := most.held.first()
		if !ok {
			return
		}
		t.counts.Hastened++
		at, before := h.time, most.held.size
		streams := most.streams
		if most.above {
			streams = t.back.bound
		}
		for _, i := range streams {
			t.raiseStream(&t.streams[i], at)
		}
		if most.held.size == before && t.failed == nil {
			panic("task: a group holds an event that every watermark has passed")
		}
	}
}

// HeldBytes returns what the events that wait for a watermark take.
func (t *Task) HeldBytes() int64 { return t.heldBytes }
