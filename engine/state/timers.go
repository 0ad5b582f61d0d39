package state

import "encoding/binary"

// timers orders the deadlines of one wheel: a binary min-heap by time. Moving
// or removing a deadline leaves its old entry behind; an entry counts only
// when the record's timer says the same time. Live deadlines at or after
// horizon may be in the database only.
type timers struct {
	heap    []deadline
	horizon int64
	sure    bool  // the first entry is known to count
	trimAt  int   // length at which the heap is looked through again
	mark    int64 // event time of the wheel
}

// A deadline is a time, a slot and a key; the key is a block of an arena of names,
// behind its length in two bytes.
type deadline struct {
	at   int64
	slot uint32
	name ref
}

const nameHead = 2

func (a *arena) putName(key []byte) ref {
	r := a.alloc(nameHead + len(key))
	b := a.at(r)
	binary.LittleEndian.PutUint16(b, uint16(len(key)))
	copy(b[nameHead:], key)
	return r
}

func (a *arena) nameOf(r ref) []byte {
	b := a.at(r)
	return b[nameHead : nameHead+int(binary.LittleEndian.Uint16(b))]
}

func (a *arena) releaseName(r ref) { a.release(r, nameHead+len(a.nameOf(r))) }

func (t *timers) push(d deadline) {
	t.sure = t.sure && d.at >= t.heap[0].at
	t.heap = append(t.heap, d)
	i := len(t.heap) - 1
	for i > 0 && t.heap[(i-1)/2].at > d.at {
		t.heap[i] = t.heap[(i-1)/2]
		i = (i - 1) / 2
	}
	t.heap[i] = d
}

func (t *timers) pop() deadline {
	top := t.heap[0]
	t.sure = false
	last := len(t.heap) - 1
	d := t.heap[last]
	t.heap = t.heap[:last]
	if last > 0 {
		t.sink(0, d)
	}
	return top
}

// sink puts d in place i or below.
func (t *timers) sink(i int, d deadline) {
	for {
		child := 2*i + 1
		if child >= len(t.heap) {
			break
		}
		if child+1 < len(t.heap) && t.heap[child+1].at < t.heap[child].at {
			child++
		}
		if t.heap[child].at >= d.at {
			break
		}
		t.heap[i] = t.heap[child]
		i = child
	}
	t.heap[i] = d
}

// keep drops the entries for which stays is false and orders the rest.
func (t *timers) keep(stays func(deadline) bool) {
	kept := t.heap[:0]
	for _, d := range t.heap {
		if stays(d) {
			kept = append(kept, d)
		}
	}
	t.heap, t.sure = kept, false
	for i := len(kept)/2 - 1; i >= 0; i-- {
		t.sink(i, kept[i])
	}
}

// moved tells that a record no longer has a timer at this time.
func (t *timers) moved(at int64) {
	if len(t.heap) > 0 && t.heap[0].at == at {
		t.sure = false
	}
}
