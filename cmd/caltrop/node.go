package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/caltrop/caltrop/engine/avro"
	"github.com/caltrop/caltrop/engine/backtest"
	"github.com/caltrop/caltrop/engine/budget"
	"github.com/caltrop/caltrop/engine/checkpoint"
	"github.com/caltrop/caltrop/engine/kafka"
	"github.com/caltrop/caltrop/internal/api"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/sinks"
	sinkkafka "github.com/caltrop/caltrop/sinks/kafka"
	"github.com/caltrop/caltrop/sinks/redis"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"
)

// historyWaitMost is the longest wait until the history is asked again: all that
// is raised meanwhile is to be caught up with.
const historyWaitMost = time.Second

// historyBatch is the most records that the history stores at once: many times
// what it writes at one moment, so that the end of a batch costs little.
const historyBatch = 2000

// shutdownMost is the longest that a process goes on after it was told to end.
const shutdownMost = 9 * time.Second

// What backtests over REST take.
const (
	backtestShare = 4   // of the memory budget, beside it: one part in so many
	backtestTime  = 0.5 // of the time of one core, in slices of a millisecond
)

// listsKept is for how many times the time between checkpoints a version of a
// list must be readable again: as long as the oldest of three that are kept.
const listsKept = 4

// A history stores alerts and answers for them.
type history interface {
	sinks.Writer
	api.History
	io.Closer
}

// A node is one process of Caltrop: what serve and dev have in common. newNode
// opens what is local, run does the rest.
type node struct {
	conf     *config
	log      *slog.Logger
	listener net.Listener
	metrics  *api.Metrics
	settings map[string]string // of Kafka's clients; holds a password
	memory   *budget.Budget
	cluster  *kafka.Cluster
	registry *rules.Registry
	engine   *kafka.Engine
	history  history
	views    *redis.Views // nil: there is no Redis
	lock     io.Closer    // of the data directory
	deliver  *sinks.Metrics
	stores   map[string]*sinks.Status // of deliveries to stores, by sink
	handler  http.Handler
	tracer   trace.Tracer // nil: no traces
	exports  []export     // of logs and traces

	backtests *backtest.Operations
	schemas   avro.Schemas // nil: there is no schema registry

	savepoints *checkpoint.Savepoints
	outlets    *outlets
}

// newNode makes a node. The address is taken and the local directories are
// opened before it returns, so that a process that cannot work says so at once.
func newNode(conf *config, log *slog.Logger) (*node, error) {
	n := &node{conf: conf, log: log, stores: map[string]*sinks.Status{conf.History.Kind: {}, "redis.views": {}, "cassandra.views": {}}}
	n.outlets = newOutlets(n)
	for _, step := range []func() error{n.openLogs, n.listen, n.openMetrics, n.openTraces, n.openData, n.openCluster, n.openHistory, n.openViews, n.openEngine, n.openHandler} {
		if err := step(); err != nil {
			n.close()
			return nil, err
		}
	}
	return n, nil
}

func (n *node) listen() (err error) {
	protection, err := n.conf.HTTP.TLS.Server(func(err error) { n.log.Error("tls: going on with the certificate read before", "error", err) })
	if err != nil {
		return fmt.Errorf("http.tls: %w", err)
	}
	if n.listener, err = api.Listen(context.Background(), n.conf.HTTP.Address); err == nil && protection != nil {
		n.listener = tls.NewListener(n.listener, protection)
	}
	return err
}

func (n *node) openMetrics() (err error) {
	readers, err := n.conf.Telemetry.OTLP.readers()
	if err != nil {
		return err
	}
	if n.metrics, err = api.NewMetrics(readers...); err != nil {
		return err
	}
	meter := n.metrics.Meter("github.com/caltrop/caltrop/sinks")
	if err := n.outlets.observe(meter); err != nil {
		return err
	}
	n.deliver, err = sinks.NewMetrics(meter)
	return err
}

