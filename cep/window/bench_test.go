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

func (h *heap) EditPage(key []byte, number uint64) []byte {
	return h.Store.Edit(2, h.name(key, number), task.Never)
}
func (h *heap) Edit(key []byte) []byte { return h.Store.Edit(1, key, task.Never) }

func (h *heap) name(key []byte, number uint64) []byte {
	h.page = binary.BigEndian.AppendUint64(append(h.page[:0], key...), number)
	return h.page
}

// BenchmarkRolling is one event of a rolling window that holds a given number
// of events a key, over a hundred keys.
func BenchmarkRolling(b *testing.B) {
	for _, c := range []struct{ name, values string }{
		{"velocity", "n: count(), total: sum(m), most: max(m)"},
		{"distinct", "n: count(), total: sum(m), shops: distinct(s)"},
		{"sum_double", "n: count(), total: sum(d)"},
		{"min_max", "n: count(), low: min(m), high: max(m)"},
		{"stddev", "n: count(), dev: stddev(m)"},
		{"percentile", "n: count(), p: 'percentile(m, 0.95)'"},
	} {
		for _, size := range []int{50, 1000, 40_000} {
			b.Run(fmt.Sprintf("%s/%d", c.name, size), func(b *testing.B) { benchmarkRolling(b, c.values, size) })
		}
	}
}

func benchmarkRolling(b *testing.B, values string, size int) {
	const keys = 20
	s := setting(b, streams+fmt.Sprintf("window: {stream: e, rolling: %ds}\nvalues: {%s}\nhaving: n >= 1000000\nlimits: {window_events: 1000000}\n", size, values))
	e := window.New(compile(b, s))
	h := &heap{Store: state.NewMemory()}
	h.Open(task.Slot{ID: 1})
	h.Open(task.Slot{ID: 2})
	var out match.Output
	names, ids := make([][]byte, keys), make([]event.Value, keys)
	for k := range names {
		names[k] = fmt.Appendf(nil, "key-%d", k)
		ids[k] = event.StringOf(string(names[k]))
	}
	shops := make([]event.Value, 8)
	for i := range shops {
		shops[i] = event.StringOf(fmt.Sprint("shop-", i))
	}
	ev := &event.Event{Schema: s.Schemas["e"], ID: "event-id", Values: make([]event.Value, len(s.Schemas["e"].Fields))}
	at := 0
	step := func() {
		k := at % keys
		n := at / keys
		ev.Time, ev.Offset = int64(n)*1_000_000, int64(at)
		ev.Values[0], ev.Values[1] = ids[k], event.IntOf(int64(at%100))
		ev.Values[2], ev.Values[3] = event.DoubleOf(float64(at%1000)/100), event.DecimalOf(int64(at*7919%100_000), 2)
		ev.Values[4] = shops[at*31%len(shops)]
		e.Event(names[k], ev, 1, h, &out)
		at++
	}
	for range keys * size * 4 / 3 {
		step()
	}
	b.ReportAllocs()
	before := cpu(b)
	for b.Loop() {
		step()
	}
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
}

// cpu is the processor time of this process in ns.
func cpu(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
