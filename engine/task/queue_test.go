package task

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
)

// Whatever the order of arrival, a queue gives back in key order what is in
// it, between arrivals too.
func TestQueueIsOrdered(t *testing.T) {
	streams := []*event.Schema{event.NewSchema("a", nil), event.NewSchema("b", nil), event.NewSchema("c", nil)}
	spreads := []int64{0, 3, 50, 100_000, 50_000_000} // µs by which an event may be behind
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		schemas := streams[:1+seed%3]
		q := newQueue(len(schemas), 10_000_000)
		var in []held // what the queue should hold
		spread := spreads[seed%uint64(len(spreads))]
		for i := range 2000 {
			if r.IntN(3) < 2 {
				feed := r.IntN(len(schemas))
				at := int64(i)*10 - r.Int64N(spread+1) + 40_000_000*int64(r.IntN(100)/99)
				h := held{time: at, feed: uint16(feed), ev: &event.Event{Schema: schemas[feed], Time: at, Offset: int64(i)}}
				q.push(&h)
				in = append(in, h)
				continue
			}
			got, ok := q.first()
			if ok != (len(in) > 0) {
				t.Fatalf("seed %d: an event %v of %d", seed, ok, len(in))
			}
			if !ok {
				continue
			}
			least := slices.MinFunc(in, compareStrays)
			if got.ev != least.ev {
				t.Fatalf("seed %d: got %+v, want %+v", seed, got.ev, least.ev)
			}
			q.pop()
			in = slices.DeleteFunc(in, func(h held) bool { return h.ev == least.ev })
		}
		all := q.all()
		slices.SortFunc(in, compareStrays)
		if !slices.Equal(all, in) || q.size != len(in) {
			t.Fatalf("seed %d: %d of %d events left, or in another order", seed, len(all), len(in))
		}
	}
}

// The last of the strays leaves, and the line behind it still counts.
func TestQueueGoesOnAfterItsLastStray(t *testing.T) {
	q := newQueue(1, 0)
	schema := event.NewSchema("s", nil)
	push := func(at int64) { q.push(&held{time: at, ev: &event.Event{Schema: schema, Time: at}}) }
	for at := range int64(2 * nearMax) {
		push(10 + at)
	}
	push(1)
	for want := range int64(2*nearMax + 1) {
		h, ok := q.first()
		if !ok || want == 0 && h.time != 1 || want > 0 && h.time != 9+want {
			t.Fatalf("event %d of %d: %v, %v", want, q.size, h, ok)
		}
		q.pop()
	}
	if _, ok := q.first(); ok || q.size != 0 {
		t.Errorf("%d events are left", q.size)
	}
}
