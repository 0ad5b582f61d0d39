package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/caltrop/caltrop/engine/budget"
	"github.com/caltrop/caltrop/sinks/cassandra"
	"github.com/caltrop/caltrop/sinks/pebble"
	"github.com/spf13/cobra"
)

func serveCommand() *cobra.Command {
	var path, from string
	cmd := &cobra.Command{
		Use:   "serve --config FILE",
		Short: "Run live rules over Kafka",
		Long: `Run the live rules of a Kafka cluster's rules topic: match, deliver alerts to
the history, and answer on HTTP. Run as many processes of one job as needed;
they share the partitions among them.

Without Kafka it starts, says so, and goes on when Kafka is there; /readyz
answers 503 until then. On SIGTERM it commits, makes final checkpoints and
exits 0.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if path == "" {
				return errors.New("no configuration: give --config FILE")
			}
			conf, err := readConfig(path)
			if err != nil {
				return err
			}
			if conf.Checkpoint.From = cmp.Or(from, conf.Checkpoint.From); !conf.Checkpoint.fromIsLegal() {
				return fmt.Errorf("--from-savepoint is %q, want JOB/NAME", from)
			}
			log, err := newLog(cmd.ErrOrStderr(), conf.Log)
			if err != nil {
				return err
			}
			boundHeap(conf)
			n, err := newNode(conf, log)
			if err != nil {
				return err
			}
			n.log.Info("serving", "instance", conf.Instance, "http", n.listener.Addr().String(), "kafka", conf.Kafka.Brokers)
			return n.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&path, "config", "", "the configuration file; deploy/serve.yaml documents it")
	cmd.Flags().StringVar(&from, "from-savepoint", "", "JOB/NAME: tasks without a checkpoint start as this savepoint has them; give a job of another name or generation")
	return cmd
}

func newLog(w io.Writer, c logConfig) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		return nil, fmt.Errorf("log.level is %q, want debug, info, warn or error", c.Level)
	}
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o)), nil
	}
	return slog.New(slog.NewTextHandler(w, o)), nil
}

// openHistory opens the history that the configuration names. Cassandra need
// not be there yet.
func openHistory(c *config, log *slog.Logger) (history, error) {
	if c.History.Kind == "pebble" {
		h, err := pebble.Open(filepath.Join(c.Data, "history"), pebble.Options{})
		if err != nil {
			return nil, err
		}
		return h, nil
	}
	o, err := c.History.Cassandra.options(log)
	if err != nil {
		return nil, err
	}
	h, err := cassandra.New(o)
	if err != nil {
		return nil, err // not h: a nil *History in an interface is no nil
	}
	return h, nil
}

// options returns how to reach the cluster, with the password read.
func (o *cassandraConfig) options(log *slog.Logger) (cassandra.Options, error) {
	password, err := o.Password.Read()
	if err != nil {
		return cassandra.Options{}, fmt.Errorf("history.cassandra: %w", err)
	}
	protection, err := clientTLS("history.cassandra", o.TLS)
	if err != nil {
		return cassandra.Options{}, err
	}
	return cassandra.Options{
		Hosts: o.Hosts, Port: o.Port, Keyspace: o.Keyspace, Datacenter: o.Datacenter, Replication: o.Replication,
		Consistency: o.Consistency, Username: o.Username, Password: password, TLS: protection, TTL: o.TTL, Log: log,
	}, nil
}

// What the heap may take beside the tasks' state, and how much of it may be
// garbage before it is collected: events live shortly and are many.
const (
	heapBeside  = 256 << 20
	heapGarbage = 300 // percent
)

// boundHeap sets the garbage collector to what the configured memory leaves beside
// what is not in the heap. GOMEMLIMIT and
// GOGC of the environment win.
func boundHeap(c *config) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(int64(c.Memory) - budget.New(int64(c.Memory)).Outside() + heapBeside)
	}
	letGarbageBe()
}

// letGarbageBe lets heapGarbage be garbage, unless GOGC of the environment says how
// much.
func letGarbageBe() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGarbage)
	}
}
