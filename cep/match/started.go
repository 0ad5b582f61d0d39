package match

import (
	"encoding/binary"
	"math"

	"github.com/caltrop/caltrop/cep/prog"
)

// This file lets an event that does no more than start a run be added to the
// state of its key without reading that: the run stands behind the body as what it
// began with, until the state is written anew.

// The head of a state, numbers little-endian.
type head []byte

const (
	headWaits  = 1  // 8 bytes: the conditions of which one must hold for a run to move
	headNewest = 9  // 4: a run that is there began at or after it, s; 0: nothing is known
	headRoom   = 13 // 1: how many runs may still be added
	headBody   = 14 // 4: length of the body
	headBytes  = 18
)

func (h head) waits() uint64  { return binary.LittleEndian.Uint64(h[headWaits:]) }
func (h head) newest() int64  { return int64(binary.LittleEndian.Uint32(h[headNewest:])) * 1e6 }
func (h head) room() byte     { return h[headRoom] }
func (h head) body() int      { return int(binary.LittleEndian.Uint32(h[headBody:])) }
func (h head) setBody(n int)  { binary.LittleEndian.PutUint32(h[headBody:], uint32(n)) }
func (h head) setRoom(n byte) { h[headRoom] = n }

func (h head) setWaits(set uint64) { binary.LittleEndian.PutUint64(h[headWaits:], set) }

func (h head) setNewest(at int64) {
	if s := at / 1e6; s > 0 && s <= math.MaxUint32 {
		binary.LittleEndian.PutUint32(h[headNewest:], uint32(s))
	}
}

// live reports whether a run of the state is surely not over.
func (h head) live(now, within int64) bool {
	return within == 0 || h.newest() > 0 && now < h.newest()+within
}

// readHead returns the head of a state.
func readHead(raw []byte) head {
	if len(raw) < headBytes || raw[0] != formatState {
		panic("match: state: unknown format")
	}
	return head(raw[:headBytes])
}

// The least and the most runs that are added before a state is written anew,
// which lets go of what is over: about a quarter of those that it has.
const (
	addedMin = 8
	addedMax = math.MaxUint8
)

// roomFor returns how many runs may be added to the state as it is written with
// so many events, within the limits.
func (m *Machine) roomFor(events int) byte {
	if m.layout.starter == nil {
		return 0
	}
	runs := len(m.st.runs)
	few := min(max(runs/4, addedMin), addedMax)
	return byte(max(0, min(m.rule.Limits.Evidence-events, m.rule.Limits.RunsPerKey-runs, few)))
}

// starterOf returns the edge that starts the runs of a pattern; nil where an event
// that starts one may do anything else.
func starterOf(p *prog.Pattern) *prog.Edge {
	if len(p.Start) != 1 || len(p.Start[0].Guards)+len(p.Leads)+len(p.Aggs) > 0 || p.Adjacent || p.Trailing {
		return nil
	}
	e := &p.Start[0]
	for i := range p.Follow[e.To] {
		if p.Follow[e.To][i].Kind != prog.Take {
			return nil
		}
	}
	return e
}

// add adds the run that the event starts, if it starts one, to a state; false where
// the event may do something else to it.
func (m *Machine) add(key, raw []byte, s Store) bool {
	h := readHead(raw)
	if h.room() == 0 || !h.live(m.now, m.rule.Within) || m.anyMet(h.waits(), m.tagsOf(raw)) {
		return false
	}
	e := m.layout.starter
	if !m.begun(e) {
		return true
	}
	b := append(m.buf[:0], raw[:headBytes]...)
	for _, waits := range m.layout.waits[e.To] {
		head(b).setWaits(head(b).waits() | waits)
	}
	head(b).setNewest(m.now)
	head(b).setRoom(h.room() - 1)
	rest := raw[headBytes:]
	if m.layout.joining != nil {
		tags := m.tagsOf(raw)
		b = append(binary.LittleEndian.AppendUint32(b, uint32(len(tags)/tagBytes+1)), tags...)
		b = binary.LittleEndian.AppendUint16(b, m.tag())
		rest = rest[tagsBytes+len(tags):]
	}
	b = binary.LittleEndian.AppendUint64(append(b, rest...), uint64(m.now))
	packed := m.encodeEvent(&held{time: m.now, ev: m.ev, role: m.roles})
	m.buf = append(binary.AppendUvarint(b, uint64(len(packed))), packed...)
	s.Put(key, m.buf)
	return true
}

// decodeAdded reads the runs that add has added.
func (m *Machine) decodeAdded(r *reader, tags []byte) {
	st, e := &m.st, m.layout.starter
	for len(r.b) > 0 {
		st.seq++
		at := int32(len(st.held))
		h := held{time: int64(binary.LittleEndian.Uint64(r.take(8))), seq: st.seq, role: 1, raw: r.bytes()}
		if tags != nil {
			h.tag = binary.LittleEndian.Uint16(tags[tagBytes*at:])
		}
		st.held = append(st.held, h)
		st.links = append(st.links, link{event: at, pos: int32(e.To), prev: -1})
		c := run{id: st.nextID, pos: int32(e.To), tail: int32(len(st.links)) - 1, first: at, counts: m.newCounts()}
		c.alive, _ = m.open(c.pos, c.counts)
		st.nextID++
		st.runs = append(st.runs, c)
	}
}
