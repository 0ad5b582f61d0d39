package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/caltrop/caltrop/sinks"
	sinkkafka "github.com/caltrop/caltrop/sinks/kafka"
	"github.com/caltrop/caltrop/sinks/redis"
	"golang.org/x/sync/errgroup"
)

func (c *redisConfig) options() redis.Options {
	return redis.Options{Addresses: c.Addresses, Cluster: c.Cluster, Username: c.Username, Database: c.Database, Prefix: c.Prefix,
		Grace: c.Grace, Timeout: c.Timeout}
}

// secured returns the options with the password and certificates read.
func (c *redisConfig) secured() (o redis.Options, err error) {
	o = c.options()
	if o.Password, err = c.Password.Read(); err != nil {
		return o, fmt.Errorf("redis: %w", err)
	}
	o.TLS, err = clientTLS("redis", c.TLS)
	return o, err
}

// open returns the projection of views; nil where there is none.
func (c *redisConfig) open() (*redis.Views, error) {
	if len(c.Addresses) == 0 {
		return nil, nil
	}
	o, err := c.secured()
	if err != nil {
		return nil, err
	}
	redis.Quiet()
	return redis.New(o)
}

// deliverViews carries the updates of views to the stores that this process has,
// each in a consumer group of its own.
func (n *node) deliverViews(ctx context.Context, g *errgroup.Group) error {
	stores := map[string]sinks.ViewWriter{}
	if n.views != nil {
		stores["redis"] = n.views
	}
	if w, ok := n.history.(sinks.ViewWriter); ok {
		stores["cassandra"] = w
	}
	for target, store := range stores {
		sink := target + ".views"
		group := sink
		if target == "redis" && n.conf.Redis.empty {
			group += "." + rand.Text()
		}
		source, err := sinkkafka.Open(sinkkafka.Options{
			Brokers: n.conf.Kafka.Brokers, Settings: n.settings, Instance: n.conf.Instance,
			Topics: []string{n.cluster.Topics().Views()}, Group: n.cluster.Topics().Sink(group), Log: n.log,
		})
		if err != nil {
			return err
		}
		g.Go(func() error { return source.Run(ctx) })
		g.Go(func() error {
			return sinks.DeliverViews(ctx, source, func(r *sinks.ViewRecord) bool { return r.Targets(target) }, store, sinks.Options{Sink: sink, Log: n.log, Metrics: n.deliver, Status: n.stores[sink]})
		})
	}
	return nil
}

// A devRedis is the Redis of `dev`: in memory, empty at each start.
type devRedis struct{ server *miniredis.Miniredis }

// devRedisTick is how often its keys grow older: it has no clock of its own.
const devRedisTick = time.Second

func startDevRedis() (*devRedis, error) {
	server, err := miniredis.Run()
	if err != nil {
		return nil, fmt.Errorf("starting redis: %w", err)
	}
	return &devRedis{server}, nil
}

// use makes it the Redis of a configuration.
func (d *devRedis) use(c *config) {
	c.Redis.Addresses, c.Redis.empty = []string{d.server.Addr()}, true
}

// run lets keys expire until ctx ends.
func (d *devRedis) run(ctx context.Context) error {
	tick := time.NewTicker(devRedisTick)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			d.server.FastForward(devRedisTick)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
