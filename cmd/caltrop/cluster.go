package main

import (
	"cmp"
	"errors"

	"github.com/caltrop/caltrop/engine/kafka"
	"github.com/spf13/pflag"
)

// clusterFlags name the Kafka cluster of a command that is no process of a job.
type clusterFlags struct {
	config, prefix string
	job            string // where a command has a flag for it
	brokers        []string
}

func (o *clusterFlags) add(f *pflag.FlagSet) {
	f.StringVar(&o.config, "config", "", "the configuration of serve: its brokers, their settings and the prefix")
	f.StringSliceVar(&o.brokers, "brokers", nil, "addresses of Kafka, instead of --config")
	f.StringVar(&o.prefix, "prefix", "", "prefix of the topics, with --brokers (default caltrop)")
}

// given reports whether the flags name a cluster.
func (o *clusterFlags) given() bool { return o.config != "" || len(o.brokers) > 0 }

// open returns the cluster, which the caller closes.
func (o *clusterFlags) open() (*kafka.Cluster, error) {
	if (o.config == "") == (len(o.brokers) == 0) {
		return nil, errors.New("give --config FILE or --brokers HOST:PORT, one of them")
	}
	opts := kafka.Options{Brokers: o.brokers, Prefix: o.prefix, Job: o.job}
	if o.config != "" {
		c, err := readConfig(o.config)
		if err != nil {
			return nil, err
		}
		if opts, err = c.Kafka.options(); err != nil {
			return nil, err
		}
		opts.Prefix, opts.Job, opts.Generation = cmp.Or(o.prefix, opts.Prefix), cmp.Or(o.job, c.Job), c.Generation
	}
	return kafka.Open(opts)
}
