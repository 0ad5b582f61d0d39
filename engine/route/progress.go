package route

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/engine/partitioner"
)

// Progress is what a router commits with its frames: all that it needs to go
// on exactly after them, and what others want to know of it.
type Progress struct {
	Next  int64 // the offset to read next
	Mark  int64 // the partition's watermark, µs; 0: no event yet
	First int64 // the watermark after the first event that was read, µs; 0: no event yet
	Idle  int64 // the watermark by the reader's clock, µs, while the partition is idle; else 0
	// Generation is that of the keyed logs that are written to; 0: the job's first.
	Generation int
	// Misplaced tells of the records that their stream's partitioner puts elsewhere.
	Misplaced partitioner.Misplaced
}

const (
	progressFormat = 3 // 1 ended with the mark, 2 had no generation
	progressBytes  = 1 + 8 + 8
)

// ErrProgress is the error of bytes that are no router's progress.
var ErrProgress = errors.New("not a router's progress")

// AppendTo encodes the progress at the end of b.
func (p Progress) AppendTo(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(append(b, progressFormat), uint64(p.Next))
	b = binary.BigEndian.AppendUint64(b, uint64(p.Mark))
	b = binary.AppendVarint(b, p.First)
	b = binary.AppendVarint(b, p.Idle)
	b = binary.AppendUvarint(b, uint64(p.Misplaced.Revision))
	b = binary.AppendUvarint(b, p.Misplaced.Records)
	b = binary.AppendUvarint(b, uint64(p.Misplaced.First))
	b = appendText(b, p.Misplaced.Why)
	return binary.AppendUvarint(b, uint64(p.Generation))
}

// DecodeProgress reads what AppendTo wrote, in this format or an earlier one.
func DecodeProgress(b []byte) (Progress, error) {
	if len(b) < progressBytes || b[0] == 0 || b[0] > progressFormat || b[0] == 1 && len(b) > progressBytes {
		return Progress{}, fmt.Errorf("%w: %d bytes", ErrProgress, len(b))
	}
	p := Progress{Next: int64(binary.BigEndian.Uint64(b[1:])), Mark: int64(binary.BigEndian.Uint64(b[9:]))}
	if b[0] == 1 {
		p.First = p.Mark
		return p, nil
	}
	r := event.Cursor{Buf: b[progressBytes:]}
	p.First, p.Idle = r.Varint(), r.Varint()
	p.Misplaced = partitioner.Misplaced{Revision: int(r.Bounded(math.MaxInt32)), Records: r.Uvarint(), First: int64(r.Uvarint()), Why: string(r.Bytes())}
	if b[0] > 2 {
		p.Generation = int(r.Bounded(math.MaxInt32))
	}
	if !r.Done() {
		return Progress{}, fmt.Errorf("%w: %d bytes", ErrProgress, len(b))
	}
	return p, nil
}
