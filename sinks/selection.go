package sinks

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/caltrop/caltrop/sinks/alert"
)

// Bounds of what a Selection holds back. Past them it reads no further until
// something of it is ripe.
const (
	heldMax      = 10_000
	heldBytesMax = 32 << 20
)

// A HoldingSource is a Source that can keep its place before some records that
// it has handed out.
type HoldingSource interface {
	Source
	// CommitBefore is Commit but for the partitions of held, of which everything
	// before the offset is stored.
	CommitBefore(ctx context.Context, held map[int32]int64) error
}

// A Verdict says what becomes of an alert.
type Verdict uint8

// The verdicts.
const (
	Unwanted Verdict = iota // it is not for this sink
	Silenced                // it would be
	Wanted
)

// A Judge says what becomes of an alert, and from when on. It is asked when the
// alert is read and again when that time has come.
type Judge func(a *alert.Alert) (v Verdict, ripe time.Time)

// A Selection is the part of the alerts topic that goes to one sink: what its
// judge wants, each when it is ripe. An alert that is not waits; a newer version
// of it takes its place, and when that takes it back and no version has gone
// out, neither does this. It belongs to one delivery.
type Selection struct {
	src   HoldingSource
	judge Judge
	o     Options
	held  map[alert.ID]*heldAlert
	bytes int
	ripe  []Message // no alerts: the delivery says so
}

// A heldAlert waits to be ripe.
type heldAlert struct {
	newest  Message
	until   time.Time
	since   int64     // offset of its first version that was held
	unsent  time.Time // before that no version can have gone out, here or at a process before this one
	forgone bool      // the newest version takes back what never went out
}

// Select returns the part of src that judge wants. Of the options it uses Sink,
// Metrics and Status.
func Select(src HoldingSource, judge Judge, o Options) *Selection {
	return &Selection{src: src, judge: judge, o: o, held: map[alert.ID]*heldAlert{}}
}

// Fetch implements Source.
func (s *Selection) Fetch(ctx context.Context) ([]Message, error) {
	for {
		if out := s.take(ctx, time.Now()); len(out) > 0 {
			return out, nil
		}
		next, waiting := s.next()
		if s.full() {
			sleep(ctx, time.Until(next))
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			continue
		}
		reading, cancel := ctx, context.CancelFunc(func() {})
		if waiting {
			reading, cancel = context.WithDeadline(ctx, next)
		}
		batch, err := s.src.Fetch(reading)
		over := reading.Err() != nil && ctx.Err() == nil
		cancel()
		if over && len(batch) == 0 {
			continue
		}
		if err != nil {
			return nil, err
		}
		for i := range batch {
			s.add(ctx, &batch[i])
		}
		return s.take(ctx, time.Now()), nil // maybe none: its place in the topic goes on all the same
	}
}

// Commit implements Source: what is held stays before the place.
func (s *Selection) Commit(ctx context.Context) error {
	held := map[int32]int64{}
	for _, h := range s.held {
		if at, ok := held[h.newest.Partition]; !ok || h.since < at {
			held[h.newest.Partition] = h.since
		}
	}
	return s.src.CommitBefore(ctx, held)
}

func (s *Selection) full() bool { return len(s.held) >= heldMax || s.bytes >= heldBytesMax }

// next is when the first of what is held is ripe.
func (s *Selection) next() (next time.Time, waiting bool) {
	for _, h := range s.held {
		if !waiting || h.until.Before(next) {
			next, waiting = h.until, true
		}
	}
	return next, waiting
}

// add takes one record in.
func (s *Selection) add(ctx context.Context, m *Message) {
	a, err := alert.ParseJSON(m.Value)
	if err != nil {
		s.ripe = append(s.ripe, *m)
		return
	}
	h := s.held[a.ID]
	verdict, until := s.judge(a)
	if verdict == Unwanted && h == nil {
		return
	}
	if h == nil {
		h = &heldAlert{since: m.Offset}
		if a.Version == 1 {
			h.unsent = until
		}
		s.held[a.ID] = h
	} else {
		s.count(ctx, resultReplaced)
	}
	s.bytes += len(m.Value) - len(h.newest.Value)
	h.newest, h.until = *m, until
	h.forgone = a.Status == alert.Retracted && time.Now().Before(h.unsent)
	s.o.Status.change(func(r *Report) { r.Held = len(s.held) })
}

// take returns what is ripe, in the order of the topic.
func (s *Selection) take(ctx context.Context, now time.Time) []Message {
	out := s.ripe
	s.ripe = nil
	for id, h := range s.held {
		if h.until.After(now) {
			continue
		}
		delete(s.held, id)
		s.bytes -= len(h.newest.Value)
		if s.goes(ctx, h) {
			out = append(out, h.newest)
		}
	}
	s.o.Status.change(func(r *Report) { r.Held = len(s.held) })
	slices.SortFunc(out, func(a, b Message) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	return out
}

// goes judges again what is ripe.
func (s *Selection) goes(ctx context.Context, h *heldAlert) bool {
	if h.forgone {
		s.count(ctx, resultReplaced)
		return false
	}
	a, err := alert.ParseJSON(h.newest.Value)
	if err != nil {
		panic(fmt.Sprintf("sinks: an alert that was read before: %v", err)) // nobody writes to it
	}
	switch verdict, _ := s.judge(a); verdict {
	case Silenced:
		s.count(ctx, resultSilenced)
	case Wanted:
		return true
	}
	return false
}

func (s *Selection) count(ctx context.Context, result string) {
	s.o.Metrics.delivered(ctx, s.o.Sink, result, 1)
	s.o.Status.counted(result, 1)
}
