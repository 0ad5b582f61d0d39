package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/caltrop/caltrop/loadtest/fraudgen"
	"github.com/caltrop/caltrop/sinks/alert"
	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kfake"
	"golang.org/x/sync/errgroup"
)

// devOptions are the flags of `dev`.
type devOptions struct {
	data     string
	http     string
	kafka    int
	rate     float64
	seed     uint64
	past     time.Duration
	quiet    bool // no generator
	logLevel string
}

// What the embedded broker and the demonstration's traffic are like.
const (
	devLateness        = 2 * time.Second
	devDisorder        = 1500 * time.Millisecond
	devIncidents       = 0.002
	devCards           = 20_000
	devPartitions      = 2
	devReadyWait       = 45 * time.Second
	devCheckpointEvery = 10 * time.Second
	devReadyPoll       = 100 * time.Millisecond

	// A stream that is silent before the traffic begins must not be taken for
	// idle: its watermark would follow the clock, and the hour that is played
	// first would be late.
	devIdle = devReadyWait + 15*time.Second
)

func devCommand() *cobra.Command {
	var o devOptions
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run everything in one process, with made-up traffic",
		Long: `Run Caltrop with a broker of its own, kept under the data directory: the
shipped rules, a generator of payments, logins and orders with fraud among
them, alerts as lines on standard output, REST on loopback. The generator
first plays the last hour, then lives.

Any Kafka client can write to the broker's topics and read caltrop.alerts.
Ctrl-C ends it; the next start goes on with what there is.

Exit codes: 0 it ran until it was stopped, 1 it could not.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return dev(cmd.Context(), o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.data, "data", filepath.Join("data", "dev"), "directory for the broker, state, checkpoints and history")
	f.StringVar(&o.http, "http", addressDefault, "address of the REST interface")
	f.IntVar(&o.kafka, "kafka", 9092, "port of the broker on loopback")
	f.Float64Var(&o.rate, "rate", 20, "generated events a second")
	f.Uint64Var(&o.seed, "seed", 1, "seed of the generator")
	f.DurationVar(&o.past, "past", time.Hour, "the generator starts this long ago, and catches up at once")
	f.BoolVar(&o.quiet, "no-generator", false, "start without traffic")
	f.StringVar(&o.logLevel, "log", "warn", "debug, info, warn or error, on standard error")
	return cmd
}

func dev(ctx context.Context, o devOptions, out, problems io.Writer) error {
	if err := o.validate(); err != nil {
		return err
	}
	conf := o.config()
	if err := conf.validate(); err != nil {
		return err
	}
	log, err := newLog(problems, conf.Log)
	if err != nil {
		return err
	}
	store, err := startDevRedis()
	if err != nil {
		return err
	}
	defer store.server.Close()
	store.use(conf)
	if conf.PII.Key, err = devKey(o.data, "pii.key"); err != nil {
		return err
	}
	if err := conf.Webhooks.develop(o.data); err != nil {
		return err
	}
	n, err := newNode(conf, log)
	if err != nil {
		return err
	}
	broker, fresh, err := startDevBroker(o)
	if err != nil {
		n.close()
		return err
	}
	defer broker.Close()
	d := &demo{node: n, opts: o, fresh: fresh, out: out}
	fmt.Fprintf(out, "broker   %s\nredis    %s\nREST     http://%s\ndata     %s\n", conf.Kafka.Brokers[0], store.server.Addr(), n.listener.Addr(), o.data)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return n.run(ctx) })
	g.Go(func() error { return d.run(ctx) })
	g.Go(func() error { return store.run(ctx) })
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// validate refuses flags that cannot be, before anything is started.
func (o *devOptions) validate() error {
	switch {
	case o.data == "":
		return errors.New("--data is empty, want a directory")
	case o.kafka < 1 || o.kafka > math.MaxUint16:
		return fmt.Errorf("--kafka %d is no port, want 1 to %d", o.kafka, math.MaxUint16)
	case !(o.rate > 0): // nor NaN
		return fmt.Errorf("--rate %v is no positive number; --no-generator starts without traffic", o.rate)
	case o.past < 0:
		return fmt.Errorf("--past %s lies ahead, want 0s or more", o.past)
	}
	return nil
}

func (o *devOptions) config() *config {
	c := &config{Job: "dev", Instance: "dev", Data: o.data}
	c.Kafka.Brokers = []string{net.JoinHostPort("127.0.0.1", strconv.Itoa(o.kafka))}
	c.Kafka.Keyed = devPartitions
	c.HTTP.Address = o.http
	c.Checkpoint.Every = devCheckpointEvery
	c.Log.Level = o.logLevel
	c.fill()
	return c
}

// startDevBroker starts the broker over its directory; fresh tells that there
// was nothing in it.
func startDevBroker(o devOptions) (broker *kfake.Cluster, fresh bool, err error) {
	dir := filepath.Join(o.data, "broker")
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, false, fmt.Errorf("looking into the broker's directory: %w", err)
	}
	broker, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(o.kafka), kfake.DataDir(dir),
		kfake.BrokerConfigs(map[string]string{"message.max.bytes": strconv.Itoa(12 << 20)}))
	if err != nil {
		return nil, false, fmt.Errorf("starting the broker on port %d (--kafka chooses another): %w", o.kafka, err)
	}
	return broker, len(entries) == 0, nil
}

// A demo is what `dev` adds to a node: rules, traffic, and alerts as lines.
type demo struct {
	node  *node
	opts  devOptions
	fresh bool // the broker was empty
	out   io.Writer
	lines sync.Mutex // held to write a line of out
}

func (d *demo) run(ctx context.Context) error {
	select {
	case <-d.node.registry.Ready():
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := d.install(ctx); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	following := make(chan struct{})
	g.Go(func() error {
		topic := d.node.cluster.Topics().Alerts()
		return d.node.cluster.Follow(ctx, topic, sync.OnceFunc(func() { close(following) }), d.print)
	})
	g.Go(func() error {
		select {
		case <-following:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := d.ready(ctx); err != nil {
			return err
		}
		return d.live(ctx)
	})
	return g.Wait()
}

// ready waits until every task runs the installed rules: events before that
// would meet no rule.
func (d *demo) ready(ctx context.Context) error {
	for deadline := time.Now().Add(devReadyWait); time.Now().Before(deadline); {
		if d.tasksLive() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(devReadyPoll):
		}
	}
	return fmt.Errorf("the tasks are not ready after %s: GET http://%s/v1/jobs tells more", devReadyWait, d.node.listener.Addr())
}

// live generates traffic until ctx ends.
func (d *demo) live(ctx context.Context) error {
	d.say("ready: %d rules live; alerts follow, one a line; Ctrl-C ends", len(d.node.registry.Current().Rules))
	if d.opts.quiet {
		<-ctx.Done()
		return ctx.Err()
	}
	o := genOptions{past: max(d.opts.past, time.Millisecond), Options: fraudgen.Options{Seed: d.opts.seed, Rate: d.opts.rate, Cards: devCards,
		Disorder: devDisorder, Incidents: devIncidents}}
	if !d.fresh { // what was played before must not be played again
		o.past = time.Millisecond
		o.After = uint64(time.Now().UnixMilli())
	}
	if err := o.place(time.Now()); err != nil {
		return err
	}
	g, err := fraudgen.New(o.Options)
	if err != nil {
		return err
	}
	sink, err := newFeed(ctx, d.node.conf.Kafka.Brokers[0], feedTopics(g.Streams()), nil, devPartitions)
	if err != nil {
		return err
	}
	_, err = o.send(ctx, g, sink, newBar(io.Discard, -1, ""))
	return errors.Join(err, sink.Close(ctx), ctx.Err())
}

func (d *demo) say(format string, args ...any) {
	d.lines.Lock()
	defer d.lines.Unlock()
	fmt.Fprintf(d.out, format+"\n", args...)
}

// print writes one alert as a line for people.
func (d *demo) print(value []byte) {
	a, err := alert.ParseJSON(value)
	if err != nil {
		d.node.log.Error("reading an alert", slog.Any("error", err))
		return
	}
	events := 0
	for _, s := range a.Evidence {
		events += len(s.Events)
	}
	at := time.UnixMicro(a.At).Format("15:04:05")
	line := fmt.Sprintf("%s  %-8s  %-18s %-12s %s (%d events)", at, strings.ToUpper(a.Severity), a.Rule, a.KeyText(), a.Summary, events)
	if a.Status != alert.Raised {
		line += fmt.Sprintf(" [%s, version %d, %d suppressed]", a.Status, a.Version, a.Suppressed)
	}
	d.say("%s", line)
}
