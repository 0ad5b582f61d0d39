package match

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/caltrop/caltrop/cep/event"
)

// The state of a key under a States, numbers little-endian:
//
//	format      1 byte
//	flags       1: truncated
//	seq         4: the number of the latest event
//	count       4: of retained events
//	size        4: of them in bytes
//	events      each: length of the rest as a varint; time 8; number 4; which
//	            conditions held, a bit each; stream where the rule has several;
//	            compact form
//	runs        to the end, each: the spot's form; first and last event's number, 4 each;
//	            time of the first 8
const (
	formatStates = 4
	statesHead   = 14
	eventHead    = 12 // behind the length
	runTail      = 16
)

// retained are the events of a key that may be evidence, encoded. The bytes
// are the store's until they are written anew.
type retained struct {
	b     []byte
	count int
}

// drop drops the events up to number last.
func (r *retained) drop(last uint32) {
	for len(r.b) > 0 {
		e, n := firstEvent(r.b)
		if e.seq() > last {
			return
		}
		r.b = r.b[n:]
		r.count--
	}
}

// expire drops the events from before a time.
func (r *retained) expire(from int64) {
	for len(r.b) > 0 {
		e, n := firstEvent(r.b)
		if e.time() >= from {
			return
		}
		r.b = r.b[n:]
		r.count--
	}
}

// A keptEvent is a retained event without its length.
type keptEvent []byte

func firstEvent(b []byte) (e keptEvent, size int) {
	n, w := int(b[0]), 1
	if n >= 0x80 {
		long, width := binary.Uvarint(b)
		n, w = int(long), width
	}
	return b[w : w+n], w + n
}

func (e keptEvent) time() int64 { return int64(binary.LittleEndian.Uint64(e)) }
func (e keptEvent) seq() uint32 { return binary.LittleEndian.Uint32(e[8:]) }

// holding returns which conditions held, of the bytes that they take.
func (e keptEvent) holding(bytes int) (set uint64) {
	for i := range bytes {
		set |= uint64(e[eventHead+i]) << (8 * i)
	}
	return set
}

// open reads the state of a key up to the event being applied; nil is a key
// never seen. With the last run that expires the key is as if never seen.
func (s *States) open(raw []byte) {
	s.runs, s.kept, s.seq, s.truncated = s.runs[:0], retained{}, 0, false
	if raw != nil {
		s.read(raw)
	}
	if len(s.runs) == 0 {
		s.kept, s.seq, s.truncated = retained{}, 0, false
	}
	if s.seq == math.MaxUint32 {
		s.renumber()
	}
	s.seq++
	if s.rule.Within > 0 {
		s.kept.expire(s.now - s.rule.Within + 1)
	}
}

func (s *States) read(raw []byte) {
	if len(raw) < statesHead || raw[0] != formatStates {
		panic("match: state: unknown format")
	}
	s.truncated = raw[1] != 0
	s.seq = binary.LittleEndian.Uint32(raw[2:])
	s.kept.count = int(binary.LittleEndian.Uint32(raw[6:]))
	size := int(binary.LittleEndian.Uint32(raw[10:]))
	s.kept.b = raw[statesHead : statesHead+size : statesHead+size]
	b := raw[statesHead+size:]
	for len(b) > 0 {
		spot, n := s.automaton.read(b)
		r := live{spot: spot, first: binary.LittleEndian.Uint32(b[n:]), last: binary.LittleEndian.Uint32(b[n+4:]), start: int64(binary.LittleEndian.Uint64(b[n+8:]))}
		b = b[n+runTail:]
		if s.rule.Within > 0 && s.now >= r.start+s.rule.Within {
			continue
		}
		if s.pat.Adjacent && r.last == s.seq {
			r.spot = s.freshOf(spot)
		}
		s.runs = append(s.runs, r)
	}
}

// save writes what is left of the key's state.
func (s *States) save(key []byte, store Store) {
	if len(s.next) == 0 {
		store.Put(key, nil)
		return
	}
	b := append(s.buf[:0], formatStates, 0)
	b = binary.LittleEndian.AppendUint32(b, s.seq)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	s.buf = append(b, s.kept.b...)
	if s.holding != 0 {
		s.retain()
	}
	s.capEvidence()
	b = s.buf
	if s.truncated {
		b[1] = 1
	}
	binary.LittleEndian.PutUint32(b[6:], uint32(s.kept.count))
	binary.LittleEndian.PutUint32(b[10:], uint32(len(b)-statesHead))
	for i := range s.next {
		r := &s.next[i]
		b = append(b, r.spot.form...)
		b = binary.LittleEndian.AppendUint32(b, r.first)
		b = binary.LittleEndian.AppendUint32(b, r.last)
		b = binary.LittleEndian.AppendUint64(b, uint64(r.start))
	}
	s.buf = b
	store.Put(key, b)
}

// retain appends the event being applied to s.buf.
func (s *States) retain() {
	packed := s.pack()
	several := len(s.rule.Streams) > 1
	n := eventHead + s.bits + len(packed)
	if several {
		n++
	}
	b := binary.AppendUvarint(s.buf, uint64(n))
	b = binary.LittleEndian.AppendUint64(b, uint64(s.now))
	b = binary.LittleEndian.AppendUint32(b, s.seq)
	for i := range s.bits {
		b = append(b, byte(s.holding>>(8*i)))
	}
	if several {
		b = append(b, byte(s.asked.stream))
	}
	s.buf = append(b, packed...)
	s.kept.count++
}

// pack returns the compact form of the event being applied.
func (s *States) pack() []byte {
	if sheet := s.sheetNow(); sheet != nil {
		return sheet.pack()
	}
	s.packed = event.AppendEvent(s.packed[:0], s.asked.ev, event.Packing{Base: s.now})
	return s.packed
}

// renumber gives the events numbers from 1 on, the gaps between them kept.
func (s *States) renumber() {
	b := slices.Clone(s.kept.b)
	s.kept.b = b
	if len(b) == 0 {
		return
	}
	e, _ := firstEvent(b)
	less := e.seq() - 1
	for len(b) > 0 {
		e, n := firstEvent(b)
		binary.LittleEndian.PutUint32(e[8:], e.seq()-less)
		b = b[n:]
	}
	for i := range s.runs {
		s.runs[i].first -= less
		s.runs[i].last -= less
	}
	s.seq -= less
}
