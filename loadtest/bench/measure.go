package bench

import (
	"fmt"
	"runtime"
	"runtime/metrics"
	"syscall"
	"time"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/rules/offline"
)

// A Lane says where the measured part of an event's way begins.
type Lane string

// The lanes.
const (
	Parsed Lane = "parsed" // at the decoded event
	Bytes  Lane = "bytes"  // at the line of JSON
)

// A Run is what one run over all events cost and gave. Reading and, in the
// parsed lane, decoding are not part of it; the end of event time is.
type Run struct {
	Events      uint64 // accepted
	Late        uint64
	Duplicates  uint64
	CPU         time.Duration // user and system, of the process
	Allocations uint64
	Records     int // of state, when they were most, within a sixty-fourth
	Keys        int // then: records that are no pages
	StateBytes  int // then, index and deadlines included
	Tally
}

// batchEvents are read, then measured, at a time: so few that what is read
// ahead stays in the processor's cache.
const batchEvents = 512

// Measure runs a set of rules over a source. GOMAXPROCS is the caller's.
func Measure(set *rules.Set, in Source, lane Lane) (*Run, error) {
	run, err := offline.New(set, offline.Options{})
	if err != nil {
		return nil, fmt.Errorf("starting the rules: %w", err)
	}
	m := &measurement{run: run, in: in, decoder: event.NewLineDecoder(offline.Decls(set)), lane: lane, result: &Run{}}
	runtime.GC()
	for m.read() {
		m.measure(m.step)
		m.collect()
	}
	if m.err == nil {
		m.measure(run.Close)
		m.collect()
	}
	c := run.Counts()
	m.result.Events, m.result.Late, m.result.Duplicates = c.Accepted, c.Late, c.Duplicates
	return m.result, m.err
}

// A measurement is a run under way.
type measurement struct {
	run     *offline.Run
	in      Source
	decoder *event.LineDecoder
	lane    Lane
	result  *Run
	text    []byte
	ends    []int // of the lines in text
	lines   []int // their numbers
	events  []*event.Event
	sample  [1]metrics.Sample
	err     error
}

// read gets the next batch ready; false at the end or after an error.
func (m *measurement) read() bool {
	m.text, m.ends, m.lines, m.events = m.text[:0], m.ends[:0], m.lines[:0], m.events[:0]
	for len(m.ends) < batchEvents && m.err == nil {
		text, more, err := m.in.Next(m.text)
		m.err = err
		if !more {
			break
		}
		m.text, m.ends, m.lines = text, append(m.ends, len(text)), append(m.lines, m.in.Line())
	}
	if m.lane == Parsed && m.err == nil {
		m.err = m.each(func(ev *event.Event) error {
			m.events = append(m.events, ev)
			return nil
		})
	}
	return m.err == nil && len(m.ends) > 0
}

// step is the measured part of a batch.
func (m *measurement) step() error {
	if m.lane == Bytes {
		return m.each(m.run.Step)
	}
	for _, ev := range m.events {
		if err := m.run.Step(ev); err != nil {
			return err
		}
	}
	return nil
}

// each decodes the lines of the batch.
func (m *measurement) each(do func(*event.Event) error) error {
	begin := 0
	for i, end := range m.ends {
		ev := m.run.NewEvent()
		if err := m.decoder.Decode(m.text[begin:end], ev); err != nil {
			return &offline.LineError{Line: m.lines[i], Cause: err}
		}
		if err := do(ev); err != nil {
			return err
		}
		begin = end
	}
	return nil
}

// measure adds what do costs. Garbage collection counts where it happens.
func (m *measurement) measure(do func() error) {
	if m.err != nil {
		return
	}
	allocations, cpu := m.allocations(), processCPU()
	m.err = do()
	m.result.CPU += processCPU() - cpu
	m.result.Allocations += m.allocations() - allocations
}

// collect tallies the alerts of a batch and looks at the state.
func (m *measurement) collect() {
	for i := range m.run.Alerts {
		m.result.Add(markOf(&m.run.Alerts[i]))
	}
	clear(m.run.Alerts)
	m.run.Alerts = m.run.Alerts[:0]
	if records, bytes := m.run.Memory(); records > m.result.Records+m.result.Records/64 {
		m.result.Records, m.result.Keys, m.result.StateBytes = records, m.run.Keys(), bytes
	}
}

func (m *measurement) allocations() uint64 {
	m.sample[0].Name = "/gc/heap/allocs:objects"
	metrics.Read(m.sample[:])
	return m.sample[0].Value.Uint64()
}

func processCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic("bench: getrusage: " + err.Error()) // it has no other way to fail than a wrong argument
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
