package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"

	"github.com/caltrop/caltrop/loadtest/bench"
	"github.com/caltrop/caltrop/rules"
	"github.com/spf13/cobra"
)

// benchOptions are the flags of `bench`.
type benchOptions struct {
	rules   []string
	events  string
	lane    string
	suite   string
	runs    int
	oracle  int
	count   int
	list    bool
	json    bool
	profile string
}

func benchCommand() *cobra.Command {
	var o benchOptions
	cmd := &cobra.Command{
		Use:   "bench [--suite PART] | --rules FILE… --events FILE",
		Short: "Measure how fast rules run, on one processor",
		Long: `Measure how fast rules run on one processor: the built-in suites, or any
rules over any events. Printed are events per second of processor time (user
and system; median, least and greatest of the runs), heap allocations per
event, heap bytes per key, the number of alerts and a hash of them that does
not depend on their order.

In the lane "parsed" the measured part begins at the decoded event, in the
lane "bytes" at the line of JSON. Reading the file is not measured; the end of
event time is. Alerts are those of "caltrop match" with the same files, and garbage
is collected as seldom as by "caltrop serve"; GOGC in the environment wins.

A built-in suite's figures count only where the oracle raises the same alerts
over the events of a few keys. --oracle N asks it about other rules: it is slow, wants
events in order of time, and knows no lists and no suppression.
Exit codes: 0 it ran, 1 the oracle disagrees or it could not run, 2 a document
or an event is bad.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.rules = append(o.rules, args...)
			return runBench(cmd.Context(), cmd, o)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.rules, "rules", nil, rulesUsage)
	f.StringVar(&o.events, "events", "", eventsUsage)
	f.StringVar(&o.lane, "lane", "", "parsed or bytes (default: the suite's own, parsed for files)")
	f.StringVar(&o.suite, "suite", "", "run only the built-in suite of this name, or all whose name holds this")
	f.IntVar(&o.runs, "runs", 5, "how often everything is run")
	f.IntVar(&o.oracle, "oracle", 0, "compare with the oracle over the first N events; 0: a suite's own number, none for files")
	f.IntVar(&o.count, "count", 0, "events of a built-in suite; 0: the suite's own number")
	f.BoolVar(&o.list, "list", false, "print the names of the built-in suites and end")
	f.BoolVar(&o.json, "json", false, "print one JSON object a suite")
	f.StringVar(&o.profile, "cpuprofile", "", "write a processor profile to this file")
	return cmd
}

func runBench(ctx context.Context, cmd *cobra.Command, o benchOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	if o.events != "" {
		if err := refuseFlags(cmd, "is of the built-in suites: leave it out, or --rules and --events", "suite", "count", "list"); err != nil {
			return err
		}
	}
	jobs, err := o.jobs(cmd)
	if err != nil {
		return err
	}
	if o.list {
		for _, j := range jobs {
			fmt.Fprintln(cmd.OutOrStdout(), j.name)
		}
		return nil
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	letGarbageBe()
	stop, err := startProfile(o.profile)
	if err != nil {
		return err
	}
	defer stop()
	return badEvent(cmd, o.events, runJobs(ctx, cmd.OutOrStdout(), jobs, o), o.json)
}

func (o *benchOptions) check() error {
	switch {
	case (len(o.rules) > 0) != (o.events != ""):
		return errors.New("--rules and --events go together")
	case o.lane != "" && o.lane != string(bench.Parsed) && o.lane != string(bench.Bytes):
		return fmt.Errorf("--lane %s is neither parsed nor bytes", o.lane)
	case o.runs < 1:
		return errors.New("--runs must be at least 1")
	case o.oracle < 0 || o.count < 0:
		return errors.New("--oracle and --count may not be below 0")
	}
	return nil
}

// A benchJob is rules over events that can be opened again and again.
type benchJob struct {
	name   string
	load   func() (*rules.Set, error)
	open   func() (bench.Source, error)
	judged func() (bench.Source, error) // what the oracle is asked about
	lane   bench.Lane
	oracle int
}

func (o *benchOptions) jobs(cmd *cobra.Command) ([]benchJob, error) {
	if o.events != "" {
		set, err := loadDocuments(cmd, o.rules, o.json)
		if err != nil {
			return nil, err
		}
		text, err := readEvents(cmd, o.events)
		if err != nil {
			return nil, err
		}
		open := func() (bench.Source, error) { return bench.File(set, bytes.NewReader(text)), nil }
		return []benchJob{o.over(benchJob{name: o.events, load: func() (*rules.Set, error) { return set, nil }, open: open, judged: open, lane: bench.Parsed, oracle: o.oracle})}, nil
	}
	var jobs []benchJob
	for _, s := range o.chosen(bench.Suites()) {
		if o.count > 0 {
			s.Traffic.Events = o.count
		}
		jobs = append(jobs, o.over(benchJob{
			name: s.Name, load: s.Load, lane: s.Lane, oracle: s.Prefix,
			open:   func() (bench.Source, error) { return s.Traffic.Lines(), nil },
			judged: func() (bench.Source, error) { return s.Traffic.Few(s.Prefix), nil },
		}))
	}
	if len(jobs) == 0 {
		return nil, fmt.Errorf("no built-in suite's name holds %q; --list prints them", o.suite)
	}
	return jobs, nil
}

// chosen returns the suite that has the name asked for, else those whose name
// holds it.
func (o *benchOptions) chosen(suites []bench.Suite) (chosen []bench.Suite) {
	for _, s := range suites {
		if s.Name == o.suite {
			return []bench.Suite{s}
		}
		if strings.Contains(s.Name, o.suite) {
			chosen = append(chosen, s)
		}
	}
	return chosen
}

// over applies the flags that replace a job's own choice.
func (o *benchOptions) over(j benchJob) benchJob {
	if o.lane != "" {
		j.lane = bench.Lane(o.lane)
	}
	if o.oracle > 0 {
		j.oracle = o.oracle
	}
	return j
}

var errOracle = errors.New("the oracle raises other alerts")

func runJobs(ctx context.Context, w io.Writer, jobs []benchJob, o benchOptions) error {
	if !o.json {
		if _, err := fmt.Fprintf(w, "commit %s, %s, %d runs\n", commit(), machine(), o.runs); err != nil {
			return err
		}
		if err := bench.WriteHead(w); err != nil {
			return err
		}
	}
	failed := false
	for _, j := range jobs {
		r, err := j.run(ctx, o.runs)
		if err != nil {
			return fmt.Errorf("measuring %s: %w", j.name, err)
		}
		failed = failed || r.OracleEvents > 0 && !r.OracleEqual
		if o.json {
			err = json.NewEncoder(w).Encode(r)
		} else {
			err = r.WriteLine(w)
		}
		if err != nil {
			return err
		}
	}
	if failed {
		return errOracle
	}
	return nil
}

func (j *benchJob) run(ctx context.Context, times int) (*bench.Report, error) {
	set, err := j.load()
	if err != nil {
		return nil, err
	}
	runs := make([]*bench.Run, times)
	for i := range runs {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		in, err := j.open()
		if err != nil {
			return nil, err
		}
		if runs[i], err = bench.Measure(set, in, j.lane); err != nil {
			return nil, err
		}
	}
	r, err := bench.Summarize(runs)
	if err != nil {
		return nil, err
	}
	r.Suite, r.Lane, r.Rules, r.Commit, r.Machine = j.name, j.lane, len(set.Rules), commit(), machine()
	if j.oracle > 0 {
		v, err := bench.Judge(set, j.judged, j.lane, j.oracle)
		if err != nil {
			return nil, err
		}
		r.Judged(v)
	}
	return r, nil
}

func startProfile(name string) (stop func(), err error) {
	if name == "" {
		return func() {}, nil
	}
	file, err := os.Create(name)
	if err != nil {
		return nil, fmt.Errorf("creating the profile: %w", err)
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		file.Close()
		return nil, fmt.Errorf("starting the profile: %w", err)
	}
	return func() {
		pprof.StopCPUProfile()
		file.Close()
	}, nil
}

// commit is the revision that the program was built from.
func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	revision, changed := "unknown", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 12:
			revision = s.Value[:12]
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+"
		}
	}
	return revision + changed
}

// machine names processor, cores and toolchain.
func machine() string {
	model := runtime.GOARCH
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d cores, %s", model, runtime.NumCPU(), runtime.Version())
}
