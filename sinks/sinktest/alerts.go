// Package sinktest holds the behaviour that every alert history must have, as
// one suite that each driver's tests run, and the alerts it runs them with.
package sinktest

import (
	"crypto/sha256"
	"fmt"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/sinks"
	"github.com/caltrop/caltrop/sinks/alert"
)

// Base is the event time, in µs, that Alert.At counts from: an hour's start.
const Base = 1764000000_000000

// An Alert is the part of an alert that matters to a history; the rest of its
// record is made up. Zero parts have a default.
type Alert struct {
	Name    string // makes the id; default "a"
	Version int    // default 1
	Rule    string // default "r"
	Key     string // default "k"
	At      int64  // seconds after Base

	Detected int64 // µs since 1970; 0 is left out
}

// Record returns the alert as the topic would have it.
func (a Alert) Record() sinks.Record {
	if a.Version == 0 {
		a.Version = 1
	}
	full := &alert.Alert{
		ID: a.ID(), Version: a.Version, Status: alert.Raised, Rule: or(a.Rule, "r"), Revision: 1, Mode: "live",
		Key: []event.Value{event.StringOf(or(a.Key, "k"))}, Severity: "high", At: Base + a.At*1e6, FinalAfter: Base + a.At*1e6, DetectedAt: a.Detected,
		Summary: fmt.Sprintf("version %d", a.Version),
	}
	if a.Version > 1 {
		full.Status = alert.Changed
	}
	r, err := sinks.ParseRecord(full.AppendJSON(nil))
	if err != nil {
		panic(err) // the suite wrote it
	}
	return r
}

// ID returns the id that the alert's name stands for.
func (a Alert) ID() alert.ID {
	sum := sha256.Sum256([]byte(or(a.Name, "a")))
	return alert.ID(sum[:len(alert.ID{})])
}

func or(s, ifEmpty string) string {
	if s == "" {
		return ifEmpty
	}
	return s
}
