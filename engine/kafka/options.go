package kafka

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/caltrop/caltrop/engine/budget"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Bounds of the clients. A task has one consumer and one producer of its own,
// so these are per task.
const (
	messageBytesMax     = 12 << 20 // the largest source record that is read
	fetchBytesMax       = 16 << 20 // one fetch response, at least messageBytesMax
	receiveBytesMax     = fetchBytesMax + 1<<20
	fetchQueueBytes     = 4 << 20 // read ahead where no task does; past it fetching pauses
	fetchMessageBytes   = 1 << 20 // of one partition in one fetch response, but for a larger record
	fetchQueueMessages  = 20_000
	producerQueueBytes  = 32 << 20 // of what no task sends
	producerQueueLen    = 20_000
	producerEvents      = 1000
	producedBytesMax    = 2 << 20 // one record of ours, headers included
	clientLogs          = 256
	sessionTimeout      = 6 * time.Second
	heartbeatEvery      = 500 * time.Millisecond // a member hears with its next one that another has left
	transactionTimeout  = 15 * time.Second
	commitTimeout       = 5 * time.Second // past it the outcome counts as unknown and the task starts over
	fenceAttempt        = 2 * time.Second
	noticeEvery         = 10 * time.Second // that kafka is waited for
	metadataTimeout     = 5 * time.Second
	readerMute          = 15 * time.Second // without a record or an end after a reader began
	retryFirst          = 200 * time.Millisecond
	retryMost           = 5 * time.Second
	fetchErrorBackoffMs = 100
	fetchQueueBackoffMs = 5 // before a full queue is looked at again; the library waits a second
	keyedPartitionsMax  = 1024
)

// Options say which cluster and which job. They are read-only after Open.
type Options struct {
	// Brokers are the addresses to start from, host:port. Required.
	Brokers []string
	// Job names this deployment of rules: its group, its tasks, its internal
	// topics. Default "main".
	Job string
	// Prefix begins the name of each topic of ours. Default "caltrop".
	Prefix string
	// Replication is the replication factor of topics that are created. Default 1.
	Replication int
	// Generation numbers the partitioning of the inputs; a new one begins with
	// empty state. Default 1.
	Generation int
	// KeyedPartitions is how many partitions a keyed log is created with: as many
	// processes can share its rules. Default 32.
	KeyedPartitions int
	// Instance names this process in logs and client ids. Default "caltrop".
	Instance string
	// Settings are passed to the client library as they are (security, mostly).
	Settings map[string]string
	// TLS is how brokers are reached, as Settings say it too; nil: without.
	TLS *tls.Config
	// Memory is divided among the clients of tasks. nil: each takes the most.
	Memory *budget.Budget
	// Log receives lifecycle and degradation. Default: discarded.
	Log *slog.Logger
}

var legalName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// WithDefaults returns a copy with the zero fields filled in.
func (o Options) WithDefaults() Options {
	o.Job = orDefault(o.Job, "main")
	o.Prefix = orDefault(o.Prefix, "caltrop")
	o.Instance = orDefault(o.Instance, "caltrop")
	if o.Replication == 0 {
		o.Replication = 1
	}
	if o.Generation == 0 {
		o.Generation = 1
	}
	if o.KeyedPartitions == 0 {
		o.KeyedPartitions = 32
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Validate reports everything wrong with the options at once.
func (o Options) Validate() error {
	var errs []error
	if len(o.Brokers) == 0 {
		errs = append(errs, errors.New("brokers: at least one address is needed"))
	}
	for name, value := range map[string]string{"job": o.Job, "prefix": o.Prefix} {
		if !legalName.MatchString(value) {
			errs = append(errs, fmt.Errorf("%s %q: lower case letters, digits and dashes, a letter first", name, value))
		}
	}
	if o.Replication < 1 {
		errs = append(errs, fmt.Errorf("replication %d: at least 1", o.Replication))
	}
	if o.Generation < 1 {
		errs = append(errs, fmt.Errorf("generation %d: at least 1", o.Generation))
	}
	if o.KeyedPartitions < 1 || o.KeyedPartitions > keyedPartitionsMax {
		errs = append(errs, fmt.Errorf("%d keyed partitions: 1 to %d", o.KeyedPartitions, keyedPartitionsMax))
	}
	return errors.Join(errs...)
}

func orDefault(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

// clientConfig is what every client has: addresses, logs to one channel, and
// the operator's settings, which win.
func (c *Cluster) clientConfig(own ck.ConfigMap) *ck.ConfigMap {
	conf := ck.ConfigMap{
		"bootstrap.servers":                  strings.Join(c.opts.Brokers, ","),
		"client.id":                          c.opts.Instance,
		"log.connection.close":               false,
		"enable.metrics.push":                false,
		"go.logs.channel.enable":             true,
		"go.logs.channel":                    c.logs,
		"socket.keepalive.enable":            true,
		"reconnect.backoff.ms":               50,
		"reconnect.backoff.max.ms":           1000,
		"topic.metadata.refresh.interval.ms": 10_000,
	}
	for k, v := range own {
		conf[k] = v
	}
	for k, v := range c.opts.Settings {
		conf[k] = v
	}
	return &conf
}
