package bench

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"
)

// A Report is several runs of the same rules over the same events.
type Report struct {
	Suite        string  `json:"suite"`
	Lane         Lane    `json:"lane"`
	Rules        int     `json:"rules"`
	Runs         int     `json:"runs"`
	Events       uint64  `json:"events"` // accepted, in one run
	Late         uint64  `json:"late"`
	Duplicates   uint64  `json:"duplicates"`
	Rate         Spread  `json:"events_per_cpu_second"`
	NsPerEvent   Spread  `json:"ns_per_event"`
	Allocations  float64 `json:"allocations_per_event"` // of the median run
	StateRecords int     `json:"state_records"`
	StateKeys    int     `json:"state_keys"`    // of those records that are no pages
	BytesPerKey  float64 `json:"bytes_per_key"` // of heap, when records were most
	Alerts       int     `json:"alerts"`
	Hash         string  `json:"hash"` // of all alerts, in no order
	// What the oracle says of the first OracleEvents. The figures count only
	// where OracleEqual is true.
	OracleEvents int    `json:"oracle_events"`
	OracleAlerts int    `json:"oracle_alerts"`
	OracleEqual  bool   `json:"oracle_equal"`
	Commit       string `json:"commit"`
	Machine      string `json:"machine"`
}

// A Spread is a figure's median with its least and greatest value.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// Summarize reports runs, at least one. It is an error when they disagree on
// the alerts.
func Summarize(runs []*Run) (*Report, error) {
	runs = slices.Clone(runs)
	slices.SortFunc(runs, func(a, b *Run) int { return cmp.Compare(a.CPU, b.CPU) })
	median := runs[len(runs)/2]
	for _, r := range runs {
		if r.Tally != median.Tally {
			return nil, fmt.Errorf("comparing runs: one raised %d alerts (%016x), another %d (%016x)", r.Alerts, r.Hash, median.Alerts, median.Hash)
		}
	}
	n := float64(max(median.Events, 1))
	ns := func(r *Run) float64 { return float64(max(r.CPU, time.Microsecond)) / n }
	fast, slow := runs[0], runs[len(runs)-1]
	rate, cost := Spread{1e9 / ns(median), 1e9 / ns(slow), 1e9 / ns(fast)}, Spread{ns(median), ns(fast), ns(slow)}
	if median.Events == 0 {
		rate, cost = Spread{}, Spread{}
	}
	return &Report{
		Runs: len(runs), Events: median.Events, Late: median.Late, Duplicates: median.Duplicates,
		Rate: rate, NsPerEvent: cost,
		Allocations: float64(median.Allocations) / n, StateRecords: median.Records, StateKeys: median.Keys,
		BytesPerKey: float64(median.StateBytes) / float64(max(median.Keys, 1)),
		Alerts:      median.Alerts, Hash: fmt.Sprintf("%016x", median.Hash),
	}, nil
}

// Judged adds the oracle's word.
func (r *Report) Judged(v *Verdict) {
	r.OracleEvents, r.OracleAlerts, r.OracleEqual = v.Events, v.Oracle.Alerts, v.Equal()
}

// WriteHead writes the head of the table whose lines WriteLine writes.
func WriteHead(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%-28s %-6s %5s %8s  %10s %10s %10s  %8s %9s %9s %8s  %-16s  %s\n",
		"suite", "lane", "rules", "events", "events/s", "min", "max", "ns/event", "alloc/ev", "bytes/key", "alerts", "hash", "oracle")
	return err
}

// WriteLine writes the report as a line of a table.
func (r *Report) WriteLine(w io.Writer) error {
	oracle := "not asked"
	switch {
	case r.OracleEvents > 0 && r.OracleEqual:
		oracle = fmt.Sprintf("equal: %d alerts in %d events", r.OracleAlerts, r.OracleEvents)
	case r.OracleEvents > 0:
		oracle = "DIFFERS: these figures do not count"
	}
	_, err := fmt.Fprintf(w, "%-28s %-6s %5d %8d  %10.0f %10.0f %10.0f  %8.1f %9.3f %9.1f %8d  %s  %s\n",
		r.Suite, r.Lane, r.Rules, r.Events, r.Rate.Median, r.Rate.Min, r.Rate.Max, r.NsPerEvent.Median, r.Allocations, r.BytesPerKey, r.Alerts, r.Hash, oracle)
	return err
}
