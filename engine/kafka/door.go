package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// knockTimeout bounds one look at why a broker does not let us in.
const knockTimeout = 2 * time.Second

// unanswered names the brokers in an error that says that none of them answers, and
// what keeps us outside where that can be told.
func (c *Cluster) unanswered(err error) error {
	var ke ck.Error
	if !errors.As(err, &ke) {
		return err
	}
	switch ke.Code() {
	case ck.ErrTransport, ck.ErrAllBrokersDown, ck.ErrResolve, ck.ErrTimedOut, ck.ErrAuthentication, ck.ErrSsl:
		if why := c.shut(); why != "" {
			return fmt.Errorf("no broker at %s lets us in: %s: %w", c.at(), why, err)
		}
		return fmt.Errorf("no broker at %s answers: %w", c.at(), err)
	}
	return err
}

// heardOf handles one line of the client library, of which it keeps what a broker has
// against our user. A line that repeats is logged once a minute.
func (c *Cluster) heardOf(e ck.LogEvent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, said, ok := strings.Cut(e.Message, ": SASL "); ok && e.Tag == "FAIL" && !strings.Contains(said, "transport failure") {
		said, _, _ = strings.Cut(said, " (after ")
		c.mu.refusal = "SASL " + said
	}
	if e.Level > 4 || time.Since(c.mu.logged[e.Tag]) < time.Minute {
		return
	}
	c.mu.logged[e.Tag] = time.Now()
	c.opts.Log.Warn("kafka client", "tag", e.Tag, "message", e.Message)
}

// shut says why brokers that take connections do not let us in, and which setting
// that goes by; "" where nothing is known against us.
func (c *Cluster) shut() string {
	c.mu.Lock()
	refusal, known := c.mu.refusal, c.mu.known
	c.mu.Unlock()
	switch {
	case strings.Contains(refusal, "mechanism handshake"):
		return refusal + " (kafka.sasl.mechanism)"
	case refusal != "":
		return refusal + " (kafka.sasl.username, kafka.sasl.password)"
	case known && c.opts.TLS == nil: // it has let us in without
		return ""
	}
	for _, address := range c.opts.Brokers {
		if why := c.knock(address); why != "" {
			return why
		}
	}
	return ""
}

// knock tries a TLS handshake with a broker, as it is configured; without TLS, to
// know whether the broker wants it.
func (c *Cluster) knock(address string) string {
	ctx, cancel := context.WithTimeout(context.Background(), knockTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return ""
	}
	defer conn.Close()
	conf := &tls.Config{InsecureSkipVerify: true} // nothing is sent
	if c.opts.TLS != nil {
		conf = c.opts.TLS.Clone()
		conf.ServerName, _, _ = net.SplitHostPort(address)
	}
	err = tls.Client(conn, conf).HandshakeContext(ctx)
	switch {
	case c.opts.TLS == nil && err == nil:
		return address + " speaks TLS, which is not configured (kafka.tls)"
	case c.opts.TLS == nil, ctx.Err() != nil:
		return ""
	case err != nil:
		return fmt.Sprintf("TLS with %s fails: %v (kafka.tls)", address, err)
	case c.opts.Settings["sasl.mechanisms"] == "":
		return address + " takes TLS connections but no requests; it may want a user, which is not configured (kafka.sasl)"
	}
	return ""
}
