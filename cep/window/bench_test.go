package window_test

import (
	"encoding/binary"
	"fmt"
	"syscall"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
	"github.com/caltrop/caltrop/cep/window"
	"github.com/caltrop/caltrop/engine/state"
	"github.com/caltrop/caltrop/engine/task"
)

// A heap is a Store over the engine's records.
type heap struct {
	*state.Store
	page []byte
}

func (h *heap) Get(key []byte) []byte      { return h.Store.Get(1, key) }
func (h *heap) Put(key, state []byte)      { h.Store.Put(1, key, state, task.Never) }
func (h *heap) Timer(key []byte, at int64) { h.SetTimer(1, key, at) }
func (h *heap) Covered() int64             { return 0 }

func (h *heap) Page(key []byte, number uint64) []byte { return h.Store.Get(2, h.name(key, number)) }
func (h *heap) PutPage(key []byte, number uint64, page []byte) {
	h.Store.Put(2, h.name(key, number), page, task.Never)
}

func (h *heap) Edit(key []byte) []byte { return h.Store.Edit(1, key, task.Never) }

func (h *heap) name(key []byte, number uint64) []byte {
	h.page = binary.BigEndian.AppendUint64(append(h.page[:0], key...), number)
	return h.page
}

// A feed gives endless events of twenty keys in turn, one a second each, to an
// evaluator over the engine's records.
type feed struct {
	heap
	eval  match.Evaluator
	names [][]byte
	ids   []event.Value
	shops []event.Value
	ev    event.Event
	at    int
	due   []task.Timer
	out   match.Output
}

func newFeed(t testing.TB, rule string) *feed {
	const keys = 20
	s := setting(t, streams+rule)
	f := &feed{heap: heap{Store: state.NewMemory()}, eval: window.New(compile(t, s))}
	f.Open(task.Slot{ID: 1})
	f.Open(task.Slot{ID: 2})
	for k := range keys {
		f.names = append(f.names, fmt.Appendf(nil, "key-%d", k))
		f.ids = append(f.ids, event.StringOf(string(f.names[k])))
	}
	for i := range 8 {
		f.shops = append(f.shops, event.StringOf(fmt.Sprint("shop-", i)))
	}
	f.ev = event.Event{Schema: s.Schemas["e"], ID: "event-id", Values: make([]event.Value, len(s.Schemas["e"].Fields))}
	return f
}

func (f *feed) step() {
	k, ev := f.at%len(f.names), &f.ev
	ev.Time, ev.Offset = int64(f.at/len(f.names))*1_000_000, int64(f.at)
	ev.Values[0], ev.Values[1] = f.ids[k], event.IntOf(int64(f.at%100))
	ev.Values[2], ev.Values[3] = event.DoubleOf(float64(f.at%1000)/100), event.DecimalOf(int64(f.at*7919%100_000), 2)
	ev.Values[4] = f.shops[f.at*31%len(f.shops)]
	for at, ok := f.Earliest(0); ok && at <= ev.Time; at, ok = f.Earliest(0) {
		f.due = f.Take(0, at, f.due[:0])
		for _, d := range f.due {
			f.eval.Deadline([]byte(d.Key), at, f, &f.out)
		}
	}
	f.eval.Event(f.names[k], ev, 1, f, &f.out)
	f.out.Reset()
	f.at++
}

// BenchmarkWindow is one event of a window that holds a given number of events
// a key, over twenty keys.
func BenchmarkWindow(b *testing.B) {
	for _, c := range []struct{ name, kind, values string }{
		{"velocity", "rolling: %ds", "n: count(), total: sum(m), most: max(m)"},
		{"distinct", "rolling: %ds", "n: count(), total: sum(m), shops: distinct(s)"},
		{"sum_double", "rolling: %ds", "n: count(), total: sum(d)"},
		{"min_max", "rolling: %ds", "n: count(), low: min(m), high: max(m)"},
		{"stddev", "rolling: %ds", "n: count(), dev: stddev(m)"},
		{"percentile", "rolling: %ds", "n: count(), p: 'percentile(m, 0.95)'"},
		{"tumbling", "tumbling: %ds", "n: count(), total: sum(m), most: max(m)"},
		{"sliding", "sliding: %ds, every: 25s", "n: count(), total: sum(m), most: max(m)"},
		{"session", "session: %ds", "n: count(), total: sum(m), most: max(m)"},
	} {
		for _, size := range []int{50, 1000, 40_000} {
			b.Run(fmt.Sprintf("%s/%d", c.name, size), func(b *testing.B) {
				f := newFeed(b, fmt.Sprintf("window: {stream: e, "+c.kind+"}\nvalues: {%s}\nhaving: n >= 1000000\nlimits: {window_events: 1000000}\n", size, c.values))
				for range len(f.names) * size * 4 / 3 {
					f.step()
				}
				b.ReportAllocs()
				before := cpu(b)
				for b.Loop() {
					f.step()
				}
				b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
			})
		}
	}
}

// cpu is the processor time of this process in ns.
func cpu(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
