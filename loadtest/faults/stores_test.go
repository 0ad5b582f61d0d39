//go:build e2e

package faults

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caltrop/caltrop/sinks"
	"github.com/caltrop/caltrop/sinks/cassandra"
	"github.com/caltrop/caltrop/sinks/redis"
	"github.com/caltrop/caltrop/sinks/view"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"golang.org/x/sync/errgroup"
)

const sessionViews = `apiVersion: caltrop/v1
kind: View
name: card-session
key: card_id
window: {stream: payment, session: 5s}
values: {n: count(), total: sum(amount), shops: distinct(merchant_id)}
to: [kafka, redis, cassandra]
every: 2s
---
apiVersion: caltrop/v1
kind: View
name: card-velocity
key: card_id
window: {stream: payment, rolling: 20s}
values: {n: count(), declined: count(status == "declined")}
to: [redis]`

// A window is what a store of views has one newest update of: in Cassandra each
// window of a key, in Redis the key, whose start is then 0.
type window struct {
	view, key string
	start     int64
}

// projections are the updates that the stores are to have in the end.
type projections struct {
	updates          alertSet // all of them
	redis, cassandra map[window][]byte
}

// recomputed is what `caltrop match` says of the views, but for the keys of the
// closing events: their windows do not end.
func (r *rig) recomputed(in *input) projections {
	r.t.Helper()
	closing := map[string]bool{}
	for _, rec := range in.records[len(in.records)-in.closing:] {
		closing[string(rec.key)] = true
	}
	p := projections{updates: alertSet{}, redis: map[window][]byte{}, cassandra: map[window][]byte{}}
	for line := range bytes.Lines(r.match(in, "--views")) { // the versions of a key ascend
		line = bytes.TrimSpace(line)
		u, err := sinks.ParseViewRecord(line)
		if err != nil {
			r.t.Fatalf("reading %s: %v", line, err)
		}
		if closing[u.Key] {
			continue
		}
		p.updates[string(line)]++
		p.redis[window{u.View, u.Key, 0}] = line
		if u.View == "card-session" && u.Status != view.Empty {
			p.cassandra[window{u.View, u.Key, u.Start}] = line
		}
	}
	return p
}

// published are the updates in the views topic, without those of the closing
// events' keys.
func (r *rig) published(want projections) alertSet {
	set := alertSet{}
	r.readAll(r.Name+".views", func(m *ck.Message) {
		if m.Value == nil {
			return // a tombstone
		}
		u, err := sinks.ParseViewRecord(m.Value)
		if err != nil {
			r.t.Fatalf("reading %s: %v", m.Value, err)
		}
		if want.redis[window{u.View, u.Key, 0}] != nil {
			set[string(m.Value)]++
		}
	})
	return set
}