func (n *node) openCluster() (err error) {
	o, err := n.conf.Kafka.options()
	if err != nil {
		return err
	}
	n.settings, n.memory = o.Settings, budget.New(int64(n.conf.Memory))
	o.Memory = n.memory
	o.Job, o.Generation, o.Instance, o.Log = n.conf.Job, n.conf.Generation, n.conf.Instance, n.log
	if n.cluster, err = kafka.Open(o); err != nil {
		return err
	}
	key, err := n.conf.PII.hashKey()
	if err != nil {
		return err
	}
	n.registry = rules.NewRegistry(rules.Options{
		Log: n.cluster.RulesLog(), Lists: n.cluster.Lists(), ListsKept: listsKept * n.conf.Checkpoint.Every, Logger: n.log, HashKey: key,
	})
	return nil
}

// openData takes the data directory for this process alone.
func (n *node) openData() (err error) {
	if err := os.MkdirAll(n.conf.Data, 0o755); err != nil {
		return fmt.Errorf("making the data directory: %w", err)
	}
	if n.lock, err = vfs.Default.Lock(filepath.Join(n.conf.Data, "lock")); err != nil {
		return fmt.Errorf("taking the data directory %s (is another process using it?): %w", n.conf.Data, err)
	}
	return nil
}

func (n *node) openViews() (err error) {
	n.views, err = n.conf.Redis.open()
	return err
}

func (n *node) openHistory() (err error) {
	n.history, err = openHistory(n.conf, n.log)
	return err
}

// alertsGroup is the consumer group in which the history reads alerts: one for
// all processes that share it; for a history of this process alone one named
// after the data directory that holds it.
func (n *node) alertsGroup() (string, error) {
	if n.conf.History.Kind != "pebble" {
		return n.cluster.Topics().Sink(n.conf.History.Kind), nil
	}
	path := filepath.Join(n.conf.Data, "history.id")
	id, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		id = []byte(rand.Text())
		err = os.WriteFile(path, id, 0o644)
	}
	if err != nil {
		return "", fmt.Errorf("naming the alert history: %w", err)
	}
	return n.cluster.Topics().Sink("pebble." + string(id)), nil
}

func (n *node) openEngine() error {
	m, err := kafka.NewMetrics(n.metrics.Meter("github.com/caltrop/caltrop/engine/kafka"))
	if err != nil {
		return err
	}
	keeper, err := newKeeper(n.conf, n.memory, m, n.log)
	if err != nil {
		return err
	}
	n.savepoints = keeper.savepoints
	o := kafka.EngineOptions{Keeper: keeper, Savepoints: keeper.savepoints, Metrics: m, Tracer: n.tracer, CommitEvery: n.conf.Kafka.CommitEvery, CheckpointEvery: n.conf.Checkpoint.Every}
	switch schemas, err := n.conf.Registry.open(); {
	case err != nil:
		return err
	case schemas != nil:
		o.Schemas, n.schemas = schemas, schemas
	}
	n.engine = kafka.NewEngine(n.cluster, n.registry, o)
	return errors.Join(m.Observe(n.engine.Status), m.ObserveMemory(n.memory))
}

func (n *node) openHandler() (err error) {
	n.backtests = backtest.NewOperations(backtest.OperationsOptions{
		History: n.cluster.History(), Live: backtest.Live{Job: n.cluster.History(), Rules: n.registry}, Schemas: n.schemas, Dir: filepath.Join(n.conf.Data, "backtests"), Bytes: int64(n.conf.Memory) / backtestShare, Share: backtestTime,
		Report: backtestReport, Log: n.log,
	})
	var sessions api.Sessions
	if n.views != nil { // a nil *Views in an interface is no nil
		sessions = n.views
	}
	n.handler, err = api.New(api.Options{
		Registry: n.registry, Sessions: sessions, Sinks: n.outlets, History: n.history, Jobs: jobs{n}, Backtests: n.backtests, Savepoints: savepoints{n, n.savepoints}, Rescaler: jobs{n}, Metrics: n.metrics, Log: n.log,
		Ready: n.ready, Degraded: n.degraded,
	})
	return err
}

