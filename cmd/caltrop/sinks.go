package main

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"golang.org/x/sync/errgroup"

	"github.com/caltrop/caltrop/engine/kafka"
	"github.com/caltrop/caltrop/internal/api"
	"github.com/caltrop/caltrop/internal/secure"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/sinks"
	"github.com/caltrop/caltrop/sinks/alert"
	sinkkafka "github.com/caltrop/caltrop/sinks/kafka"
)

// webhooksConfig is what sinks of type webhook may do from this process.
type webhooksConfig struct {
	Secrets map[string]secure.Secret `yaml:"secrets"`
	Allow   []netip.Prefix           `yaml:"allow"`
	TLS     *secure.TLS              `yaml:"tls"` // nil: the system's authorities
}

// develop is what `dev` has: the secret dev, made where it is missing, and
// receivers on loopback.
func (c *webhooksConfig) develop(data string) error {
	secret, err := devKey(data, "webhook.key")
	c.Secrets = map[string]secure.Secret{"dev": secret}
	c.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	return err
}

// Bounds of the waits of an outlet.
const (
	outletWaitMin  = time.Second // before one that cannot work is opened again
	outletWaitMost = 15 * time.Second
	outletLagEvery = 5 * time.Second
)

// outlets are the live sinks of this process: each has a consumer of its own,
// so that one that is dead holds up nothing but itself.
type outlets struct {
	node *node
	mu   struct {
		sync.Mutex
		running map[string]*outlet
	}
}

func newOutlets(n *node) *outlets {
	o := &outlets{node: n}
	o.mu.running = map[string]*outlet{}
	return o
}

// An outlet is one revision of a sink at work.
type outlet struct {
	node   *node
	sink   *rules.Sink
	status sinks.Status
	stop   context.CancelFunc
	done   chan struct{}
	mu     struct {
		sync.Mutex
		lag     int64
		trouble string // why it cannot work at all; "" when it does
	}
}

// run has the sinks of the current rules at work until ctx ends.
func (o *outlets) run(ctx context.Context) error {
	defer o.reconcile(ctx, &rules.Set{})
	select {
	case <-o.node.registry.Ready():
	case <-ctx.Done():
		return ctx.Err()
	}
	for ctx.Err() == nil {
		changed := o.node.registry.Changed()
		o.reconcile(ctx, o.node.registry.Current())
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

// reconcile ends what is no longer in the set and starts what is new in it.
func (o *outlets) reconcile(ctx context.Context, set *rules.Set) {
	want := map[string]*rules.Sink{}
	for _, k := range set.Sinks {
		want[k.Doc.Name] = k
	}
	for _, each := range o.all() {
		name := each.sink.Doc.Name
		if k := want[name]; k != nil && k.Revision == each.sink.Revision {
			delete(want, name)
			continue
		}
		each.stop()
		<-each.done
		o.mu.Lock()
		delete(o.mu.running, name)
		o.mu.Unlock()
	}
	for name, k := range want {
		each := &outlet{node: o.node, sink: k, done: make(chan struct{})}
		var work context.Context
		work, each.stop = context.WithCancel(ctx)
		go func() { defer close(each.done); each.run(work) }()
		o.mu.Lock()
		o.mu.running[name] = each
		o.mu.Unlock()
	}
}

func (o *outlets) all() []*outlet {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Collect(maps.Values(o.mu.running))
}

// Sink implements api.Sinks.
func (o *outlets) Sink(name string) (api.Delivery, bool) {
	o.mu.Lock()
	e := o.mu.running[name]
	o.mu.Unlock()
	if e == nil {
		return api.Delivery{}, false
	}
	return e.delivery(), true
}

func (e *outlet) delivery() api.Delivery {
	e.mu.Lock()
	defer e.mu.Unlock()
	r := e.status.Report()
	d := api.Delivery{Instance: e.node.conf.Instance, State: "delivering", Lag: e.mu.lag, Held: r.Held, Delivered: r.Delivered, Rejected: r.Rejected,
		Silenced: r.Silenced, Replaced: r.Replaced}
	switch {
	case e.mu.trouble != "":
		d.State, d.Error = "stopped", e.mu.trouble
	case r.Error != "":
		d.State, d.Error, d.Attempts = "retrying", r.Error, r.Attempts
	}
	return d
}

// observe shows how the sinks are doing as gauges.
func (o *outlets) observe(m metric.Meter) error {
	for _, f := range []struct {
		name, desc string
		of         func(*api.Delivery) float64
	}{
		{"caltrop_sink_lag_records", "records that a sink has not done with, of the partitions that this process reads for it", func(d *api.Delivery) float64 { return float64(d.Lag) }},
		{"caltrop_sink_held", "alerts that wait to be final before they go to a sink", func(d *api.Delivery) float64 { return float64(d.Held) }},
		{"caltrop_sink_up", "1 for a sink whose last step went well", func(d *api.Delivery) float64 {
			if d.State == "delivering" {
				return 1
			}
			return 0
		}},
	} {
		_, err := m.Float64ObservableGauge(f.name, metric.WithDescription(f.desc), metric.WithFloat64Callback(func(_ context.Context, to metric.Float64Observer) error {
			for _, e := range o.all() {
				d := e.delivery()
				to.Observe(f.of(&d), metric.WithAttributes(attribute.String("sink", e.label())))
			}
			return nil
		}))
		if err != nil {
			return fmt.Errorf("registering %s: %w", f.name, err)
		}
	}
	return nil
}

func (e *outlet) label() string { return "sink." + e.sink.Doc.Name }

// run works until ctx ends; what ends it before is tried again.
func (e *outlet) run(ctx context.Context) {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = outletWaitMin, outletWaitMost
	for ctx.Err() == nil {
		err := e.work(ctx)
		if ctx.Err() != nil {
			return
		}
		if e.troubled(err.Error()) {
			e.node.log.Error("a sink cannot work and is opened again and again", "sink", e.sink.Doc.Name, "error", err)
		}
		select {
		case <-time.After(wait.NextBackOff()):
		case <-ctx.Done():
		}
	}
}

// troubled notes why the sink cannot work, and reports whether that is news.
func (e *outlet) troubled(why string) (news bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	news = e.mu.trouble != why
	e.mu.trouble = why
	return news
}

// work delivers until ctx ends or something is wrong that no delivery mends.
func (e *outlet) work(ctx context.Context) error {
	t, err := e.open(ctx)
	if err != nil {
		return err
	}
	defer t.Close()
	letters, err := e.node.cluster.OpenWriter()
	if err != nil {
		return err
	}
	defer letters.Close()
	topic := e.node.cluster.Topics().Alerts()
	if e.sink.Doc.Of == "views" {
		topic = e.node.cluster.Topics().Views()
	}
	source, err := sinkkafka.Open(sinkkafka.Options{
		Brokers: e.node.conf.Kafka.Brokers, Settings: e.node.settings, Instance: e.node.conf.Instance,
		Topics: []string{topic}, Group: e.node.cluster.Topics().Sink("doc." + e.sink.Doc.Name), Log: e.node.log,
	})
	if err != nil {
		return err
	}
	e.troubled("")
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return source.Run(ctx) })
	g.Go(func() error { return e.watch(ctx, source) })
	g.Go(func() error { return e.deliver(ctx, source, t, letters) })
	return g.Wait()
}

