package redis

import (
	"context"
	_ "embed" // the scripts are part of the package
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/caltrop/caltrop/sinks"
	"github.com/caltrop/caltrop/sinks/view"
)

// A Views is the projection of views. It connects at the first request, so
// that a server that is down delays the projection and nothing else. It is safe
// for concurrent use.
type Views struct {
	o      Options
	client redis.UniversalClient
}

var _ sinks.ViewWriter = (*Views)(nil)

// writeScript replaces a hash by a newer version of it. Versions are µs since
// 1970, which a Lua number holds exactly until the year 2255.
//
//go:embed write.lua
var writeScript string

// readScript answers with version, length and update; without the update where
// it is longer than asked for.
//
//go:embed read.lua
var readScript string

// New returns a projection that has not yet connected. The caller closes it.
func New(o Options) (*Views, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	client := redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs: o.Addresses, IsClusterMode: o.Cluster, DB: o.Database, Username: o.Username, Password: o.Password, TLSConfig: o.TLS,
		DialTimeout: o.Timeout, ReadTimeout: o.Timeout, WriteTimeout: o.Timeout, PoolTimeout: o.Timeout, ContextTimeoutEnabled: true,
		MaxRetries: -1, DialerRetries: 1, // the delivery loop tries again; a reader is answered at once
	})
	return &Views{o: o, client: client}, nil
}

// Close ends the connections. Requests under way fail.
func (v *Views) Close() error { return v.client.Close() }

// keyOf is the hash of a view and key. The braces make all views of one key one
// slot of a cluster.
func (v *Views) keyOf(name, key string) string {
	return v.o.Prefix + ":view:" + name + ":{" + key + "}"
}

// WriteViews implements sinks.ViewWriter. Of the updates of one view and key
// only the newest is sent.
func (v *Views) WriteViews(ctx context.Context, updates []sinks.ViewRecord) error {
	var failed []sinks.Failure
	for from := 0; from < len(updates); from += v.o.Batch {
		batch := updates[from:min(from+v.o.Batch, len(updates))]
		for _, f := range v.write(ctx, batch) {
			f.Index += from
			failed = append(failed, f)
		}
	}
	if len(failed) > 0 {
		return &sinks.BatchError{Failed: failed}
	}
	return nil
}

// write sends one pipeline and returns what failed, by index in the batch.
func (v *Views) write(ctx context.Context, batch []sinks.ViewRecord) (failed []sinks.Failure) {
	ctx, cancel := context.WithTimeout(ctx, v.o.Timeout)
	defer cancel()
	newest := make(map[string]int, len(batch))
	for i := range batch {
		key := v.keyOf(batch[i].View, batch[i].Key)
		if n, ok := newest[key]; !ok || batch[n].Version < batch[i].Version {
			newest[key] = i
		}
	}
	pipe := v.client.Pipeline()
	replies := make(map[int]*redis.Cmd, len(newest))
	for i := range batch {
		r := &batch[i]
		if key := v.keyOf(r.View, r.Key); newest[key] == i {
			replies[i] = pipe.Eval(ctx, writeScript, []string{key}, r.Version, string(r.Status), r.JSON, v.ttl(r).Milliseconds())
		}
	}
	_, sent := pipe.Exec(ctx)
	for i := range batch {
		reply := replies[newest[v.keyOf(batch[i].View, batch[i].Key)]]
		if err := outcome(reply, sent); err != nil {
			failed = append(failed, sinks.Failure{Index: i, Permanent: foreign(err), Err: fmt.Errorf("writing view %s to redis: %w", batch[i].View, v.explain(err))})
		}
	}
	return failed
}

var errNoReply = errors.New("there was no reply")

// outcome is the error of one reply of a pipeline. Where no connection was made, as
// with a wrong password, only the pipeline has an error: a script's own reply is
// never empty.
func outcome(reply *redis.Cmd, sent error) error {
	switch err := reply.Err(); {
	case err != nil || reply.Val() != nil:
		return err
	case sent != nil:
		return sent
	}
	return errNoReply
}

// explain adds to an error what the user lacks, which servers do not say of what a
// script calls.
func (v *Views) explain(err error) error {
	for _, sign := range []string{"NOPERM", "can't run this command", "ACL failure"} {
		if strings.Contains(err.Error(), sign) {
			return fmt.Errorf("%w (the user needs ~%s:* +eval +exists +hget +hmget +hset +hstrlen +pexpire)", err, v.o.Prefix)
		}
	}
	return err
}

// ttl is how long an update is of use: until its window ends, and the grace.
func (v *Views) ttl(r *sinks.ViewRecord) time.Duration {
	if r.Status != view.Open {
		return v.o.Grace
	}
	return max(0, time.Duration(r.End-r.At)*time.Microsecond) + v.o.Grace
}

// staleAfter is how long after its end an open window is no longer believed.
const staleAfter = 5 * time.Minute

// Current returns what Redis has of one key of a view. It answers within the
// time-out, with an error where Redis did not.
func (v *Views) Current(ctx context.Context, name, key string) (view.Current, error) {
	ctx, cancel := context.WithTimeout(ctx, v.o.Timeout)
	defer cancel()
	reply, err := v.client.Eval(ctx, readScript, []string{v.keyOf(name, key)}, view.BytesMax+keyBytesMax).Slice()
	if errors.Is(err, redis.Nil) {
		return view.Current{}, nil
	}
	if foreign(err) {
		return view.Current{Found: true, Malformed: true}, nil
	}
	if err != nil {
		return view.Current{}, fmt.Errorf("reading view %s from redis: %w", name, err)
	}
	return v.current(name, key, reply), nil
}

// foreign reports whether the key holds something that is not ours: no attempt
// will mend that.
func foreign(err error) bool { return err != nil && strings.Contains(err.Error(), "WRONGTYPE") }

// keyBytesMax is what an update may take beyond view.BytesMax: its key is never
// cut.
const keyBytesMax = 64 << 10

func (v *Views) current(name, key string, reply []any) view.Current {
	c := view.Current{Found: true}
	if len(reply) == 1 {
		c.Oversized = true
		return c
	}
	text, _ := reply[0].(string)
	version, _ := reply[1].(string)
	r, err := sinks.ParseViewRecord([]byte(text))
	if err != nil || r.View != name || r.Key != key || strconv.FormatInt(r.Version, 10) != version {
		c.Malformed = true
		return c
	}
	c.Update = []byte(text)
	c.Stale = r.Status == view.Open && v.o.Now().UnixMicro() > r.End+staleAfter.Microseconds()
	return c
}

// Quiet drops what the driver would write to standard error: what matters comes
// back as errors. It is of the whole process; main calls it once, at the start.
func Quiet() { logging.Disable() }
