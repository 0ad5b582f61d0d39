package cassandra

import (
	"context"
	"errors"

	"github.com/gocql/gocql"
	"github.com/sony/gobreaker/v2"
)

// A class says what to do about a failed request.
type class uint8

const (
	retry class = iota // at once, with a short wait: all requests are idempotent
	later              // not here: the cluster or its settings must change first
	never              // this alert can never be stored
)

// errTooLarge says that a row is over rowBytesMax.
var errTooLarge = errors.New("the alert is too large for a row")

// classify decides whether a failed request is worth a retry.
func classify(err error) class {
	switch {
	case errors.Is(err, errTooLarge):
		return never
	case errors.Is(err, gocql.ErrFrameTooBig):
		return never // no connection will carry it
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return later // the caller has gone
	case errors.Is(err, gocql.ErrTimeoutNoResponse), errors.Is(err, gocql.ErrTooManyTimeouts):
		return retry // applied or not: the next write is the same row
	case errors.Is(err, gocql.ErrConnectionClosed):
		return retry // another connection may be open
	case errors.Is(err, gobreaker.ErrTooManyRequests):
		return retry // others are finding out whether the cluster is back
	case errors.Is(err, gocql.ErrNoStreams):
		return retry // the connection is full for the moment
	}
	var r gocql.RequestError
	if !errors.As(err, &r) {
		return later // no connection, session closed, and what the driver may think of
	}
	switch r.Code() {
	case gocql.ErrCodeWriteTimeout, gocql.ErrCodeReadTimeout:
		return retry // some replicas did not answer in time
	case gocql.ErrCodeOverloaded, gocql.ErrCodeBootstrapping:
		return retry // another coordinator may take it
	case gocql.ErrCodeUnprepared:
		return retry // the node restarted; the driver prepares again
	}
	// Unavailable and failures: too few replicas are alive. Credentials,
	// unauthorized, syntax, invalid, config: someone must act, and then
	// every alert can be stored.
	return later
}

// answered says whether the cluster answered with a code.
func answered(err error, code int) bool {
	var r gocql.RequestError
	return errors.As(err, &r) && r.Code() == code
}
