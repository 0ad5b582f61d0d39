package sinks

import (
	"sync"
	"time"
)

// A Letter is an alert that its sink can never store.
type Letter struct {
	Record
	Reason string // a code
	Detail string
}

// The reason codes of letters.
const (
	ReasonRejected = "sink_rejected" // without a better one
	ReasonRefused  = "sink_refused"
	ReasonTooLarge = "sink_too_large"
)

// A Status tells how a delivery is doing. It is safe for concurrent use; a nil
// *Status notes nothing.
type Status struct {
	mu struct {
		sync.Mutex
		report Report
	}
}

// A Report is what a Status knows.
type Report struct {
	Error     string    // of the step that is being tried again; "": none is
	Attempts  int       // that failed in a row
	Since     time.Time // of the first of them
	Delivered uint64
	Rejected  uint64 // and set aside
	Silenced  uint64
	Replaced  uint64 // by a newer version, while they waited to be final
	Held      int    // that wait to be final
}

// Report returns what is known now.
func (s *Status) Report() Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.report
}

// noted takes the outcome of one step.
func (s *Status) noted(err error) {
	s.change(func(r *Report) {
		if err == nil {
			r.Error, r.Attempts = "", 0
			return
		}
		if r.Attempts == 0 {
			r.Since = time.Now()
		}
		r.Error = err.Error()
		r.Attempts++
	})
}

func (s *Status) counted(result string, n int) {
	s.change(func(r *Report) {
		switch result {
		case resultStored:
			r.Delivered += uint64(n)
		case resultRejected:
			r.Rejected += uint64(n)
		case resultSilenced:
			r.Silenced += uint64(n)
		case resultReplaced:
			r.Replaced += uint64(n)
		}
	})
}

func (s *Status) change(do func(*Report)) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	do(&s.mu.report)
}
