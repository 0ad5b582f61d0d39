package route

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Progress is what a router commits with its frames: all that it needs to go
// on exactly after them.
type Progress struct {
	Next int64 // the offset to read next
	Mark int64 // the partition's watermark, µs; 0: no event yet
}

const progressFormat = 1

// ErrProgress is the error of bytes that are no router's progress.
var ErrProgress = errors.New("not a router's progress")

// AppendTo encodes the progress at the end of b.
func (p Progress) AppendTo(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(append(b, progressFormat), uint64(p.Next))
	return binary.BigEndian.AppendUint64(b, uint64(p.Mark))
}

// DecodeProgress reads what AppendTo wrote.
func DecodeProgress(b []byte) (Progress, error) {
	if len(b) != 1+8+8 || b[0] != progressFormat {
		return Progress{}, fmt.Errorf("%w: %d bytes", ErrProgress, len(b))
	}
	return Progress{Next: int64(binary.BigEndian.Uint64(b[1:])), Mark: int64(binary.BigEndian.Uint64(b[9:]))}, nil
}
