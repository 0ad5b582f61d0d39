package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/rules/backtest"
	"github.com/spf13/cobra"
)

// backtestOptions are the flags of `backtest`.
type backtestOptions struct {
	rules   []string
	events  string
	labels  string
	skipBad bool
	json    bool
	listed  int
}

// listedDefault is how many misses, and false alerts, of a rule are listed.
const listedDefault = 20

func backtestCommand() *cobra.Command {
	var o backtestOptions
	cmd := &cobra.Command{
		Use:   "backtest --rules FILE… --events FILE|- [--labels FILE]",
		Short: "Say what rules would have caught in a history",
		Long: `Run rules over a history in a file and print their alerts a day.

With --labels, known incidents as 'caltrop gen --labels' writes them, it also
prints recall and precision, and lists what was missed and what was raised for
nothing. An incident is caught by a rule if the evidence of one of its alerts
holds one of the incident's events, of an alert on alerts theirs; an incident is expected of the rule that is
named as its scenario. An alert is of fraud if it holds an event of any
incident.

Exit codes: 0 it ran, 1 it could not, 2 a document or an event is bad.`,
		Args: cobra.ArbitraryArgs, // --rules a.yaml b.yaml: the shell expands patterns that way
		RunE: func(cmd *cobra.Command, args []string) error {
			o.rules = append(o.rules, args...)
			return runBacktest(cmd.Context(), cmd, o)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.rules, "rules", nil, "file with stream and rule documents; may be given again, or name several")
	f.StringVar(&o.events, "events", "-", "file with events, - for standard input")
	f.StringVar(&o.labels, "labels", "", "file with incidents, a line for each")
	f.IntVar(&o.listed, "listed", listedDefault, "list at most so many misses, and false alerts, of a rule")
	f.BoolVar(&o.skipBad, "skip-bad", false, "count bad events and go on, instead of ending with code 2")
	f.BoolVar(&o.json, "json", false, "print the report as one JSON object")
	return cmd
}

func runBacktest(ctx context.Context, cmd *cobra.Command, o backtestOptions) error {
	if len(o.rules) == 0 {
		return errors.New("no rules: give --rules FILE")
	}
	labels, err := readLabels(o.labels)
	if err != nil {
		return err
	}
	set, err := loadDocuments(cmd, o.rules, o.json)
	if err != nil {
		return err
	}
	in, size, err := openEvents(o.events, cmd.InOrStdin())
	if err != nil {
		return err
	}
	defer in.Close()
	bar := newBar(cmd.ErrOrStderr(), size, "reading events")
	result, err := matchEvents(ctx, set, bar.reader(in), o.skipBad)
	bar.done()
	if err != nil {
		return err
	}
	if err := result.show(cmd.ErrOrStderr(), o.json); err != nil {
		return err
	}
	report := backtest.Score(ruleNames(set), result.alerts, labels, backtest.Options{Listed: max(o.listed, 0)})
	if !o.json {
		return report.Text(cmd.OutOrStdout())
	}
	if err := json.NewEncoder(cmd.OutOrStdout()).Encode(report); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// readLabels reads a file of labels; without a name there are none.
func readLabels(name string) ([]backtest.Label, error) {
	if name == "" {
		return nil, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("opening labels: %w", err)
	}
	defer file.Close()
	labels, err := backtest.ReadLabels(file)
	if err != nil {
		return nil, fmt.Errorf("reading labels %s: %w", name, err)
	}
	if labels == nil {
		labels = []backtest.Label{} // an empty file is labelled: nothing is fraud
	}
	return labels, nil
}

func ruleNames(set *rules.Set) []string {
	var names []string
	for _, r := range set.Rules {
		names = append(names, r.Doc.Name)
	}
	return names
}
