package early

import (
	"encoding/binary"
	"errors"
)

// bookFormat is the first byte of a stored Book. Then come the number of notes
// and of periods, as uvarints, and each of them. Numbers are varints, texts
// stand behind their length, ids are 16 bytes.
const bookFormat = 1

var errBook = errors.New("not a book of alerts")

// AppendTo encodes the book at the end of dst.
func (b *Book) AppendTo(dst []byte) []byte {
	dst = append(dst, bookFormat)
	dst = binary.AppendUvarint(dst, uint64(len(b.notes)))
	dst = binary.AppendUvarint(dst, uint64(len(b.periods)))
	for i := range b.notes {
		dst = b.notes[i].appendTo(dst)
	}
	for i := range b.periods {
		p := &b.periods[i]
		dst = append(dst, p.id[:]...)
		dst = appendNumbers(dst, p.start, p.until, int64(p.count), int64(p.version))
		dst = appendText(dst, p.content)
	}
	return dst
}

const finalFlag = 0x80 // beside the status

func (n *note) appendTo(dst []byte) []byte {
	flags := byte(n.status)
	if n.final {
		flags |= finalFlag
	}
	dst = append(append(dst, flags), n.id[:]...)
	if n.status == suppressed {
		dst = append(dst, n.by[:]...)
	}
	dst = appendText(dst, []byte(n.place.Stream))
	dst = appendNumbers(dst, int64(n.slot), int64(n.version), n.place.Time, int64(n.place.Cluster), int64(n.place.Partition), n.place.Offset)
	return appendText(dst, n.content)
}

func appendNumbers(dst []byte, numbers ...int64) []byte {
	for _, n := range numbers {
		dst = binary.AppendVarint(dst, n)
	}
	return dst
}

func appendText(dst, text []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

// Decode reads what AppendTo wrote, in place of what the book said; no bytes
// are an empty book. The book keeps nothing of src.
func (b *Book) Decode(src []byte) error {
	b.notes, b.periods = b.notes[:0], b.periods[:0]
	if len(src) == 0 {
		return nil
	}
	if src[0] != bookFormat {
		return errBook
	}
	r := reader{b: src[1:]}
	notes, periods := r.length(), r.length()
	for range notes {
		b.notes = append(b.notes, r.note())
	}
	for range periods {
		p := period{id: r.id()}
		p.start, p.until, p.count, p.version = r.number(), r.number(), int(r.number()), int(r.number())
		p.content = r.text()
		b.periods = append(b.periods, p)
	}
	if r.bad || len(r.b) > 0 {
		return errBook
	}
	return nil
}

// A reader reads the parts of a book; after bytes that are none it is bad and
// reads zeros.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) note() note {
	flags := r.take(1)
	if r.bad {
		return note{}
	}
	n := note{status: status(flags[0] &^ finalFlag), final: flags[0]&finalFlag != 0, id: r.id()}
	if n.status == suppressed {
		n.by = r.id()
	}
	n.place.Stream = string(r.text())
	n.slot, n.version, n.place.Time = uint32(r.number()), int(r.number()), r.number()
	n.place.Cluster, n.place.Partition, n.place.Offset = uint16(r.number()), int32(r.number()), r.number()
	n.content = r.text()
	return n
}

func (r *reader) take(n uint64) []byte {
	if r.bad || n > uint64(len(r.b)) {
		r.bad = true
		return nil
	}
	part := r.b[:n]
	r.b = r.b[n:]
	return part
}

func (r *reader) id() (id [16]byte) {
	copy(id[:], r.take(uint64(len(id))))
	return id
}

func (r *reader) number() int64 {
	n, w := binary.Varint(r.b)
	if w <= 0 {
		r.bad = true
		return 0
	}
	r.take(uint64(w))
	return n
}

// length reads the length of something that takes at least as many bytes.
func (r *reader) length() uint64 {
	n, w := binary.Uvarint(r.b)
	if w <= 0 || n > uint64(len(r.b)) {
		r.bad = true
		return 0
	}
	r.take(uint64(w))
	return n
}

func (r *reader) text() []byte { return append([]byte(nil), r.take(r.length())...) }
