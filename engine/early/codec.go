package early

import (
	"encoding/binary"
	"errors"

	"github.com/caltrop/caltrop/cep/event"
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
// are an empty book. The book keeps nothing of src, but one copy of it.
func (b *Book) Decode(src []byte) error {
	b.notes, b.periods, b.fresh = b.notes[:0], b.periods[:0], b.fresh[:0]
	b.text = append(b.text[:0], src...)
	if len(src) == 0 {
		return nil
	}
	if src[0] != bookFormat {
		return errBook
	}
	r := event.Cursor{Buf: b.text[1:]}
	notes, periods := r.Count(), r.Count()
	for stream := ""; notes > 0; notes-- {
		n := readNote(&r, stream)
		b.notes, stream = append(b.notes, n), n.place.Stream
	}
	for range periods {
		p := period{id: readID(&r)}
		p.start, p.until, p.count, p.version = r.Varint(), r.Varint(), int(r.Varint()), int(r.Varint())
		p.content = r.Bytes()
		b.periods = append(b.periods, p)
	}
	if !r.Done() {
		return errBook
	}
	return nil
}

// readNote reads a note, whose stream is likely that of the one before.
func readNote(r *event.Cursor, likely string) note {
	flags := r.Byte()
	n := note{status: status(flags &^ finalFlag), final: flags&finalFlag != 0, id: readID(r)}
	if n.status == suppressed {
		n.by = readID(r)
	}
	if stream := r.Bytes(); string(stream) == likely {
		n.place.Stream = likely
	} else {
		n.place.Stream = string(stream)
	}
	n.slot, n.version, n.place.Time = uint32(r.Varint()), int(r.Varint()), r.Varint()
	n.place.Cluster, n.place.Partition, n.place.Offset = uint16(r.Varint()), int32(r.Varint()), r.Varint()
	n.content = r.Bytes()
	return n
}

func readID(r *event.Cursor) (id [16]byte) {
	copy(id[:], r.Take(uint64(len(id))))
	return id
}
