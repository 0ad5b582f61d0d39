package rules

import (
	"context"
	"errors"
)

// A Log is the ordered record of all documents: the compacted topic
// caltrop.rules, or a slice in tests. Entries are keyed, so compaction keeps
// the last value of each key; the registry writes revision keys once only, so
// that nothing it needs is ever compacted away.
//
// Both methods may be called at the same time from several goroutines.
type Log interface {
	// Tail hands every committed entry after offset after (-1: all of them) to
	// apply, in the log's order, and goes on with new ones as they come. It
	// calls caughtUp once, when the entries that existed at the call have been
	// handed over. It returns ctx.Err() when ctx ends, apply's error when apply
	// fails, or the error of reading; it never returns nil.
	Tail(ctx context.Context, after int64, apply func(Entry) error, caughtUp func()) error
	// Append writes records as one unit at the log's end if the last committed
	// entry is the one at offset last (-1: the log is empty), and returns the
	// offset of the last record written. Where another writer came first it
	// writes nothing and returns an error that matches ErrConflict. After any
	// other error the outcome is unknown: the tail tells. With no records it
	// only looks whether the log has grown.
	//
	// On Kafka all writers share one transactional id, each Append makes its
	// own producer: InitTransactions (which fences every other writer), commit
	// a mark at the end, read on from last+1 (read committed) to the mark, give
	// up with ErrConflict if anything else is there, else produce and commit;
	// being fenced on the way is ErrConflict too. So two writers can never both
	// pass the check, whatever end of the topic a recovering broker shows.
	Append(ctx context.Context, last int64, records []Record) (int64, error)
}

// ErrConflict says that the log has grown since its writer last looked.
var ErrConflict = errors.New("the rules log has moved on")

// A Record is one keyed value to write. A nil Value deletes the key.
type Record struct {
	Key   string
	Value []byte
}

// An Entry is a record at its place in the log.
type Entry struct {
	Offset int64
	Record
}
