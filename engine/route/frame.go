package route

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/engine/task"
)

// The layout of a frame. Numbers are varints, signed ones zigzag; texts stand
// behind their length.
//
//	format        one byte: 1
//	flags         one byte: which of the times follow
//	stream        text, then its revision
//	fingerprint   8 bytes, little-endian: of the schema that the rows have
//	topic         text: begins the ids of events that bring none
//	cluster, partition, partitions   of the source
//	mark          signed, with flagMark: the source partition's watermark, µs
//	idle          signed, with flagIdle: the watermark by its reader's clock
//	rows          how many
//	base          with rows: time, signed, and offset, that rows count from
//	row           the compact form of an event (package event), in order
const (
	frameFormat = 1
	flagMark    = 1
	flagIdle    = 2
	headerBytes = 128 // about
	rowBytesMin = 6
)

// ErrFrame is the error of bytes that are no frame.
var ErrFrame = errors.New("not a frame")

// A Header is what a frame says besides its rows.
type Header struct {
	Source      task.Source
	Ref         task.Ref // the revision of the stream that the rows are of
	Fingerprint uint64
	Partitions  int
	Mark, Idle  int64 // as task.Frame has them
}

// An origin is what rows count from.
type origin struct{ time, offset int64 }

// appendRow appends a row. The event's partition is the frame's.
func appendRow(b []byte, ev *event.Event, offset int64, base origin) []byte {
	ev.Cluster, ev.Partition, ev.Offset = 0, 0, offset-base.offset
	return event.AppendEvent(b, ev, event.Packing{Base: base.time})
}

func appendFrame(b []byte, h *Header, base origin, n int, rows []byte) []byte {
	flags := byte(0)
	if h.Mark != 0 {
		flags |= flagMark
	}
	if h.Idle != 0 {
		flags |= flagIdle
	}
	b = append(b, frameFormat, flags)
	b = appendText(b, h.Source.Stream)
	b = binary.AppendUvarint(b, uint64(h.Ref.Revision))
	b = binary.LittleEndian.AppendUint64(b, h.Fingerprint)
	b = appendText(b, h.Source.Origin)
	b = binary.AppendUvarint(b, uint64(h.Source.Cluster))
	b = binary.AppendUvarint(b, uint64(h.Source.Partition))
	b = binary.AppendUvarint(b, uint64(h.Partitions))
	if h.Mark != 0 {
		b = binary.AppendVarint(b, h.Mark)
	}
	if h.Idle != 0 {
		b = binary.AppendVarint(b, h.Idle)
	}
	b = binary.AppendUvarint(b, uint64(n))
	if n > 0 {
		b = binary.AppendVarint(b, base.time)
		b = binary.AppendUvarint(b, uint64(base.offset))
	}
	return append(b, rows...)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// A Decoder reads frames.
type Decoder struct {
	// Schema returns the schema of a stream revision.
	Schema func(task.Ref) (*event.Schema, error)
	// Event returns an empty event to fill.
	Event func() *event.Event
}

// Decode reads a frame into f, whose space is used again. The texts of its
// events are fresh memory; b is not kept. An error matches ErrFrame when b is
// no frame; else the schema was not to be had. It leaves f undefined.
func (d *Decoder) Decode(b []byte, f *task.Frame) error {
	r := reader{b: b}
	h := r.header()
	n := r.uvarint()
	if r.bad || n > uint64(len(r.b)/rowBytesMin) {
		return fmt.Errorf("%w: its head", ErrFrame)
	}
	*f = task.Frame{Source: h.Source, Partitions: h.Partitions, Mark: h.Mark, Idle: h.Idle, Events: f.Events[:0]}
	if n == 0 {
		return r.end()
	}
	schema, err := d.Schema(h.Ref)
	if err != nil {
		return fmt.Errorf("reading a frame of %s/%d: %w", h.Ref.Name, h.Ref.Revision, err)
	}
	if schema.Fingerprint() != h.Fingerprint {
		return fmt.Errorf("%w: its rows are not of stream %s/%d as it is known here", ErrFrame, h.Ref.Name, h.Ref.Revision)
	}
	base := origin{time: r.varint(), offset: int64(r.uvarint())}
	for range n {
		if r.bad {
			break
		}
		ev := d.Event()
		rest, err := event.DecodeEvent(schema, r.b, ev, event.Packing{Base: base.time})
		if err != nil {
			return fmt.Errorf("%w: row %d: %w", ErrFrame, len(f.Events), err)
		}
		r.b = rest
		ev.Cluster, ev.Partition = h.Source.Cluster, h.Source.Partition
		ev.Offset += base.offset
		f.Events = append(f.Events, ev)
	}
	return r.end()
}

type reader struct {
	b   []byte
	bad bool
}

func (r *reader) header() Header {
	var h Header
	flags := byte(0)
	if len(r.b) < 2 || r.b[0] != frameFormat || r.b[1]&^(flagMark|flagIdle) != 0 {
		r.bad = true
		return h
	}
	flags, r.b = r.b[1], r.b[2:]
	h.Source.Stream = r.text()
	h.Ref = task.Ref{Name: h.Source.Stream, Revision: int(r.bounded(math.MaxInt32))}
	if r.bad = r.bad || len(r.b) < 8; r.bad {
		return h
	}
	h.Fingerprint, r.b = binary.LittleEndian.Uint64(r.b), r.b[8:]
	h.Source.Origin = r.text()
	h.Source.Cluster = uint16(r.bounded(math.MaxUint16))
	h.Source.Partition = int32(r.bounded(partitionsMax))
	h.Partitions = int(r.bounded(partitionsMax))
	if flags&flagMark != 0 {
		h.Mark = r.varint()
	}
	if flags&flagIdle != 0 {
		h.Idle = r.varint()
	}
	return h
}

// partitionsMax bounds what a frame may say of its source: a task keeps a place
// for each partition.
const partitionsMax = 100_000

func (r *reader) end() error {
	if r.bad || len(r.b) > 0 {
		return fmt.Errorf("%w: its rows", ErrFrame)
	}
	return nil
}

func (r *reader) uvarint() uint64 {
	n, w := binary.Uvarint(r.b)
	if r.bad || w <= 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[w:]
	return n
}

func (r *reader) varint() int64 {
	n := r.uvarint()
	return int64(n>>1) ^ -int64(n&1)
}

func (r *reader) bounded(limit uint64) uint64 {
	n := r.uvarint()
	if n > limit {
		r.bad = true
		return 0
	}
	return n
}

func (r *reader) text() string {
	n := r.uvarint()
	if r.bad || n > uint64(len(r.b)) {
		r.bad = true
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}
