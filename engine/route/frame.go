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
//	flags         one byte: which of the times follow; flagLast: the source
//	              partition sends nothing more to this log
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
	flagLast    = 4
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
	Last        bool  // likewise
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
	if h.Last {
		flags |= flagLast
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
	r := event.Cursor{Buf: b}
	h := readHeader(&r)
	n := r.Uvarint()
	if r.Bad || n > uint64(len(r.Buf)/rowBytesMin) {
		return fmt.Errorf("%w: its head", ErrFrame)
	}
	*f = task.Frame{Source: h.Source, Partitions: h.Partitions, Mark: h.Mark, Idle: h.Idle, Last: h.Last, Events: f.Events[:0]}
	if n == 0 {
		return readEnd(&r)
	}
	schema, err := d.Schema(h.Ref)
	if err != nil {
		return fmt.Errorf("reading a frame of %s/%d: %w", h.Ref.Name, h.Ref.Revision, err)
	}
	if schema.Fingerprint() != h.Fingerprint {
		return fmt.Errorf("%w: its rows are not of stream %s/%d as it is known here", ErrFrame, h.Ref.Name, h.Ref.Revision)
	}
	base := origin{time: r.Varint(), offset: int64(r.Uvarint())}
	for range n {
		if r.Bad {
			break
		}
		ev := d.Event()
		rest, err := event.DecodeEvent(schema, r.Buf, ev, event.Packing{Base: base.time})
		if err != nil {
			return fmt.Errorf("%w: row %d: %w", ErrFrame, len(f.Events), err)
		}
		r.Buf = rest
		ev.Cluster, ev.Partition = h.Source.Cluster, h.Source.Partition
		ev.Offset += base.offset
		f.Events = append(f.Events, ev)
	}
	return readEnd(&r)
}

func readHeader(r *event.Cursor) Header {
	var h Header
	format, flags := r.Byte(), r.Byte()
	if format != frameFormat || flags&^(flagMark|flagIdle|flagLast) != 0 {
		r.Bad = true
		return h
	}
	h.Last = flags&flagLast != 0
	h.Source.Stream = string(r.Bytes())
	h.Ref = task.Ref{Name: h.Source.Stream, Revision: int(r.Bounded(math.MaxInt32))}
	h.Fingerprint = r.Uint64()
	h.Source.Origin = string(r.Bytes())
	h.Source.Cluster = uint16(r.Bounded(math.MaxUint16))
	h.Source.Partition = int32(r.Bounded(partitionsMax))
	h.Partitions = int(r.Bounded(partitionsMax))
	if flags&flagMark != 0 {
		h.Mark = r.Varint()
	}
	if flags&flagIdle != 0 {
		h.Idle = r.Varint()
	}
	return h
}

// partitionsMax bounds what a frame may say of its source: a task keeps a place
// for each partition.
const partitionsMax = 100_000

func readEnd(r *event.Cursor) error {
	if !r.Done() {
		return fmt.Errorf("%w: its rows", ErrFrame)
	}
	return nil
}
