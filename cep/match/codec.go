package match

import (
	"encoding/binary"

	"github.com/caltrop/caltrop/cep/event"
)

// The state of a key, all numbers varints:
//
//	head        see started.go
//	tags        where the rule has joins: their count in four bytes, then two bytes an event
//	flags       capped, timer, truncated
//	base        µs, signed
//	timer       signed, from base; where flags say that there is one
//	seq, nextID
//	leads       each: last and before, 0 for none, else 1 + zigzag(at - base)
//	events      count, then each: time from the one before, at first
//	            base, signed; seq back from
//	            seq; length; roles where a stream has several; stream where
//	            the rule has several; compact form
//	links       count, then each: event and previous + 1, both from what they
//	            are for the link before, signed; position, lost
//	runs        count, then each: id and tail, both from what they are for the
//	            run before, signed; position, first, flags, the counters of
//	            counted loops, the sets that flags name, the aggregates of
//	            Pattern.Aggs
//	added       to the end, runs that began since, each: time in eight bytes;
//	            length; stream, roles and compact form of the event as above
const formatState = 5

const (
	flagCapped = 1 << iota
	flagTimer
	flagTruncated
)

const (
	runGhost = 1 << iota
	runAlive // alive differs from what the counters allow
	runFaded
	runCalm
	runDebts
)

func (m *Machine) base() int64 {
	for i := range m.st.held {
		if m.st.held[i].ref == 0 {
			return m.st.held[i].time
		}
	}
	return m.now
}

// encode appends what mark left referenced.
func (m *Machine) encode(b []byte) []byte {
	st, base, events := &m.st, m.base(), m.kept()
	b = append(b, formatState)
	b = append(b, make([]byte, headBytes-1)...)
	head(b).setWaits(m.waits())
	head(b).setRoom(m.roomFor(events))
	if n := len(st.runs); n > 0 {
		head(b).setNewest(m.startOf(&st.runs[n-1]))
	}
	b = m.appendTags(b, events)
	from, flags := len(b), uint64(0)
	if st.capped {
		flags |= flagCapped
	}
	if st.timer != 0 {
		flags |= flagTimer
	}
	if st.truncated {
		flags |= flagTruncated
	}
	b = binary.AppendUvarint(b, flags)
	b = binary.AppendVarint(b, base)
	if st.timer != 0 {
		b = binary.AppendVarint(b, st.timer-base)
	}
	b = binary.AppendUvarint(b, st.seq)
	b = binary.AppendUvarint(b, uint64(st.nextID))
	for _, l := range st.leads {
		b = appendLead(b, l.last, base)
		b = appendLead(b, l.before, base)
	}
	b = binary.AppendUvarint(b, uint64(events))
	b = m.encodeEvents(b, base)
	b = m.encodeLinks(b)
	b = m.encodeRuns(b)
	head(b).setBody(len(b) - from)
	return b
}

func appendLead(b []byte, l leadTime, base int64) []byte {
	if !l.set {
		return append(b, 0)
	}
	d := l.at - base
	return binary.AppendUvarint(b, 1+uint64(d<<1^d>>63))
}

func (m *Machine) encodeEvents(b []byte, base int64) []byte {
	st, n := &m.st, int32(0)
	for i := range st.held {
		if st.held[i].ref == 0 {
			st.held[i].ref = n
			n++
		}
	}
	last := base
	for i := range st.held {
		h := &st.held[i]
		if h.ref < 0 {
			continue
		}
		b = binary.AppendVarint(b, h.time-last)
		last = h.time
		b = binary.AppendUvarint(b, st.seq-h.seq)
		if h.raw == nil {
			h.raw = m.encodeEvent(h)
		}
		b = binary.AppendUvarint(b, uint64(len(h.raw)))
		b = append(b, h.raw...)
	}
	return b
}

// encodeEvent returns the stream, where the rule has several, and the compact
// form of an event that is new to the state.
func (m *Machine) encodeEvent(h *held) []byte {
	b := m.scratch[:0]
	if m.layout.roled {
		b = append(b, byte(h.role))
	}
	if len(m.rule.Streams) > 1 {
		b = append(b, byte(m.stream))
	}
	m.scratch = event.AppendEvent(b, h.ev, event.Packing{Base: h.time, Layouts: true})
	return m.scratch
}

