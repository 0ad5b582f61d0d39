// Package cassandra is the alert history in Cassandra: one table by rule and
// hour, one by key and month, one that finds an alert by its id. Every write is
// an upsert of whole rows whose write time is the alert's event time plus its
// version, so writes may be repeated and may arrive in any order; nothing is
// ever deleted, and no batch is ever logged. The driver stays in this folder,
// behind the session interface.
package cassandra

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"
)

// Options of New. Hosts and Keyspace are required.
type Options struct {
	Hosts    []string
	Port     int // 0 means 9042
	Keyspace string
	// Datacenter is the local one: requests stay in it and the keyspace is made
	// for it. Empty means a cluster of one datacenter.
	Datacenter string
	// Replication is the replication factor of a keyspace made here; 0 means 1.
	// A keyspace that exists is left as it is.
	Replication int
	// Consistency of reads and writes: one, quorum, local_one or local_quorum;
	// empty means local_quorum.
	Consistency string
	Username    string // empty means no authentication
	Password    string
	TLS         *tls.Config // nil means plain text
	// TTL is how long a row stays after it was written; 0 means for ever.
	TTL time.Duration
	// Inflight bounds the alerts being written at once; 0 means 192:
	// the nodes sync their log for many writes at once.
	Inflight int
	// Timeout bounds one request; 0 means 5 s.
	Timeout time.Duration
	Log     *slog.Logger // of the driver, at debug level; nil means silence
}

// The defaults and bounds of Options.
const (
	portDefault     = 9042
	inflightDefault = 192
	timeoutDefault  = 5 * time.Second
	ttlMax          = 20 * 365 * 24 * time.Hour // Cassandra's own bound
)

var keyspaceForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,47}$`)

func (o Options) withDefaults() Options {
	if o.Port == 0 {
		o.Port = portDefault
	}
	if o.Replication == 0 {
		o.Replication = 1
	}
	if o.Consistency == "" {
		o.Consistency = "local_quorum"
	}
	if o.Inflight == 0 {
		o.Inflight = inflightDefault
	}
	if o.Timeout == 0 {
		o.Timeout = timeoutDefault
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Validate reports all problems of the options.
func (o Options) Validate() error {
	var errs []error
	if len(o.Hosts) == 0 {
		errs = append(errs, errors.New("cassandra: no hosts"))
	}
	if !keyspaceForm.MatchString(o.Keyspace) {
		errs = append(errs, fmt.Errorf("cassandra: keyspace %q does not match %s", o.Keyspace, keyspaceForm))
	}
	if _, err := consistencyOf(o.withDefaults().Consistency); err != nil {
		errs = append(errs, err)
	}
	if o.TTL < 0 || o.TTL > ttlMax {
		errs = append(errs, fmt.Errorf("cassandra: ttl %s is not between 0 and %s", o.TTL, ttlMax))
	}
	if o.Port < 0 || o.Port > 65535 || o.Replication < 0 || o.Inflight < 0 || o.Timeout < 0 {
		errs = append(errs, errors.New("cassandra: port, replication, inflight and timeout cannot be negative, nor the port over 65535"))
	}
	return errors.Join(errs...)
}
