package rules

import (
	"context"
	"fmt"
	"sync"
)

// MemoryLog is a Log in the heap, for tests and for tools that run without a
// broker. The zero value is an empty log. It is safe for concurrent use.
type MemoryLog struct {
	mu struct {
		sync.Mutex
		entries []Entry
		grown   chan struct{} // closed at the next Append; nil when nobody waits
	}
}

var _ Log = (*MemoryLog)(nil)

// Tail implements Log.
func (l *MemoryLog) Tail(ctx context.Context, after int64, apply func(Entry) error, caughtUp func()) error {
	end := l.end()
	for next := after + 1; ; next++ {
		if next == max(end, after+1) {
			caughtUp()
		}
		e, err := l.wait(ctx, next)
		if err != nil {
			return err
		}
		if err := apply(e); err != nil {
			return err
		}
	}
}

// Append implements Log.
func (l *MemoryLog) Append(_ context.Context, last int64, records []Record) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	end := int64(len(l.mu.entries)) - 1
	if end != last {
		return 0, fmt.Errorf("appending after %d, the log ends at %d: %w", last, end, ErrConflict)
	}
	for _, r := range records {
		end++
		l.mu.entries = append(l.mu.entries, Entry{Offset: end, Record: r})
	}
	if l.mu.grown != nil {
		close(l.mu.grown)
		l.mu.grown = nil
	}
	return end, nil
}

func (l *MemoryLog) end() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(len(l.mu.entries))
}

// wait returns the entry at offset, once there is one.
func (l *MemoryLog) wait(ctx context.Context, offset int64) (Entry, error) {
	for {
		l.mu.Lock()
		if offset < int64(len(l.mu.entries)) {
			e := l.mu.entries[offset]
			l.mu.Unlock()
			return e, nil
		}
		if l.mu.grown == nil {
			l.mu.grown = make(chan struct{})
		}
		grown := l.mu.grown
		l.mu.Unlock()
		select {
		case <-grown:
		case <-ctx.Done():
			return Entry{}, ctx.Err()
		}
	}
}
