package match

import (
	"encoding/binary"
	"slices"

	"github.com/caltrop/caltrop/cep/agg"
	"github.com/caltrop/caltrop/cep/expr"
)

// A reader reads an encoded state. The state comes from a checksummed store,
// so bytes that make no sense are a broken invariant: it panics.
type reader struct{ b []byte }

func (r *reader) uint() uint64 {
	if len(r.b) > 0 && r.b[0] < 0x80 {
		v := r.b[0]
		r.b = r.b[1:]
		return uint64(v)
	}
	return r.long()
}

func (r *reader) long() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		panic("match: state: truncated")
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) int() int64 {
	u := r.uint()
	return int64(u>>1) ^ -int64(u&1)
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		panic("match: state: truncated")
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) bytes() []byte {
	return r.take(r.uint())
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		panic("match: state: truncated")
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) lead(base int64) leadTime {
	u := r.uint()
	if u == 0 {
		return leadTime{}
	}
	u--
	return leadTime{at: base + (int64(u>>1) ^ -int64(u&1)), set: true}
}

// decode reads what encode wrote; held events keep pointing into raw.
func (m *Machine) decode(raw []byte) {
	body, tags := readHead(raw).body(), m.tagsOf(raw)
	added := reader{raw[headBytes:]}
	if tags != nil {
		added.take(tagsBytes + uint64(len(tags)))
	}
	r := reader{added.take(uint64(body))}
	st, flags := &m.st, r.uint()
	base := r.int()
	st.capped, st.truncated = flags&flagCapped != 0, flags&flagTruncated != 0
	if flags&flagTimer != 0 {
		st.timer = base + r.int()
	}
	st.seq, st.nextID = r.uint(), uint32(r.uint())
	for i := range st.leads {
		st.leads[i].last = r.lead(base)
		st.leads[i].before = r.lead(base)
	}
	last := base
	for i := range r.uint() {
		last += r.int()
		h := held{time: last, seq: st.seq - r.uint(), role: 1}
		h.raw = r.bytes()
		if tags != nil {
			h.tag = binary.LittleEndian.Uint16(tags[tagBytes*i:])
		}
		st.held = append(st.held, h)
	}
	st.links = r.links(st.links)
	for n := r.uint(); n > 0; n-- {
		st.runs = append(st.runs, run{})
		m.decodeRun(&r, len(st.runs)-1)
	}
	m.decodeAdded(&added, tags)
}

func (r *reader) links(links []link) []link {
	ev, prev := int32(0), int32(0)
	for n := r.uint(); n > 0; n-- {
		e, pos, p, lost := r.four()
		ev, prev = ev+unzigzag(e), prev+unzigzag(p)
		links = append(links, link{event: ev, pos: int32(pos), prev: prev - 1, lost: uint32(lost)})
	}
	return links
}

// four reads what appendFour wrote.
func (r *reader) four() (w, x, y, z uint64) {
	if len(r.b) >= 4 {
		if word := binary.LittleEndian.Uint32(r.b); word&0x80808080 == 0 {
			r.b = r.b[4:]
			return uint64(word & 0xff), uint64(word >> 8 & 0xff), uint64(word >> 16 & 0xff), uint64(word >> 24)
		}
	}
	w, x = r.uint(), r.uint()
	return w, x, r.uint(), r.uint()
}

func (m *Machine) decodeRun(r *reader, at int) {
	c, before := &m.st.runs[at], run{}
	if at > 0 {
		before.id, before.tail = m.st.runs[at-1].id, m.st.runs[at-1].tail
	}
	id, tail, pos, first := r.four()
	c.id, c.tail = before.id+uint32(unzigzag(id)), before.tail+unzigzag(tail)
	c.pos, c.first = int32(pos), int32(first)
	flags := r.byte()
	c.ghost = flags&runGhost != 0
	c.counts = m.newCounts()
	for l := range m.pat.Loops {
		if m.pat.Loops[l].Counted {
			c.counts[l] = int32(r.uint())
		}
	}
	c.alive, _ = m.open(c.pos, c.counts)
	if flags&runAlive != 0 {
		c.alive = r.set()
	}
	if flags&runFaded != 0 {
		c.faded = r.set()
	}
	if flags&runCalm != 0 {
		c.calm = r.set()
	}
	if flags&runDebts != 0 {
		from := len(m.owed)
		for n := r.uint(); n > 0; n-- {
			m.owed = append(m.owed, debt{loop: int32(r.uint()), run: uint32(r.uint())})
		}
		c.debts = slices.Clip(m.owed[from:])
	}
	m.st.links[c.tail].accs = r.accs(m.pat.Aggs)
}

func (r *reader) accs(aggs []expr.Agg) []agg.Acc {
	if len(aggs) == 0 {
		return nil
	}
	accs := make([]agg.Acc, len(aggs))
	for i := range accs {
		rest, err := accs[i].Decode(r.b, aggs[i].Spec)
		if err != nil {
			panic("match: state: " + err.Error())
		}
		r.b = rest
	}
	return accs
}

func (r *reader) set() (s edgeSet) {
	for i := range int(r.byte()) {
		s[i] = r.uint()
	}
	return s
}
