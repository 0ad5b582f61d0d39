package match

import (
	"encoding/binary"
	"math"

	"github.com/caltrop/caltrop/cep/event"
)

// The state of a key under a States, numbers varints unless said otherwise:
//
//	format      1 byte
//	flags       1 byte; 1: truncated
//	seq         the number of the latest event, 4 bytes, little-endian
//	before      time, 8 bytes, and seq minus number of an event before the first
//	last        time since before, and seq minus number, of the last event kept
//	count       of retained events
//	size        of them in bytes
//	events      each: length of the rest; time and number since the event
//	            before; which conditions held, a bit each; stream where the rule
//	            has several; compact form
//	runs        to the end, each: the spot's form; first and last event, as seq
//	            minus the number; time of the first since before
const (
	formatStates = 4
	statesHead   = 14 // bytes of fixed length
)

// retained are the events of a key that may be evidence, encoded. The bytes
// are the store's until they are written anew.
type retained struct {
	b      []byte
	count  int
	before instant
	last   instant
	bits   int // bytes that conditions take
}

// An instant is the time and number of an event.
type instant struct {
	time int64
	seq  uint32
}

// A keptEvent is a retained event.
type keptEvent struct {
	instant
	size    int // with its length
	holding uint64
	rest    []byte // stream and compact form
}

// at reads the event that b begins with, which follows the one at before.
func (r *retained) at(b []byte, before instant) (e keptEvent) {
	d := reader{b}
	n := int(d.uint())
	e.size = len(b) - len(d.b) + n
	e.time = before.time + int64(d.uint())
	e.seq = before.seq + uint32(d.uint())
	for i := range r.bits {
		e.holding |= uint64(d.b[i]) << (8 * i)
	}
	e.rest = b[len(b)-len(d.b)+r.bits : e.size]
	return e
}

// drop drops, from the front, the events from before a time and those up to a
// number.
func (r *retained) drop(before int64, upTo uint32) {
	for len(r.b) > 0 {
		e := r.at(r.b, r.before)
		if e.time >= before && e.seq > upTo {
			return
		}
		r.b, r.before = r.b[e.size:], e.instant
		r.count--
	}
}

// append appends an event that follows the one at last.
func (r *retained) append(b []byte, e *keptEvent, last instant) []byte {
	d := e.since(last)
	b = binary.AppendUvarint(b, uint64(len(d.bytes())+r.bits+len(e.rest)))
	b = append(b, d.bytes()...)
	for i := range r.bits {
		b = append(b, byte(e.holding>>(8*i)))
	}
	return append(b, e.rest...)
}

// A distance is an encoded time and number since another event.
type distance struct {
	b [2 * binary.MaxVarintLen64]byte
	n int
}

func (e *keptEvent) since(last instant) (d distance) {
	d.n = binary.PutUvarint(d.b[:], uint64(e.time-last.time))
	d.n += binary.PutUvarint(d.b[d.n:], uint64(e.seq-last.seq))
	return d
}

func (d *distance) bytes() []byte { return d.b[:d.n] }

// open reads the state of a key up to the event being applied; nil is a key
// never seen. With the last run that expires the key is as if never seen.
func (s *States) open(raw []byte) {
	s.runs = s.runs[:0]
	s.forgetKey()
	if raw != nil {
		s.read(raw)
	}
	if len(s.runs) == 0 {
		s.forgetKey()
	}
	if s.seq == math.MaxUint32 {
		s.renumber()
	}
	s.seq++
	if s.rule.Within > 0 {
		s.kept.drop(s.now-s.rule.Within+1, 0)
	}
}

func (s *States) forgetKey() {
	s.kept, s.seq, s.truncated = retained{bits: s.bits, before: instant{time: s.now}, last: instant{time: s.now}}, 0, false
}

func (s *States) read(raw []byte) {
	if len(raw) < statesHead || raw[0] != formatStates {
		panic("match: state: unknown format")
	}
	s.truncated = raw[1] != 0
	s.seq = binary.LittleEndian.Uint32(raw[2:])
	k, r := &s.kept, reader{raw[statesHead:]}
	k.before.time = int64(binary.LittleEndian.Uint64(raw[6:]))
	k.before.seq = s.seq - uint32(r.uint())
	k.last = instant{k.before.time + int64(r.uint()), s.seq - uint32(r.uint())}
	k.count = int(r.uint())
	k.b = r.bytes()
	for len(r.b) > 0 {
		spot, n := s.automaton.read(r.b)
		r.b = r.b[n:]
		run := live{spot: spot, first: s.seq - uint32(r.uint()), last: s.seq - uint32(r.uint()), start: k.before.time + int64(r.uint())}
		if s.rule.Within > 0 && s.now >= run.start+s.rule.Within {
			continue
		}
		if s.pat.Adjacent && run.last == s.seq {
			run.spot = s.freshOf(spot)
		}
		s.runs = append(s.runs, run)
	}
}

// encode returns what is left of the key's state, nil where nothing is. It is
// valid until the next call.
func (s *States) encode() []byte {
	if len(s.next) == 0 {
		return nil
	}
	k := &s.kept
	s.events = append(s.events[:0], k.b...)
	if s.holding != 0 {
		s.retain()
	}
	s.capEvidence()
	flags := byte(0)
	if s.truncated {
		flags = 1
	}
	b := binary.LittleEndian.AppendUint32(append(s.buf[:0], formatStates, flags), s.seq)
	b = binary.LittleEndian.AppendUint64(b, uint64(k.before.time))
	b = binary.AppendUvarint(b, uint64(s.seq-k.before.seq))
	b = binary.AppendUvarint(b, uint64(k.last.time-k.before.time))
	b = binary.AppendUvarint(b, uint64(s.seq-k.last.seq))
	b = binary.AppendUvarint(b, uint64(k.count))
	b = binary.AppendUvarint(b, uint64(len(s.events)))
	b = append(b, s.events...)
	for i := range s.next {
		r := &s.next[i]
		b = append(b, r.spot.form...)
		b = binary.AppendUvarint(b, uint64(s.seq-r.first))
		b = binary.AppendUvarint(b, uint64(s.seq-r.last))
		b = binary.AppendUvarint(b, uint64(r.start-k.before.time))
	}
	s.buf = b
	return b
}

// retain appends the event being applied to s.events.
func (s *States) retain() {
	e := keptEvent{instant: instant{s.now, s.seq}, holding: s.holding, rest: s.pack()}
	if len(s.rule.Streams) > 1 {
		s.tagged = append(append(s.tagged[:0], byte(s.asked.stream)), e.rest...)
		e.rest = s.tagged
	}
	s.events = s.kept.append(s.events, &e, s.kept.last)
	s.kept.last = e.instant
	s.kept.count++
}

// pack returns the compact form of the event being applied.
func (s *States) pack() []byte {
	if sheet := s.sheetNow(); sheet != nil {
		return sheet.pack()
	}
	s.packed = event.AppendEvent(s.packed[:0], s.asked.ev, event.Packing{Base: s.now, Layouts: true})
	return s.packed
}

// renumber gives the events numbers from 1 on, the gaps between them kept.
func (s *States) renumber() {
	less := s.kept.before.seq
	for i := range s.runs {
		s.runs[i].first -= less
		s.runs[i].last -= less
	}
	s.seq -= less
	s.kept.before.seq, s.kept.last.seq = 0, s.kept.last.seq-less
}
