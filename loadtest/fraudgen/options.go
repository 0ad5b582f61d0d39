// Package fraudgen makes labelled traffic: people who pay, log in and order,
// fraud injected among them, and hard negatives that look like fraud and are
// not. The same options give the same bytes, on any machine. It reads no
// clock and writes nowhere: its caller takes records one by one, and paces
// and stores them.
package fraudgen

import (
	"errors"
	"fmt"
	"time"
)

// Options say what to generate. The zero Options give DefaultCount events of
// the default population from DefaultStart on.
type Options struct {
	Seed  uint64
	After uint64    // with more than 0 the people of Seed live on: what happens is other, events and orders are numbered from here
	Start time.Time // event time of the first event; zero means DefaultStart
	Count int       // events in all, closing ones and duplicates apart; 0 means DefaultCount; Endless: never stop
	Rate  float64   // events a second of event time, about; 0 means DefaultRate

	Cards int     // in the population; 0 means DefaultCards. Users are half as many
	Skew  float64 // Zipf exponent of who acts; 0 means DefaultSkew, EvenSkew none

	Disorder   time.Duration // events arrive up to this much after their time, less 1 ms
	Duplicates float64       // share of events that arrive twice
	Late       float64       // share of background events that arrive LateBy after their time
	LateBy     time.Duration // 0 means DefaultLateBy

	Incidents float64       // incidents per event; 0 means DefaultIncidents, NoIncidents none. As many hard negatives are injected
	Delivery  time.Duration // orders are promised within; 0 means DefaultDelivery

	Scenarios []string // what is injected, of Catalogue() and Live(); nil means Live(). Others than Live() bring further streams

	// Incident is called with each incident when its last event is returned.
	Incident func(*Incident)
}

// Defaults and special values of Options.
const (
	DefaultStart     = 1735689600 // 2025-01-01T00:00:00Z, in s
	DefaultCount     = 100_000
	Endless          = -1
	DefaultRate      = 1000.0
	DefaultCards     = 100_000
	DefaultSkew      = 0.9
	EvenSkew         = -1.0
	DefaultLateBy    = 10 * time.Minute
	DefaultIncidents = 0.001
	NoIncidents      = -1.0
	DefaultDelivery  = time.Hour
)

func (o Options) withDefaults() Options {
	if o.Start.IsZero() {
		o.Start = time.Unix(DefaultStart, 0)
	}
	orInt := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	orFloat := func(v *float64, d float64) {
		if *v == 0 {
			*v = d
		}
	}
	orInt(&o.Count, DefaultCount)
	orInt(&o.Cards, DefaultCards)
	orFloat(&o.Rate, DefaultRate)
	orFloat(&o.Skew, DefaultSkew)
	orFloat(&o.Incidents, DefaultIncidents)
	if o.LateBy == 0 {
		o.LateBy = DefaultLateBy
	}
	if o.Delivery == 0 {
		o.Delivery = DefaultDelivery
	}
	if o.Scenarios == nil {
		o.Scenarios = Live()
	}
	if o.Incident == nil {
		o.Incident = func(*Incident) {}
	}
	return o
}

// validate reports all that is wrong with the options.
func (o *Options) validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	share := func(name string, v float64) { check(v >= 0 && v <= 1, "%s is %v, want a share from 0 to 1", name, v) }
	check(o.Count > 0 || o.Count == Endless, "count is %d, want a positive number", o.Count)
	check(o.Rate > 0, "rate is %v, want a positive number", o.Rate)
	check(o.Cards >= 2, "cards is %d, want at least 2", o.Cards)
	check(o.Skew >= 0 || o.Skew == EvenSkew, "skew is %v, want a positive number", o.Skew)
	check(o.Incidents <= maxIncidents, "incidents is %v an event, want at most %v", o.Incidents, maxIncidents)
	check(o.Disorder >= 0, "disorder is %v, want none or more", o.Disorder)
	check(o.Delivery >= time.Minute, "delivery is %v, want at least a minute", o.Delivery)
	for _, name := range o.Scenarios {
		_, ok := scenarioNamed(name)
		check(ok, "no scenario is called %q", name)
	}
	share("duplicates", o.Duplicates)
	share("late", o.Late)
	return errors.Join(errs...)
}

// maxIncidents keeps injected events fewer than those of ordinary life.
const maxIncidents = 0.02
