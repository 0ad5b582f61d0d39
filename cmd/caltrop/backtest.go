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
	fileOptions
	labels string
	listed int
	kafka  topicOptions
}

// listedDefault is how many misses, and false alerts, of a rule are listed.
const listedDefault = 20

func backtestCommand() *cobra.Command {
	var o backtestOptions
	cmd := &cobra.Command{
		Use:   "backtest --rules FILE… --events FILE|- | --brokers HOST:PORT [--from T] [--to T] [--labels FILE] | --brokers HOST:PORT --source journal",
		Short: "Say what rules would have caught in a history",
		Long: `Run rules over a history, in a file or in the source topics of their streams,
and print their alerts a day.

Over topics it has readers and state of its own, so that it may run beside the
live engine. Alerts from --from up to --to are reported; reading begins as far
before as the rules look back. What was read is named with a hash: a second run
over the same offsets prints the same bytes.

With --source journal it runs the tasks of a live job again, from their own logs
and journals, with the rules and lists that each had at each place, and compares
what comes out with the topic of alerts, version by version: the report says
that they are equal, or each difference. The logs must still begin where the
tasks did.

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
	o.add(f, "print the report as one JSON object")
	o.kafka.add(f)
	f.StringVar(&o.labels, "labels", "", "file with incidents, a line for each")
	f.IntVar(&o.listed, "listed", listedDefault, "list at most so many misses, and false alerts, of a rule")
	return cmd
}

func runBacktest(ctx context.Context, cmd *cobra.Command, o backtestOptions) error {
	labels, err := readLabels(o.labels)
	if err != nil {
		return err
	}
	report, err := o.report(ctx, cmd, labels)
	if err != nil {
		return err
	}
	if !o.json {
		return report.Text(cmd.OutOrStdout())
	}
	if err := json.NewEncoder(cmd.OutOrStdout()).Encode(report); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// report runs what the flags ask for.
func (o *backtestOptions) report(ctx context.Context, cmd *cobra.Command, labels []backtest.Label) (*backtest.Report, error) {
	journal, err := o.kafka.journal()
	if err == nil {
		err = o.fit(cmd, journal)
	}
	switch {
	case err != nil:
		return nil, err
	case journal && len(o.rules) > 0:
		return nil, errors.New("--source journal runs the rules that ran: leave --rules out")
	case journal:
		return o.overJournal(ctx, cmd, labels)
	case len(o.rules) == 0:
		return nil, errors.New("no rules: give --rules FILE")
	}
	set, err := o.load(cmd, "")
	if err != nil {
		return nil, err
	}
	if o.kafka.cluster.given() {
		return o.overTopics(ctx, cmd, set, labels)
	}
	return o.overFile(ctx, cmd, set, labels)
}

// fit refuses flags that would say nothing: those of topics for a file, and
// those of a file for topics.
func (o *backtestOptions) fit(cmd *cobra.Command, journal bool) error {
	if journal || o.kafka.cluster.given() {
		return refuseFlags(cmd, "is of files: leave it out, or --brokers, --config and --source", "events", "skip-bad")
	}
	return refuseFlags(cmd, "goes with --brokers or --config: a file is read whole", "from", "to", "parallel", "share", "memory", "prefix", "job", "schema-registry")
}

func (o *backtestOptions) overFile(ctx context.Context, cmd *cobra.Command, set *rules.Set, labels []backtest.Label) (*backtest.Report, error) {
	options, shown := matchOptions{fileOptions: o.fileOptions}, o.shown(nil)
	if labels != nil {
		options.read, shown.Read = watchLabels(labels)
	}
	result, err := matchFile(ctx, cmd, set, options)
	if err != nil {
		return nil, err
	}
	if err := writeAlerts(o.kafka.alerts, result.alerts); err != nil {
		return nil, err
	}
	if err := result.show(cmd.ErrOrStderr(), o.json); err != nil {
		return nil, err
	}
	shown.Suppressed = result.suppressed
	return backtest.Score(ruleNames(set), result.alerts, labels, shown), nil
}

// watchLabels returns what to tell of each event that is read, and what says then
// whether one of the labels' events was.
func watchLabels(labels []backtest.Label) (read func(id string), was func(id string) bool) {
	seen := map[string]bool{}
	for i := range labels {
		for _, id := range labels[i].Events {
			seen[id] = false
		}
	}
	read = func(id string) {
		if _, asked := seen[id]; asked {
			seen[id] = true
		}
	}
	return read, func(id string) bool { return seen[id] }
}

// shown says how much the report shows.
func (o *backtestOptions) shown(suppressed map[string]uint64) backtest.Options {
	return backtest.Options{Listed: max(o.listed, 0), Examples: max(o.kafka.examples, 0), Suppressed: suppressed}
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
