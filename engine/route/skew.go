package route

import "time"

// A Skew compares how far the partitions of one stream have come, to tell which
// is too far ahead of the slowest. It knows of the others what they committed.
type Skew struct {
	parts []part
	first int64 // the least watermark that a partition began with, µs; 0: none yet
}

// A part is what is known of one partition.
type part struct {
	mark int64 // 0: no event yet, as far as is known
	idle bool
}

// NewSkew returns a Skew of so many partitions of which nothing is known.
func NewSkew(partitions int) *Skew { return &Skew{parts: make([]part, partitions)} }

// Note takes note of what a partition's router committed. One of a partition
// that is not counted is nothing.
func (s *Skew) Note(partition int32, p Progress) {
	if partition < 0 || int(partition) >= len(s.parts) {
		return
	}
	s.parts[partition] = part{mark: p.Mark, idle: p.Idle != 0}
	s.begin(p.First)
}

func (s *Skew) begin(first int64) {
	if first != 0 && (s.first == 0 || first < s.first) {
		s.first = first
	}
}

// Ahead tells of a partition whose router has come this far now which other partition is the
// slowest that is not idle, and how far it is ahead of it; by is 0 when none
// is behind. One that has shown no event yet is taken to be where the stream's
// earliest partition began, so that nobody runs away before it comes; with never,
// as nothing would ever make it idle, it does not count.
func (s *Skew) Ahead(partition int32, own Progress, never bool) (slowest int32, by time.Duration) {
	s.begin(own.First)
	least := own.Mark
	for i := range s.parts {
		p := &s.parts[i]
		if int32(i) == partition || p.idle || p.mark == 0 && never {
			continue
		}
		at := p.mark
		if at == 0 {
			at = s.first
		}
		if at < least {
			slowest, least = int32(i), at
		}
	}
	return slowest, time.Duration(own.Mark-least) * time.Microsecond
}
