package task

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/caltrop/caltrop/sinks/alert"
	"github.com/caltrop/caltrop/sinks/view"
)

// Progress is what a task commits with its effects: how far it has read and a
// digest of everything it has emitted until there. Two runs that agree in
// both have emitted the same.
type Progress struct {
	Position Position
	Digest   Digest
}

// A Digest is a rolling hash over the (id, version, position) of every alert
// and over every update of a view with its position, in the order emitted.
type Digest [16]byte

// add returns the digest after one more alert.
func (d Digest) add(id alert.ID, version int, at Position) Digest {
	b := make([]byte, 0, len(d)+len(id)+24)
	b = append(append(b, d[:]...), id[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(version))
	b = binary.BigEndian.AppendUint64(b, uint64(at.Offset))
	b = binary.BigEndian.AppendUint64(b, at.Seq)
	sum := sha256.Sum256(b)
	return Digest(sum[:len(d)])
}

// addView returns the digest after one more update of a view, which counts
// with all that is written of it.
func (d Digest) addView(u *view.Update, at Position) Digest {
	b := append([]byte("view"), d[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(at.Offset))
	b = binary.BigEndian.AppendUint64(b, at.Seq)
	sum := sha256.Sum256(u.AppendJSON(b))
	return Digest(sum[:len(d)])
}

// progressFormat is the first byte of a stored progress record.
const progressFormat = 1

var errProgress = errors.New("not a progress record")

// AppendTo encodes the progress at the end of b: a format byte, the position
// and the digest.
func (p Progress) AppendTo(b []byte) []byte {
	b = append(b, progressFormat)
	b = binary.BigEndian.AppendUint64(b, uint64(p.Position.Offset))
	b = binary.BigEndian.AppendUint64(b, p.Position.Seq)
	return append(b, p.Digest[:]...)
}

// DecodeProgress reads what AppendTo wrote.
func DecodeProgress(b []byte) (Progress, error) {
	var p Progress
	if len(b) != 1+8+8+len(p.Digest) {
		return p, fmt.Errorf("%w: %d bytes", errProgress, len(b))
	}
	if b[0] != progressFormat {
		return p, fmt.Errorf("%w: format %d, this build reads %d", errProgress, b[0], progressFormat)
	}
	p.Position.Offset = int64(binary.BigEndian.Uint64(b[1:]))
	p.Position.Seq = binary.BigEndian.Uint64(b[9:])
	copy(p.Digest[:], b[17:])
	return p, nil
}
