package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/caltrop/caltrop/engine/avro"
	topics "github.com/caltrop/caltrop/engine/backtest"
	"github.com/caltrop/caltrop/engine/kafka"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/rules/backtest"
	"github.com/caltrop/caltrop/rules/offline"
	"github.com/caltrop/caltrop/sinks/alert"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// topicOptions are the flags of a backtest over Kafka.
type topicOptions struct {
	cluster  clusterFlags
	from, to string
	parallel int
	share    float64
	memory   int
	alerts   string
	examples int
	source   string
	registry []string // addresses
}

const memoryMiB = 256 // of a backtest, where nothing is said

func (o *topicOptions) add(f *pflag.FlagSet) {
	o.cluster.add(f)
	f.StringVar(&o.from, "from", "", "first time of alerts, RFC 3339; default: as far back as the topics go")
	f.StringVar(&o.to, "to", "", "time before which alerts are, RFC 3339; default: up to the topics' present end")
	f.IntVar(&o.parallel, "parallel", 1, "partitions that run at once")
	f.Float64Var(&o.share, "share", 1, "part of the time for which each of them works, 0.5 for half; what runs beside has the rest")
	f.IntVar(&o.memory, "memory", memoryMiB, "MiB of state in memory; more goes to temporary files")
	f.StringVar(&o.alerts, "alerts", "", "also write each version of each alert as a line of JSON to this file")
	f.StringVar(&o.source, "source", sourceTopics, "topics: the source topics; journal: what the live tasks did, from their own logs and journals")
	f.StringVar(&o.cluster.job, "job", "", "job whose tasks are run again, with --source journal (default that of --config, else main)")
	f.StringSliceVar(&o.registry, "schema-registry", nil, "addresses of the schema registry, for streams of Avro (default those of --config)")
	f.IntVar(&o.examples, "examples", 0, "show so many alerts of each rule whole")
}

// What a backtest reads.
const (
	sourceTopics  = "topics"
	sourceJournal = "journal"
)

// journal reports whether live tasks are to be run again.
func (o *topicOptions) journal() (bool, error) {
	if o.source != sourceTopics && o.source != sourceJournal {
		return false, fmt.Errorf("--source is %q, want %s or %s", o.source, sourceTopics, sourceJournal)
	}
	return o.source == sourceJournal, nil
}

// schemas are those of the registry that the flags name; nil: they name none.
func (o *topicOptions) schemas() (avro.Schemas, error) {
	c := registryConfig{URLs: o.registry}
	if len(o.registry) == 0 && o.cluster.config != "" {
		conf, err := readConfig(o.cluster.config)
		if err != nil {
			return nil, err
		}
		c = conf.Registry
	}
	if r, err := c.open(); r != nil || err != nil { // a nil *Registry in an interface is no nil
		return r, err
	}
	return nil, nil
}

// plan is the backtest that the flags ask for, without its directory.
func (o *topicOptions) plan() (p topics.Plan, err error) {
	p = topics.Plan{Parallel: o.parallel, Share: o.share, Bytes: int64(o.memory) << 20}
	if o.parallel < 1 || o.memory < 1 {
		return p, errors.New("--parallel and --memory are at least 1")
	}
	if !(o.share > 0 && o.share <= 1) {
		return p, fmt.Errorf("--share is %g, want more than 0 and at most 1", o.share)
	}
	if p.From, err = timeFlag("from", o.from, time.Time{}); err != nil {
		return p, err
	}
	if p.To, err = timeFlag("to", o.to, time.Time{}); err != nil {
		return p, err
	}
	if !p.To.IsZero() && !p.From.Before(p.To) {
		return p, fmt.Errorf("--from %s is not before --to %s", o.from, o.to)
	}
	p.Schemas, err = o.schemas()
	return p, err
}

// begin is the plan and an open cluster, which the caller closes.
func (o *topicOptions) begin() (plan topics.Plan, cluster *kafka.Cluster, err error) {
	if plan, err = o.plan(); err == nil {
		cluster, err = o.cluster.open()
	}
	return plan, cluster, err
}

func (o *backtestOptions) overTopics(ctx context.Context, cmd *cobra.Command, set *rules.Set, labels []backtest.Label) (*backtest.Report, error) {
	plan, cluster, err := o.kafka.begin()
	if err != nil {
		return nil, err
	}
	defer cluster.Close()
	plan.Set, plan.History = set, cluster.History()
	return o.run(ctx, cmd, plan, labels)
}