func (m *Machine) decodeEvent(h *held, ev *event.Event) {
	stream, raw := m.packed(h)
	schema := m.rule.Streams[stream]
	if _, err := event.DecodeEvent(schema, raw, ev, event.Packing{Base: h.time, Layouts: true}); err != nil {
		panic("match: state: " + err.Error())
	}
	ev.Schema = schema
}

// glance decodes what conditions read of an event.
func (m *Machine) glance(h *held, ev *event.Event) {
	stream, raw := m.packed(h)
	if err := m.glances[stream].Decode(m.rule.Streams[stream], raw, ev, event.Packing{Base: h.time, Layouts: true}); err != nil {
		panic("match: state: " + err.Error())
	}
}

// packed returns the stream of a held event and its compact form.
func (m *Machine) packed(h *held) (stream int, raw []byte) {
	raw = h.raw
	if m.layout.roled {
		h.role, raw = uint64(raw[0]), raw[1:]
	}
	if len(m.rule.Streams) > 1 {
		stream, raw = int(raw[0]), raw[1:]
	}
	return stream, raw
}

func (m *Machine) encodeLinks(b []byte) []byte {
	st, n := &m.st, int32(0)
	for i := range st.links {
		if st.links[i].ref == 0 {
			st.links[i].ref = n
			n++
		}
	}
	b = binary.AppendUvarint(b, uint64(n))
	ev, before := int32(0), int32(0)
	for i := range st.links {
		l := &st.links[i]
		if l.ref < 0 {
			continue
		}
		prev := int32(0)
		if l.prev >= 0 {
			prev = st.links[l.prev].ref + 1
		}
		at := st.held[l.event].ref
		b = appendFour(b, zigzag(at-ev), uint64(l.pos), zigzag(prev-before), uint64(l.lost))
		ev, before = at, prev
	}
	return b
}

func zigzag(n int32) uint64 { return uint64(uint32(n<<1 ^ n>>31)) }

func unzigzag(n uint64) int32 { return int32(uint32(n)>>1) ^ -int32(n&1) }

// appendFour writes four numbers, most of which are small.
func appendFour(b []byte, w, x, y, z uint64) []byte {
	if w|x|y|z < 0x80 {
		return append(b, byte(w), byte(x), byte(y), byte(z))
	}
	for _, n := range [...]uint64{w, x, y, z} {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

func (m *Machine) encodeRuns(b []byte) []byte {
	st := &m.st
	b = binary.AppendUvarint(b, uint64(len(st.runs)))
	id, last := uint32(0), int32(0)
	for i := range st.runs {
		r := &st.runs[i]
		tail := st.links[r.tail].ref
		b = appendFour(b, zigzag(int32(r.id-id)), zigzag(tail-last), uint64(r.pos), uint64(st.held[r.first].ref))
		id, last = r.id, tail
		flags := m.runFlags(r)
		b = append(b, flags)
		for l := range m.pat.Loops {
			if m.pat.Loops[l].Counted {
				b = binary.AppendUvarint(b, uint64(r.counts[l]))
			}
		}
		b = appendRunSets(b, r, flags)
		for l, acc := range st.links[r.tail].accs {
			b = acc.AppendTo(b, m.pat.Aggs[l].Spec)
		}
	}
	return b
}

func (m *Machine) runFlags(r *run) (flags byte) {
	full, _ := m.open(r.pos, r.counts)
	if r.ghost {
		flags |= runGhost
	}
	if r.alive != full {
		flags |= runAlive
	}
	if !r.faded.empty() {
		flags |= runFaded
	}
	if !r.calm.empty() {
		flags |= runCalm
	}
	if len(r.debts) > 0 {
		flags |= runDebts
	}
	return flags
}

func appendRunSets(b []byte, r *run, flags byte) []byte {
	if flags&runAlive != 0 {
		b = r.alive.append(b)
	}
	if flags&runFaded != 0 {
		b = r.faded.append(b)
	}
	if flags&runCalm != 0 {
		b = r.calm.append(b)
	}
	if flags&runDebts != 0 {
		b = binary.AppendUvarint(b, uint64(len(r.debts)))
		for _, d := range r.debts {
			b = binary.AppendUvarint(b, uint64(d.loop))
			b = binary.AppendUvarint(b, uint64(d.run))
		}
	}
	return b
}

// append writes the words of a set up to the last that is not zero.
func (s *edgeSet) append(b []byte) []byte {
	n := len(s)
	for n > 0 && s[n-1] == 0 {
		n--
	}
	b = append(b, byte(n))
	for _, w := range s[:n] {
		b = binary.AppendUvarint(b, w)
	}
	return b
}