func (e *outlet) deliver(ctx context.Context, source *sinkkafka.Source, t *target, letters *kafka.Writer) error {
	o := sinks.Options{Sink: e.label(), Log: e.node.log, Metrics: e.node.deliver, Tracer: e.node.tracer, Status: &e.status,
		Letters: func(ctx context.Context, refused []sinks.Letter) error { return e.setAside(ctx, letters, refused) }}
	if e.sink.Doc.Of == "views" {
		wanted := func(r *sinks.ViewRecord) bool { return e.node.registry.Current().SelectsView(e.sink, r.View, r.Key) }
		return sinks.DeliverViews(ctx, source, wanted, t.views, o)
	}
	return sinks.Deliver(ctx, sinks.Select(source, e.judge, o), t.alerts, o)
}

// judge says what becomes of an alert at this sink.
func (e *outlet) judge(a *alert.Alert) (sinks.Verdict, time.Time) {
	set := e.node.registry.Current()
	switch {
	case !set.Selects(e.sink, a):
		return sinks.Unwanted, time.Time{}
	case len(set.Silencing(a)) > 0:
		return sinks.Silenced, set.RipeFor(e.sink, a)
	}
	return sinks.Wanted, set.RipeFor(e.sink, a)
}

// setAside writes what the sink can never take to the dead letters.
func (e *outlet) setAside(ctx context.Context, w *kafka.Writer, refused []sinks.Letter) error {
	letters := make([]kafka.Letter, len(refused))
	for i := range refused {
		r := &refused[i]
		letters[i] = kafka.Letter{Reason: r.Reason, Detail: fmt.Sprintf("sink %s: %s", e.sink.Doc.Name, r.Detail), Stream: "alerts", Key: []byte(r.Key), Value: r.JSON}
		letters[i].Source.Topic, letters[i].Source.Partition, letters[i].Source.Offset = e.node.cluster.Topics().Alerts(), r.Partition, r.Offset
	}
	return w.WriteLetters(ctx, e.node.cluster.Topics().Dead(), letters)
}

// watch asks now and then how far behind the sink is.
func (e *outlet) watch(ctx context.Context, source *sinkkafka.Source) error {
	tick := time.NewTicker(outletLagEvery)
	defer tick.Stop()
	for {
		if lag, err := source.Lag(); err == nil { // else it stays as it was last seen
			e.mu.Lock()
			e.mu.lag = lag
			e.mu.Unlock()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