// overJournal runs the tasks of a live job again.
func (o *backtestOptions) overJournal(ctx context.Context, cmd *cobra.Command, labels []backtest.Label) (*backtest.Report, error) {
	plan, cluster, err := o.kafka.begin()
	if err != nil {
		return nil, err
	}
	defer cluster.Close()
	key, err := o.hashKey()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	registry := rules.NewRegistry(rules.Options{Log: cluster.RulesLog(), Lists: cluster.Lists(), HashKey: key})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		cancel(registry.Run(ctx))
	}()
	defer func() { cancel(nil); <-ended }()
	select {
	case <-registry.Ready():
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	plan.Live = &topics.Live{Job: cluster.History(), Rules: registry}
	return o.run(ctx, cmd, plan, labels)
}

// hashKey is that of the flag, else of the configuration.
func (o *backtestOptions) hashKey() ([]byte, error) {
	if o.key != "" || o.kafka.cluster.config == "" {
		return hashKeyOf(o.key)
	}
	c, err := readConfig(o.kafka.cluster.config)
	if err != nil {
		return nil, err
	}
	return c.PII.hashKey()
}

// run runs a plan in a directory that it removes.
func (o *backtestOptions) run(ctx context.Context, cmd *cobra.Command, plan topics.Plan, labels []backtest.Label) (report *backtest.Report, err error) {
	if plan.Dir, err = os.MkdirTemp("", "caltrop-backtest-"); err != nil {
		return nil, fmt.Errorf("making a directory for state: %w", err)
	}
	defer os.RemoveAll(plan.Dir)
	began := time.Now()
	result, err := watched(ctx, cmd, plan)
	if err != nil {
		return nil, err
	}
	report = reportOf(result, labels, o.shown(result.Suppressed()))
	if err := writeAlerts(o.kafka.alerts, result.Alerts); err != nil {
		return nil, err
	}
	records := uint64(0)
	for _, in := range result.Inputs {
		records += in.Records
	}
	took := time.Since(began)
	fmt.Fprintf(cmd.ErrOrStderr(), "%d records in %s, %.0f a second\n", records, took.Round(time.Millisecond), float64(records)/took.Seconds())
	return report, nil
}

// reportOf puts the alerts in order and scores them.
func reportOf(result *topics.Result, labels []backtest.Label, o backtest.Options) *backtest.Report {
	offline.Sort(result.Alerts)
	var names []string
	for _, r := range result.Rules {
		names = append(names, r.Name)
	}
	report := backtest.Score(names, result.Alerts, labels, o)
	report.Inputs, report.Live = result.Inputs, result.Live
	return report
}

// examplesShown is how many alerts of each rule a report over REST shows whole.
const examplesShown = 3

// backtestReport is the report of a backtest over REST.
func backtestReport(result *topics.Result) ([]byte, error) {
	report := reportOf(result, nil, backtest.Options{Examples: examplesShown, Suppressed: result.Suppressed()})
	text, err := json.Marshal(report)
	if err != nil {
		return nil, fmt.Errorf("writing the report: %w", err)
	}
	return text, nil
}

// watched runs the plan and shows how far it is.
func watched(ctx context.Context, cmd *cobra.Command, plan topics.Plan) (*topics.Result, error) {
	progress := &topics.Progress{}
	done := make(chan struct{})
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		showProgress(cmd, progress, done)
	}()
	result, err := topics.Run(ctx, plan, progress)
	close(done)
	<-shown
	return result, err
}

// showProgress draws until done is closed.
func showProgress(cmd *cobra.Command, progress *topics.Progress, done <-chan struct{}) {
	tick := time.NewTicker(barEvery)
	defer tick.Stop()
	bar, drawn := &bar{}, int64(0)
	defer func() { bar.done() }()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		read, total := progress.Of()
		if drawn == 0 && total > 0 {
			bar = newBar(cmd.ErrOrStderr(), total, "reading topics")
		}
		bar.add(int(read - drawn))
		drawn = read
	}
}

// writeAlerts writes alerts to a file; without a name nowhere.
func writeAlerts(name string, alerts []alert.Alert) error {
	if name == "" {
		return nil
	}
	file, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("writing alerts: %w", err)
	}
	defer file.Close()
	out := bufio.NewWriter(file)
	if err := errors.Join(printAlerts(out, alerts), out.Flush(), file.Close()); err != nil {
		return fmt.Errorf("writing alerts to %s: %w", name, err)
	}
	return nil
}
