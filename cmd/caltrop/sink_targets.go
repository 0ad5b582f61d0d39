package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/caltrop/caltrop/engine/kafka"
	"github.com/caltrop/caltrop/sinks"
	"github.com/caltrop/caltrop/sinks/cassandra"
	"github.com/caltrop/caltrop/sinks/redis"
	"github.com/caltrop/caltrop/sinks/webhook"
)

// A target is what a sink writes to.
type target struct {
	alerts sinks.Writer
	views  sinks.ViewWriter
	io.Closer
}

// sinkPartitions is how many partitions the topic of a sink is made with.
const sinkPartitions = 8

// open makes the target of a sink; but for a topic that is made where it is
// missing, it connects to nothing yet.
func (e *outlet) open(ctx context.Context) (*target, error) {
	o, c := &e.sink.Doc.Options, e.node.conf
	switch e.sink.Doc.Type {
	case "webhook":
		return e.openWebhook()
	case "kafka":
		if e.node.cluster.Topics().Owns(o.Topic) {
			return nil, fmt.Errorf("topic %s is one of Caltrop's own", o.Topic)
		}
		if err := e.node.cluster.EnsureTopics(ctx, map[string]int{o.Topic: sinkPartitions}); err != nil {
			return nil, err
		}
		w, err := e.node.cluster.OpenWriter()
		if err != nil {
			return nil, err
		}
		return &target{alerts: topicSink{w, o.Topic}, Closer: closing(w.Close)}, nil
	case "cassandra":
		if len(c.History.Cassandra.Hosts) == 0 {
			return nil, errors.New("history.cassandra.hosts of the configuration names no cluster")
		}
		options, err := c.History.Cassandra.options(e.node.log)
		if err != nil {
			return nil, err
		}
		options.Keyspace, options.TTL = o.Keyspace, o.TTL
		h, err := cassandra.New(options)
		if err != nil {
			return nil, err
		}
		return &target{alerts: h, views: h, Closer: h}, nil
	default:
		if len(c.Redis.Addresses) == 0 {
			return nil, errors.New("redis.addresses of the configuration names no server")
		}
		options, err := c.Redis.secured()
		if err != nil {
			return nil, err
		}
		options.Prefix, options.Grace = o.Prefix, o.Grace
		v, err := redis.New(options)
		if err != nil {
			return nil, err
		}
		return &target{views: v, Closer: v}, nil
	}
}

func (e *outlet) openWebhook() (*target, error) {
	o, c := &e.sink.Doc.Options, &e.node.conf.Webhooks
	from, known := c.Secrets[o.Secret]
	if !known {
		return nil, fmt.Errorf("webhooks.secrets of the configuration has no %s", o.Secret)
	}
	secret, err := from.Read()
	if err != nil {
		return nil, fmt.Errorf("webhooks.secrets.%s: %w", o.Secret, err)
	}
	protection, err := clientTLS("webhooks", c.TLS)
	if err != nil {
		return nil, err
	}
	w, err := webhook.New(webhook.Options{URL: o.URL, Sink: e.sink.Doc.Name, Secret: secret, Timeout: o.Timeout, InFlight: o.InFlight,
		Attempts: o.Attempts, Allow: c.Allow, TLS: protection})
	if err != nil {
		return nil, err
	}
	return &target{alerts: w, Closer: w}, nil
}

type closing func()

// Close implements io.Closer.
func (c closing) Close() error { c(); return nil }

// A topicSink writes alerts to a topic, keyed as the alerts topic is: at least
// once, with headers that tell the versions apart.
type topicSink struct {
	writer *kafka.Writer
	topic  string
}

// Write implements sinks.Writer.
func (t topicSink) Write(ctx context.Context, records []sinks.Record) error {
	out := make([]kafka.Written, len(records))
	for i := range records {
		r := &records[i]
		out[i] = kafka.Written{Topic: t.topic, Key: []byte(r.Key), Value: r.JSON, Headers: []kafka.Header{
			{Name: "alert", Value: r.ID.String()}, {Name: "version", Value: strconv.Itoa(r.Version)}}}
	}
	var failed []sinks.Failure
	for i, err := range t.writer.Write(ctx, out) {
		if err != nil {
			failed = append(failed, sinks.Failure{Index: i, Err: err, Permanent: errors.Is(err, kafka.ErrRecord), Reason: sinks.ReasonTooLarge})
		}
	}
	if len(failed) > 0 {
		return &sinks.BatchError{Failed: failed}
	}
	return nil
}