// close lets go of what newNode opened.
func (n *node) close() {
	if n.listener != nil {
		n.listener.Close()
	}
	if n.metrics != nil {
		ctx, cancel := context.WithTimeout(context.Background(), telemetryFlush)
		defer cancel()
		if err := n.metrics.Shutdown(ctx); err != nil {
			n.log.Warn("metrics were not sent", "error", err)
		}
	}
	for _, e := range n.exports {
		ctx, cancel := context.WithTimeout(context.Background(), telemetryFlush)
		defer cancel()
		if err := e.shutdown(ctx); err != nil {
			n.log.Warn(e.what+" were not sent", "error", err)
		}
	}
	if n.history != nil {
		n.history.Close()
	}
	if n.views != nil {
		n.views.Close()
	}
	if n.cluster != nil {
		n.cluster.Close()
	}
	if n.lock != nil {
		n.lock.Close()
	}
}

// run works until ctx ends or something fails for good. At the end tasks commit
// and make their final checkpoints, and only then the HTTP server ends.
func (n *node) run(ctx context.Context) error {
	g, base := errgroup.WithContext(context.WithoutCancel(ctx))
	base, end := context.WithCancel(base)
	work, stop := context.WithCancel(base)
	defer stop()
	defer context.AfterFunc(ctx, func() {
		n.log.Info("ending: tasks commit, make their last checkpoints and are handed over", "why", context.Cause(ctx), "at_most", shutdownMost)
		stop()
	})()
	g.Go(func() error { return n.cluster.Run(base) })
	g.Go(func() error { return api.Serve(base, n.listener, n.handler, n.log) })
	g.Go(func() error {
		defer end()
		return n.work(work)
	})
	return n.wait(ctx, g)
}

// wait returns when all has ended, and shutdownMost after ctx at the latest:
// with brokers away some clients wait longer, for what they cannot do. Nothing
// is lost by leaving them: what is not committed is read again.
func (n *node) wait(ctx context.Context, g *errgroup.Group) error {
	ended := make(chan error, 1)
	go func() { ended <- g.Wait() }()
	late := make(chan struct{})
	defer context.AfterFunc(ctx, func() {
		time.AfterFunc(shutdownMost, func() { close(late) })
	})()
	select {
	case err := <-ended:
		n.close()
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	case <-late:
		n.log.Warn("not waiting any longer for clients to end", "waited", shutdownMost)
		return nil
	}
}

// work reads, matches and delivers until ctx ends.
func (n *node) work(ctx context.Context) error {
	if err := n.cluster.Prepare(ctx); err != nil {
		return err
	}
	group, err := n.alertsGroup()
	if err != nil {
		return err
	}
	source, err := sinkkafka.Open(sinkkafka.Options{
		Brokers: n.conf.Kafka.Brokers, Settings: n.settings, Instance: n.conf.Instance,
		Topics: []string{n.cluster.Topics().Alerts(), n.cluster.Topics().Shadow()}, Group: group, Batch: historyBatch, Log: n.log,
	})
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	if err := n.deliverViews(ctx, g); err != nil {
		return err
	}
	g.Go(func() error { return n.registry.Run(ctx) })
	g.Go(func() error { return n.match(ctx) })
	g.Go(func() error { return n.outlets.run(ctx) })
	g.Go(func() error { return source.Run(ctx) })
	g.Go(func() error { return n.backtests.Run(ctx) })
	g.Go(func() error {
		return sinks.Deliver(ctx, source, n.history, sinks.Options{
			Sink: n.conf.History.Kind, BackoffMax: historyWaitMost, Log: n.log, Metrics: n.deliver, Status: n.stores[n.conf.History.Kind], Tracer: n.tracer,
		})
	})
	return g.Wait()
}

// ready returns nil when the process can do its work, else what it waits for.
func (n *node) ready() error {
	if err := n.cluster.Waiting(); err != nil {
		return err
	}
	select {
	case <-n.registry.Ready():
		s := n.engine.Status()
		return s.Ready()
	default:
		return rules.ErrNotReady
	}
}

// match runs the engine once the rules are known.
func (n *node) match(ctx context.Context) error {
	select {
	case <-n.registry.Ready():
		return n.engine.Run(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}
