// Package sinks carries alerts from the alerts topic to histories: it owns the
// record a sink stores, the loop that delivers records and never gives up, and
// the words in which a sink says what it could not store. The topic is the
// source of truth; a sink may be slow, down or rebuilt from the topic. Drivers
// are in the folders below; they meet a source only in cmd.
package sinks

import (
	"context"
	"fmt"
	"strings"

	"github.com/caltrop/caltrop/sinks/alert"
)

// A Record is one alert version as a sink stores it.
type Record struct {
	ID      alert.ID
	Version int
	Status  alert.Status
	Rule    string // as alert.Places has it
	Key     string // likewise
	At      int64  // event time, µs
	JSON    []byte // the alert object

	Partition int32 // where it stands in the topic
	Offset    int64
}

// ParseRecord reads the value of a record of the alerts topic. The record
// shares its bytes.
func ParseRecord(value []byte) (Record, error) {
	a, err := alert.ParseJSON(value)
	if err != nil {
		return Record{}, err
	}
	rule, key := a.Places()
	return Record{ID: a.ID, Version: a.Version, Status: a.Status, Rule: rule, Key: key, At: a.At, JSON: value}, nil
}

// Newer reports whether r replaces the stored version.
func (r *Record) Newer(stored int) bool { return r.Version > stored }

// A Writer stores alert versions. Writing a record again, or a version older
// than the stored one, changes nothing. Nil means that every record is
// durable; a *BatchError names those that are not; any other error means that
// none can be relied on.
type Writer interface {
	Write(ctx context.Context, records []Record) error
}

// A BatchError names the records of a batch that were not stored.
type BatchError struct{ Failed []Failure }

// A Failure is one record that was not stored.
type Failure struct {
	Index     int // in the batch
	Err       error
	Permanent bool   // no retry can store this record
	Reason    string // with Permanent: the code of its dead letter; "" is ReasonRejected
}

// Error names the number of failures and the first of them.
func (e *BatchError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d records not stored", len(e.Failed))
	if len(e.Failed) > 0 {
		fmt.Fprintf(&b, ", the first: %v", e.Failed[0].Err)
	}
	return b.String()
}

// Unwrap returns the causes.
func (e *BatchError) Unwrap() []error {
	errs := make([]error, len(e.Failed))
	for i, f := range e.Failed {
		errs[i] = f.Err
	}
	return errs
}