// holds tells which windows a store lacks or has otherwise.
func holds(want map[window][]byte, read func(context.Context, window) ([]byte, error)) string {
	var g errgroup.Group
	g.SetLimit(16)
	for w, update := range want {
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			got, err := read(ctx, w)
			if err == nil && !bytes.Equal(got, update) {
				err = fmt.Errorf("view %s of %s at %d is\n %s, want\n %s", w.view, w.key, w.start, got, update)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err.Error()
	}
	return ""
}

// TestT40T42StoresKilledUnderLoad kills Redis twice and Cassandra once while
// events stream in, and starts them again: sessions in Redis and in Cassandra
// are those of a recomputation, and the history has the alerts of the topic.
func TestT40T42StoresKilledUnderLoad(t *testing.T) {
	r := newRig(t)
	services := localServices(t)
	address := os.Getenv("E2E_REDIS")
	r.Redis = fmt.Sprintf("{addresses: [%q], prefix: %s}", address, r.Name)
	r.views = []byte(sessionViews)
	in := r.generate(42, smallRun)
	alerts, want := r.matched(in), r.recomputed(in)
	if len(alerts) < 20 || len(want.redis) < 100 || len(want.cassandra) < 100 {
		t.Fatalf("%d alerts, %d keys, %d windows are expected: the test would show little", len(alerts), len(want.redis), len(want.cassandra))
	}
	sessions, err := redis.New(redis.Options{Addresses: []string{address}, Prefix: r.Name, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer sessions.Close()
	port, err := strconv.Atoi(r.CassandraPort)
	if err != nil {
		t.Fatal(err)
	}
	windows, err := cassandra.New(cassandra.Options{Hosts: []string{r.CassandraHost}, Port: port, Keyspace: r.Keyspace,
		Username: os.Getenv("E2E_CASSANDRA_USER"), Password: os.Getenv("E2E_CASSANDRA_PASSWORD")})
	if err != nil {
		t.Fatal(err)
	}
	defer windows.Close()
	inRedis := func(ctx context.Context, w window) ([]byte, error) {
		c, err := sessions.Current(ctx, w.view, w.key)
		return c.Update, err
	}

	a := newProcess(t, r.binary, r.settings, "a")
	a.start()
	r.install(a, a)
	produced := make(chan error, 1)
	go func() { produced <- r.produce(in.records, 400) }()
	eventually(t, patience, func() string { return anyOf(want.redis, inRedis) })
	services("kill", "redis")
	services("kill", "cassandra")
	services("up", "redis")
	services("kill", "redis")
	services("up", "cassandra", "redis")
	if err := <-produced; err != nil {
		t.Fatal(err)
	}
	r.drained(patience, a)
	r.same(in, alerts, a)
	eventually(t, patience, func() string { return want.updates.difference(r.published(want)) })
	eventually(t, patience, func() string { return holds(want.redis, inRedis) })
	eventually(t, patience, func() string {
		return holds(want.cassandra, func(ctx context.Context, w window) ([]byte, error) {
			return windows.Window(ctx, w.view, w.key, w.start)
		})
	})
	t.Logf("%d alerts, %d updates of views; the sessions of %d keys in Redis and %d windows in Cassandra are those of a recomputation",
		len(alerts), len(want.updates), len(want.redis), len(want.cassandra))
}

// deleteViews deletes the views and waits until each key that showed something is
// empty in Redis and has a tombstone in the topic. It returns how many did.
func (r *rig) deleteViews(p *process, inRedis func(context.Context, window) ([]byte, error)) int {
	r.t.Helper()
	standing := r.standing()
	if len(standing) == 0 {
		r.t.Fatal("no key of a view shows anything: its deletion would show little")
	}
	for _, doc := range documents(r.views) {
		p.do(http.MethodDelete, "/v1/views/"+nameOf(doc), nil)
	}
	eventually(r.t, patience, func() string {
		if left := r.standing(); len(left) > 0 {
			return fmt.Sprintf("%d of %d keys have no tombstone", len(left), len(standing))
		}
		return holds(standing, func(ctx context.Context, w window) ([]byte, error) {
			got, err := inRedis(ctx, w)
			if err != nil {
				return nil, err
			}
			if u, err := sinks.ParseViewRecord(got); err != nil || u.Status != view.Empty {
				return got, nil
			}
			return standing[w], nil
		})
	})
	return len(standing)
}

// standing are the last updates of the keys of views that have no tombstone.
func (r *rig) standing() map[window][]byte {
	r.t.Helper()
	last := map[window][]byte{}
	r.readAll(r.Name+".views", func(m *ck.Message) {
		name, key, _ := strings.Cut(string(m.Key), "/")
		if w := (window{name, key, 0}); m.Value == nil {
			delete(last, w)
		} else {
			last[w] = m.Value
		}
	})
	return last
}

// TestADeletedViewIsTakenBack lets two cards have a session and counts of which the
// watermark has not seen the end, and deletes the views.
func TestADeletedViewIsTakenBack(t *testing.T) {
	r := newLifeRig(t)
	address := os.Getenv("E2E_REDIS")
	r.Redis = fmt.Sprintf("{addresses: [%q], prefix: %s}", address, r.Name)
	r.views = []byte(strings.Replace(sessionViews, ", cassandra]", "]", 1))
	shown, err := redis.New(redis.Options{Addresses: []string{address}, Prefix: r.Name, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer shown.Close()
	a := newProcess(t, r.binary, r.settings, "a")
	a.start()
	r.rules = nil
	r.install(a, a)
	const from = 1_735_689_600_000 // ms
	for i, at := range []int64{from, from + 1, from + 31_000} {
		r.send([]sent{{stream: "payment", value: fmt.Appendf(nil, `{"event_id":"e%d","ts":%d,"card_id":"c%d","amount":5.00,"status":"approved","merchant_id":"m"}`, i, at, i)}})
	}
	eventually(t, patience, func() string {
		if n := len(r.standing()); n != 4 {
			return fmt.Sprintf("%d keys of views are shown, want two of each", n)
		}
		return ""
	})
	taken := r.deleteViews(a, func(ctx context.Context, w window) ([]byte, error) {
		c, err := shown.Current(ctx, w.view, w.key)
		return c.Update, err
	})
	t.Logf("%d keys of views that were deleted have a tombstone and are empty in Redis", taken)
}

// anyOf tells whether any of the windows is stored, in whatever version.
func anyOf(want map[window][]byte, read func(context.Context, window) ([]byte, error)) string {
	for w := range want {
		got, err := read(context.Background(), w)
		if err != nil {
			return err.Error()
		}
		if len(got) > 0 {
			return ""
		}
	}
	return "no window is stored yet"
}
