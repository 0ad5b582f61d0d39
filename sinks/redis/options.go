// Package redis projects views to Redis, where other services read the current
// window of a key: one hash a view and key, replaced by newer versions only,
// gone when it is of no use any more. Redis is never the truth: the views topic
// is, and the projection can be made again from it. The driver stays in this
// folder.
package redis

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"regexp"
	"time"
)

// Options of New. Addresses is required.
type Options struct {
	// Addresses of one server, or of several of a cluster, host:port.
	Addresses []string
	Cluster   bool // with one address too
	Username  string
	Password  string
	Database  int         // not in a cluster
	TLS       *tls.Config // nil means plain text
	// Prefix begins every key. Default "caltrop".
	Prefix string
	// Grace is how much longer than its window a key stays, by Redis's own clock:
	// events come late, and a version is remembered so long after the window has
	// ended. Default 1 h.
	Grace time.Duration
	// Timeout bounds one request, dialling included. Default 1 s.
	Timeout time.Duration
	// Batch bounds the updates of one pipeline. Default 500.
	Batch int
	Now   func() time.Time // for Stale; nil means time.Now
}

// Bounds of Options.
const (
	graceMax   = 30 * 24 * time.Hour
	timeoutMax = time.Minute
)

var prefixForm = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,63}$`)

func (o Options) withDefaults() Options {
	o.Prefix = cmp.Or(o.Prefix, "caltrop")
	o.Grace = cmp.Or(o.Grace, time.Hour)
	o.Timeout = cmp.Or(o.Timeout, time.Second)
	o.Batch = cmp.Or(o.Batch, 500)
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Validate reports all problems of the options.
func (o Options) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("redis: "+format, args...))
		}
	}
	d := o.withDefaults()
	check(len(o.Addresses) > 0, "no addresses")
	check(prefixForm.MatchString(d.Prefix), "prefix %q does not match %s", d.Prefix, prefixForm)
	check(d.Grace > 0 && d.Grace <= graceMax, "grace %s is not between 0 and %s", d.Grace, graceMax)
	check(d.Timeout > 0 && d.Timeout <= timeoutMax, "timeout %s is not between 0 and %s", d.Timeout, timeoutMax)
	check(o.Database >= 0 && o.Batch >= 0, "database and batch cannot be negative")
	check(!o.Cluster && len(o.Addresses) < 2 || o.Database == 0, "a cluster has no databases but 0")
	return errors.Join(errs...)
}
