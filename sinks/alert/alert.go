// Package alert holds the alert record of language §7: its identity, its
// versions and its JSON form. It is pure: the engine makes alerts with it and
// every sink and reader shares it.
package alert

import "github.com/caltrop/caltrop/cep/event"

// Status is the state of an alert version.
type Status string

// The statuses of language §6.
const (
	Raised    Status = "raised"
	Changed   Status = "changed"
	Retracted Status = "retracted"
)

// Known reports whether s is one of the statuses.
func (s Status) Known() bool { return s == Raised || s == Changed || s == Retracted }

// An Alert is one version of one alert. Times are µs since the Unix epoch.
type Alert struct {
	ID         ID
	Version    int
	Status     Status
	Rule       string
	Revision   int
	Mode       string // live | shadow
	Key        []event.Value
	KeyList    bool // print the key as an array
	Severity   string
	Score      int
	At         int64
	FinalAfter int64
	DetectedAt int64 // 0: left out (`match`)
	Summary    string
	Measures   []Measure
	Evidence   []Step
	Suppressed int
	Truncated  bool
	Capped     bool
	Approx     bool
	Lists      map[string]int
	Tags       []string // for matchers; not in the JSON
}

// An ID is the first 16 bytes of SHA-256 over the length-prefixed parts.
type ID [16]byte

// A Measure is a named result.
type Measure struct {
	Name  string
	Value event.Value
}

// A Step is the evidence of one step, in order.
type Step struct {
	Name   string
	Events []*event.Event
}
