package task

import "github.com/caltrop/caltrop/cep/event"

// Bounds of what a task knows of its hot keys.
const (
	hotKeysMax     = 128     // counters
	hotKeyBytesMax = 256     // a key that is longer is not counted
	hotEvery       = 64      // of so many accepted events one is counted
	hotDecay       = 1 << 11 // counted events after which all counts are halved
)

// A HotKey is a key that brings much of a stream's traffic, about the last
// hundred thousand events of a task.
type HotKey struct {
	Stream string
	Key    string // a scalar's text, or a JSON array of a composite key
	// Share is the part of the stream's events that have the key, from 0 to 1;
	// at most Over of it belongs to keys that are counted no more.
	Share, Over float64
}

// hotKeys is the Space-Saving sketch of one stream's partition keys: the key
// with the least count makes room for a new one, which inherits the count.
// (A. Metwally, D. Agrawal, A. El Abbadi, "Efficient computation of frequent
// and top-k elements in data streams", ICDT 2005.) It is a statistic: nothing
// that a task emits depends on it, and a restart begins it anew.
type hotKeys struct {
	seen    uint64
	counted uint64 // since the last halving, and half of those before
	at      map[string]*hotCount
	heap    []*hotCount // the least count first
	scratch []byte
}

type hotCount struct {
	key         string
	count, over uint64
	place       int // in the heap
}

// add counts an accepted event, now and then.
func (h *hotKeys) add(ev *event.Event, fields []int) {
	if h.seen++; h.seen%hotEvery != 0 || len(fields) == 0 {
		return
	}
	h.scratch = appendKeyText(h.scratch[:0], ev, fields)
	if len(h.scratch) > hotKeyBytesMax {
		return
	}
	h.count(h.scratch)
}

func (h *hotKeys) count(key []byte) {
	if h.counted++; h.counted >= hotDecay {
		h.halve()
	}
	if c := h.at[string(key)]; c != nil {
		c.count++
		h.down(c.place)
		return
	}
	if h.at == nil {
		h.at = make(map[string]*hotCount, hotKeysMax)
	}
	c := h.room()
	c.key = string(key)
	h.at[c.key] = c
	h.up(c.place)
	h.down(c.place)
}

// room returns a counter for a new key: another one, or the least.
func (h *hotKeys) room() *hotCount {
	if len(h.heap) < hotKeysMax {
		c := &hotCount{count: 1, place: len(h.heap)}
		h.heap = append(h.heap, c)
		return c
	}
	c := h.heap[0]
	delete(h.at, c.key)
	c.over = c.count
	c.count++
	return c
}

// halve makes the past count half. The order of counts stays.
func (h *hotKeys) halve() {
	h.counted /= 2
	for i := range h.heap {
		h.heap[i].count /= 2
		h.heap[i].over /= 2
	}
}

func (h *hotKeys) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if h.heap[parent].count <= h.heap[i].count {
			return
		}
		h.swap(i, parent)
		i = parent
	}
}

func (h *hotKeys) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h.heap); child++ {
			if h.heap[child].count < h.heap[least].count {
				least = child
			}
		}
		if least == i {
			return
		}
		h.swap(i, least)
		i = least
	}
}

func (h *hotKeys) swap(i, j int) {
	h.heap[i], h.heap[j] = h.heap[j], h.heap[i]
	h.heap[i].place, h.heap[j].place = i, j
}

// appendKeyText writes a key as alerts do.
func appendKeyText(b []byte, ev *event.Event, fields []int) []byte {
	if len(fields) == 1 {
		return ev.Values[fields[0]].AppendText(b)
	}
	for i, f := range fields {
		if b = append(b, ','); i == 0 {
			b[0] = '['
		}
		b = ev.Values[f].AppendJSON(b)
	}
	return append(b, ']')
}

// HotKeys returns the keys that surely bring at least so much of their stream's
// traffic, in no order. With few events counted there are none.
func (t *Task) HotKeys(share float64) []HotKey {
	var hot []HotKey
	for i := range t.streams {
		h := &t.streams[i].hot
		if h.counted < hotKeysMax {
			continue
		}
		total := float64(h.counted)
		for _, c := range h.heap {
			if float64(c.count-c.over) >= share*total {
				hot = append(hot, HotKey{Stream: t.streams[i].name, Key: c.key, Share: float64(c.count) / total, Over: float64(c.over) / total})
			}
		}
	}
	return hot
}
