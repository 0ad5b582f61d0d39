package backtest

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/sinks/alert"
)

// DifferencesMax bounds the differences that a comparison lists.
const DifferencesMax = 1000

// A Comparison holds the alerts that a backtest repeated against those that the
// live job wrote: version by version, byte by byte but for when it was written.
type Comparison struct {
	Equal       bool         `json:"equal"`
	Tasks       int          `json:"tasks"`  // that were run again
	Alerts      int          `json:"alerts"` // versions in both, equal
	Differences []Difference `json:"differences,omitempty"`
	More        int          `json:"differences_more,omitempty"`
}

// A Difference is one version of an alert, or one task.
type Difference struct {
	What    DifferenceKind `json:"what"`
	Task    string         `json:"task,omitempty"`   // of a task
	Detail  string         `json:"detail,omitempty"` // of a task
	ID      string         `json:"id,omitempty"`
	Version int            `json:"version,omitempty"`
	Rule    string         `json:"rule,omitempty"`
	Key     string         `json:"key,omitempty"`
	At      string         `json:"at,omitempty"`
}

// A DifferenceKind says what differs.
type DifferenceKind string

// The kinds of differences.
const (
	OnlyLive     DifferenceKind = "only live"     // written, not repeated
	OnlyBacktest DifferenceKind = "only backtest" // repeated, not written
	Unequal      DifferenceKind = "unequal"       // both, not the same
	Twice        DifferenceKind = "twice"         // written twice
	TaskDiffers  DifferenceKind = "task"          // its repetition did not come to what it committed
)

func (c *Comparison) add(d Difference) {
	if len(c.Differences) >= DifferencesMax {
		c.More++
		return
	}
	c.Differences = append(c.Differences, d)
}

func (c *Comparison) alert(what DifferenceKind, a *alert.Alert) {
	c.add(Difference{What: what, ID: hex.EncodeToString(a.ID[:]), Version: a.Version, Rule: a.Rule, Key: a.KeyText(), At: string(event.AppendTime(nil, a.At))})
}

// A pinned is a part of a topic.
type pinned struct {
	topic string
	span  Span
}

// pinAlerts says what the topics of alerts hold now.
func (p *Plan) pinAlerts(ctx context.Context) ([]pinned, error) {
	var all []pinned
	for _, topic := range p.Live.Job.Alerts() {
		spans, err := p.Live.Job.Spans(ctx, topic, time.Time{})
		if err != nil {
			return nil, err
		}
		for _, s := range spans {
			all = append(all, pinned{topic, s})
		}
	}
	return all, nil
}

// A versionKey names one version of an alert.
type versionKey struct {
	id      alert.ID
	version int
}

// A repeated is one version of an alert that a task gave again.
type repeated struct {
	*alert.Alert
	certain bool // live must have written it
	written bool // it has
}

// A comparing is a comparison under way.
type comparing struct {
	Comparison
	all  map[versionKey]*repeated
	kept *basket
	buf  []byte
}

// compared gathers what the tasks gave and compares it with what was written.
func (p *Plan) compared(ctx context.Context, pasts []*past, written []pinned, kept *basket) (*Result, error) {
	r := &Result{}
	totals := map[string]task.RuleCounts{}
	for _, l := range pasts {
		r.Alerts = append(r.Alerts, l.alerts...)
		if l.rules != nil {
			r.Inputs = append(r.Inputs, l.input)
		}
		addCounts(totals, l.rules)
	}
	for i := range r.Alerts { // of rules that were deleted since, too
		addCounts(totals, map[string]task.RuleCounts{r.Alerts[i].Rule: {}})
	}
	r.Rules = sorted(totals)
	c := &comparing{all: map[versionKey]*repeated{}, kept: kept}
	at := 0
	for _, l := range pasts {
		if l.rules != nil {
			c.Tasks++
		}
		if l.differs != "" {
			c.add(Difference{What: TaskDiffers, Task: l.String(), Detail: l.differs})
		}
		for i := range l.alerts {
			a := &r.Alerts[at+i]
			c.all[versionKey{a.ID, a.Version}] = &repeated{Alert: a, certain: i < l.certain}
		}
		at += len(l.alerts)
	}
	for _, w := range written {
		if err := c.read(ctx, p.Live.Job, w); err != nil {
			return nil, fmt.Errorf("reading %s/%d: %w", w.topic, w.span.Partition, err)
		}
	}
	r.Live = c.end(r.Alerts)
	return r, nil
}

// read compares the records of one partition of alerts.
func (c *comparing) read(ctx context.Context, job Job, w pinned) error {
	reader, err := job.Open(ctx, w.topic, w.span)
	if err != nil {
		return err
	}
	defer reader.Close()
	var rec Record
	for err = reader.Next(ctx, &rec); err == nil; err = reader.Next(ctx, &rec) {
		a, err := alert.ParseJSON(rec.Value)
		if err != nil {
			return fmt.Errorf("the record at offset %d is no alert: %w", rec.Offset, err)
		}
		if c.kept.wants(a.At) {
			c.one(a, rec.Value)
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// one compares one version that was written.
func (c *comparing) one(a *alert.Alert, text []byte) {
	found := c.all[versionKey{a.ID, a.Version}]
	if found == nil {
		c.alert(OnlyLive, a)
		return
	}
	if found.written {
		c.alert(Twice, a)
		return
	}
	found.written = true
	same := *found.Alert
	same.DetectedAt = a.DetectedAt
	if c.buf = same.AppendRecord(c.buf[:0]); !bytes.Equal(c.buf, text) {
		c.alert(Unequal, a)
		return
	}
	c.Alerts++
}

// end adds what was not written.
func (c *comparing) end(alerts []alert.Alert) *Comparison {
	for i := range alerts {
		a := &alerts[i]
		if r := c.all[versionKey{a.ID, a.Version}]; r.certain && !r.written {
			c.alert(OnlyBacktest, a)
		}
	}
	c.Equal = len(c.Differences) == 0
	slices.SortStableFunc(c.Differences, func(a, b Difference) int {
		return strings.Compare(a.At+a.ID, b.At+b.ID)
	})
	return &c.Comparison
}
