package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/rules/offline"
	"github.com/caltrop/caltrop/sinks/alert"
	"github.com/caltrop/caltrop/sinks/view"
	"github.com/spf13/cobra"
)

// matchOptions are the flags of `match`.
type matchOptions struct {
	fileOptions
	timing string
	views  bool
	read   func(id string) // is told of each event; nil: nobody asks
}

func matchCommand() *cobra.Command {
	var o matchOptions
	cmd := &cobra.Command{
		Use:   "match --rules FILE… --events FILE|-",
		Short: "Run rules over events of a file, with no broker",
		Long: `Run rules over events of a file and print one alert a line, as JSON.

An event is one line, {"stream":"payment", …fields}. Events are read in the
order of the file, as one partition of each stream; a file may be packed with
gzip. At the end of the input event time closes and every deadline fires. Alerts
are printed at the end, in order of time, rule, key, first event, evidence and
version. With --views it is what views publish that is printed, in order of
time, view, key and version.

Exit codes: 0 it ran, 1 it could not, 2 a document or an event is bad.`,
		Args: cobra.ArbitraryArgs, // --rules a.yaml b.yaml: the shell expands patterns that way
		RunE: func(cmd *cobra.Command, args []string) error {
			o.rules = append(o.rules, args...)
			return match(cmd.Context(), cmd, o)
		},
	}
	f := cmd.Flags()
	o.add(f, "print errors and the closing counts as JSON")
	f.StringVar(&o.timing, "timing", "", "final or early, instead of the rules' own timing")
	f.BoolVar(&o.views, "views", false, "print the updates of views, one a line, instead of the alerts")
	return cmd
}

func match(ctx context.Context, cmd *cobra.Command, o matchOptions) error {
	if len(o.rules) == 0 {
		return errors.New("no rules: give --rules FILE")
	}
	switch o.timing {
	case "", "final", "early":
	default:
		return fmt.Errorf("--timing %s is neither final nor early", o.timing)
	}
	set, err := o.load(cmd, o.timing)
	if err != nil {
		return err
	}
	if !o.json && o.views && len(set.Views) == 0 {
		fmt.Fprintln(cmd.ErrOrStderr(), "nothing to print: no document is a view")
	}
	if !o.json && !o.views && len(set.Rules) == 0 {
		fmt.Fprintln(cmd.ErrOrStderr(), "nothing to raise: no document is a rule")
	}
	result, err := matchFile(ctx, cmd, set, o)
	if err != nil {
		return err
	}
	if o.views {
		err = printLines(cmd.OutOrStdout(), result.updates, func(u *view.Update, b []byte) []byte { return u.AppendJSON(b) })
	} else {
		err = printAlerts(cmd.OutOrStdout(), result.alerts)
	}
	if err != nil {
		return err
	}
	return result.show(cmd.ErrOrStderr(), o.json)
}

// matchFile runs all rules of a set over the file that the options name.
func matchFile(ctx context.Context, cmd *cobra.Command, set *rules.Set, o matchOptions) (*matched, error) {
	in, err := openEvents(cmd, o.events)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	m, err := matchEvents(ctx, set, in, o)
	in.bar.done()
	return m, badEvent(cmd, o.events, err, o.json)
}

// A matched is what a run over a file gave.
type matched struct {
	alerts     []alert.Alert // in the order of the output
	updates    []view.Update // likewise
	counts     matchCounts
	suppressed map[string]uint64 // by rule
}

// matchCounts are the closing counts.
type matchCounts struct {
	Events     uint64 `json:"events"` // accepted
	Alerts     int    `json:"alerts"` // lines, versions included
	Late       uint64 `json:"late"`
	Duplicates uint64 `json:"duplicates"`
	Bad        uint64 `json:"bad"` // skipped
	FirstBad   string `json:"first_bad,omitempty"`
}

// checkEvery is how many events are read between looks at the context.
const checkEvery = 4096

// matchEvents runs all rules of a set over the lines of in.
func matchEvents(ctx context.Context, set *rules.Set, in io.Reader, o matchOptions) (*matched, error) {
	run, err := offline.New(set, offline.Options{Views: o.views, Read: o.read})
	if err != nil {
		return nil, err
	}
	m := &matched{}
	lines := offline.NewLines(run, set, in)
	for n := 1; ; n++ {
		if n%checkEvery == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		err := lines.Next()
		if err == io.EOF {
			break
		}
		if err := m.forgive(err, o.skipBad); err != nil {
			return nil, err
		}
	}
	if err := run.Close(); err != nil {
		return nil, err
	}
	c := run.Counts()
	m.counts.Events, m.counts.Late, m.counts.Duplicates, m.counts.Alerts = c.Accepted, c.Late, c.Duplicates, len(run.Alerts)
	m.alerts, m.updates, m.suppressed = run.Alerts, run.Updates, map[string]uint64{}
	offline.Sort(m.alerts)
	offline.SortUpdates(m.updates)
	for _, r := range run.Rules() {
		m.suppressed[r.Ref.Name] += r.Counts.Suppressed
	}
	return m, nil
}

// forgive decides about the error of one line.
func (m *matched) forgive(err error, skipBad bool) error {
	var line *offline.LineError
	if !errors.As(err, &line) {
		return err
	}
	if !skipBad {
		return err
	}
	if m.counts.Bad == 0 {
		m.counts.FirstBad = line.Error()
	}
	m.counts.Bad++
	return nil
}

func printAlerts(w io.Writer, alerts []alert.Alert) error {
	return printLines(w, alerts, func(a *alert.Alert, b []byte) []byte { return a.AppendJSON(b) })
}

// printLines writes one JSON object a line.
func printLines[T any](w io.Writer, all []T, appendJSON func(*T, []byte) []byte) error {
	out := bufio.NewWriterSize(w, 1<<16)
	var line []byte
	for i := range all {
		line = append(appendJSON(&all[i], line[:0]), '\n')
		if _, err := out.Write(line); err != nil {
			return fmt.Errorf("writing the output: %w", err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return nil
}

// show writes the closing counts: always as JSON, and as text when something
// was left out, so that nothing is refused in silence.
func (m *matched) show(w io.Writer, asJSON bool) error {
	c := &m.counts
	if asJSON {
		return json.NewEncoder(w).Encode(c)
	}
	if c.Late+c.Duplicates+c.Bad == 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, "%d events, %d alerts; left out: %d late, %d duplicate, %d bad", c.Events, c.Alerts, c.Late, c.Duplicates, c.Bad)
	if err == nil && c.FirstBad != "" {
		_, err = fmt.Fprintf(w, " (first: %s)", c.FirstBad)
	}
	if err == nil {
		_, err = fmt.Fprintln(w)
	}
	return err
}
