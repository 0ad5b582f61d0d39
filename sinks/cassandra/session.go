package cassandra

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/gocql/gocql"
)

// A session is what the history asks of the driver. It is safe for concurrent
// use.
type session interface {
	// exec runs a statement that returns no rows.
	exec(ctx context.Context, statement string, values ...any) error
	// rows runs a query and calls each for every row until it returns false.
	// Rows are fetched pageRows at a time.
	rows(ctx context.Context, statement string, values []any, each func(scan func(...any) error) (bool, error)) error
	close()
}

const (
	protocol          = 4           // the newest this driver speaks to Cassandra 5
	pageRows          = 500         // rows fetched at once
	reconnectInterval = time.Second // between attempts to reach a node that is down
	connections       = 2           // per node
)

func consistencyOf(name string) (gocql.Consistency, error) {
	switch name {
	case "one":
		return gocql.One, nil
	case "quorum":
		return gocql.Quorum, nil
	case "local_one":
		return gocql.LocalOne, nil
	case "local_quorum":
		return gocql.LocalQuorum, nil
	}
	return 0, fmt.Errorf("cassandra: consistency %q is none of one, quorum, local_one, local_quorum", name)
}

// A driver is the session over gocql.
type driver struct{ s *gocql.Session }

var _ session = driver{}

// dial opens a session on the keyspace, or on none.
func dial(o Options, keyspace string) (session, error) {
	consistency, err := consistencyOf(o.Consistency)
	if err != nil {
		return nil, err
	}
	c := gocql.NewCluster(o.Hosts...)
	c.Port, c.Keyspace, c.Consistency, c.ProtoVersion = o.Port, keyspace, consistency, protocol
	c.Timeout, c.ConnectTimeout = o.Timeout, o.Timeout
	c.NumConns, c.PageSize, c.ReconnectInterval = connections, pageRows, reconnectInterval
	c.DefaultTimestamp = false // every write names its own
	c.RetryPolicy = nil        // retries are decided by classify
	c.Logger = debugLog{o.Log}
	if o.Username != "" {
		c.Authenticator = gocql.PasswordAuthenticator{Username: o.Username, Password: o.Password}
	}
	if o.TLS != nil {
		c.SslOpts = &gocql.SslOptions{Config: o.TLS, EnableHostVerification: !o.TLS.InsecureSkipVerify}
	}
	hosts := gocql.RoundRobinHostPolicy()
	if o.Datacenter != "" {
		hosts = gocql.DCAwareRoundRobinPolicy(o.Datacenter)
	}
	c.PoolConfig.HostSelectionPolicy = gocql.TokenAwareHostPolicy(hosts)
	s, err := c.CreateSession()
	if err != nil {
		return nil, fmt.Errorf("connecting to cassandra at %s: %w", strings.Join(o.Hosts, ","), err)
	}
	return driver{s}, nil
}

func (d driver) exec(ctx context.Context, statement string, values ...any) error {
	return d.s.Query(statement, values...).WithContext(ctx).Idempotent(true).Exec()
}

func (d driver) rows(ctx context.Context, statement string, values []any, each func(func(...any) error) (bool, error)) error {
	it := d.s.Query(statement, values...).WithContext(ctx).Idempotent(true).Iter()
	scanner := it.Scanner()
	for scanner.Next() {
		more, err := each(scanner.Scan)
		if err != nil || !more {
			it.Close() // only the part that was read counts
			return err
		}
	}
	return scanner.Err()
}

func (d driver) close() { d.s.Close() }

// A debugLog passes the driver's own lines on at debug level: the history
// reports what matters as errors.
type debugLog struct{ log *slog.Logger }

func (l debugLog) Print(v ...any) { l.log.Debug("gocql", "line", fmt.Sprint(v...)) }
func (l debugLog) Printf(format string, v ...any) {
	l.log.Debug("gocql", "line", fmt.Sprintf(format, v...))
}
func (l debugLog) Println(v ...any) { l.log.Debug("gocql", "line", fmt.Sprint(v...)) }
