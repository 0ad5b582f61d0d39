package redis_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/caltrop/caltrop/sinks"
	"github.com/caltrop/caltrop/sinks/redis"
	"github.com/caltrop/caltrop/sinks/sinktest"
	"github.com/caltrop/caltrop/sinks/view"
)

// A sink is the projection as the suite reads it.
type sink struct{ *redis.Views }

func (s sink) Stored(ctx context.Context, w sinktest.Window) ([]byte, error) {
	c, err := s.Current(ctx, w.View, w.Key)
	return c.Update, err
}

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func open(t *testing.T, server *miniredis.Miniredis, change func(*redis.Options)) *redis.Views {
	t.Helper()
	o := redis.Options{Addresses: []string{server.Addr()}, Now: func() time.Time { return start }}
	if change != nil {
		change(&o)
	}
	v, err := redis.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	return v
}

func TestViews(t *testing.T) {
	sinktest.RunViews(t, func(t *testing.T) sinktest.ViewSink { return sink{open(t, miniredis.RunT(t), nil)} })
}

var window = sinktest.Window{View: "card-session", Key: "c1", Start: start.UnixMicro()}

func write(t *testing.T, v *redis.Views, updates ...sinks.ViewRecord) {
	t.Helper()
	if err := v.WriteViews(t.Context(), updates); err != nil {
		t.Fatal(err)
	}
}

// A write that never got to the server is no success: else the delivery would
// commit its place, and the update would be lost.
func TestWhatIsNotSentIsNotStored(t *testing.T) {
	server := miniredis.RunT(t)
	server.RequireAuth("secret")
	for name, change := range map[string]func(*redis.Options){
		"no password":      nil,
		"another password": func(o *redis.Options) { o.Password = "guess" },
		"another user":     func(o *redis.Options) { o.Username, o.Password = "guess", "secret" },
		"another server":   func(o *redis.Options) { o.Addresses = []string{"127.0.0.1:1"} },
	} {
		err := open(t, server, change).WriteViews(t.Context(), []sinks.ViewRecord{window.Update(1, view.Open)})
		var partial *sinks.BatchError
		if !errors.As(err, &partial) || len(partial.Failed) != 1 || partial.Failed[0].Permanent {
			t.Errorf("%s: %v, want an update to try again", name, err)
		}
	}
}

// TestLayout is what other services read, as docs/formats.md has it.
func TestLayout(t *testing.T) {
	server := miniredis.RunT(t)
	v := open(t, server, nil)
	u := window.Update(1, view.Open)
	write(t, v, u)
	const key = "caltrop:view:card-session:{c1}"
	if got := server.Keys(); len(got) != 1 || got[0] != key {
		t.Fatalf("keys %q, want %s", got, key)
	}
	for field, want := range map[string]string{"version": "1767225600000001", "status": "open", "update": string(u.JSON)} {
		if got := server.HGet(key, field); got != want {
			t.Errorf("%s is %s, want %s", field, got, want)
		}
	}
}

// TestTTL: an open window stays until its end and the grace, and what has ended
// for the grace: so long an older version does not come back.
func TestTTL(t *testing.T) {
	server := miniredis.RunT(t)
	v := open(t, server, func(o *redis.Options) { o.Grace = 10 * time.Minute })
	const key = "caltrop:view:card-session:{c1}"
	write(t, v, window.Update(1, view.Open))
	if got := server.TTL(key).Round(time.Second); got != 40*time.Minute {
		t.Errorf("an open session of 30 minutes lives %s, want 40m", got)
	}
	write(t, v, window.Update(2, view.Closed))
	if got := server.TTL(key); got != 10*time.Minute {
		t.Errorf("a session that has ended lives %s, want 10m", got)
	}
	server.FastForward(9 * time.Minute)
	write(t, v, window.Update(1, view.Open))
	if got := server.HGet(key, "status"); got != "closed" {
		t.Errorf("an older version has replaced the end: %s", got)
	}
	server.FastForward(time.Minute)
	if c, err := v.Current(t.Context(), "card-session", "c1"); err != nil || c.Found {
		t.Errorf("after its time there is %+v, %v", c, err)
	}
}

// TestT42 is fault 42: Redis is down, does not answer, or answers with what is
// stale, oversized or not ours. A reader is told within the time-out; what is
// to be written is kept by the delivery loop, and is there when Redis is back.
func TestT42RedisDegrades(t *testing.T) {
	const key = "caltrop:view:card-session:{c1}"
	u := window.Update(1, view.Open)
	current := func(t *testing.T, v *redis.Views) view.Current {
		t.Helper()
		c, err := v.Current(t.Context(), "card-session", "c1")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	t.Run("down", func(t *testing.T) {
		server := miniredis.RunT(t)
		v := open(t, server, nil)
		server.Close()
		if _, err := v.Current(t.Context(), "card-session", "c1"); err == nil {
			t.Error("a server that is down answers")
		}
		err := v.WriteViews(t.Context(), []sinks.ViewRecord{u})
		var batch *sinks.BatchError
		if !errors.As(err, &batch) || len(batch.Failed) != 1 || batch.Failed[0].Permanent {
			t.Errorf("writing to a server that is down: %v, want a failure that is worth a retry", err)
		}
		if err := server.Restart(); err != nil {
			t.Fatal(err)
		}
		write(t, v, u)
		if c := current(t, v); string(c.Update) != string(u.JSON) {
			t.Errorf("after its return there is %+v", c)
		}
	})
	t.Run("silent", func(t *testing.T) {
		silent, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
		v, err := redis.New(redis.Options{Addresses: []string{silent.Addr().String()}, Timeout: 50 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		for what, do := range map[string]func() error{
			"reading": func() error { _, err := v.Current(context.Background(), "card-session", "c1"); return err },
			"writing": func() error { return v.WriteViews(context.Background(), []sinks.ViewRecord{u}) },
		} {
			if err := do(); err == nil || !strings.Contains(err.Error(), "timeout") && !strings.Contains(err.Error(), "deadline") {
				t.Errorf("%s where nobody answers: %v, want a time-out", what, err)
			}
		}
	})
	t.Run("stale", func(t *testing.T) {
		server := miniredis.RunT(t)
		write(t, open(t, server, nil), u)
		later := open(t, server, func(o *redis.Options) { o.Now = func() time.Time { return start.Add(36 * time.Minute) } })
		if c := current(t, later); !c.Stale || c.Update == nil {
			t.Errorf("a session that should have ended 6 minutes ago is %+v, want stale", c)
		}
		sooner := open(t, server, func(o *redis.Options) { o.Now = func() time.Time { return start.Add(34 * time.Minute) } })
		if c := current(t, sooner); c.Stale {
			t.Error("a session whose end may be under way is stale")
		}
	})
	t.Run("oversized", func(t *testing.T) {
		server := miniredis.RunT(t)
		server.HSet(key, "version", "1", "status", "open", "update", strings.Repeat("x", 10<<20))
		v := open(t, server, nil)
		if c := current(t, v); !c.Oversized || c.Update != nil {
			t.Errorf("10 MB are %d bytes, oversized %v", len(c.Update), c.Oversized)
		}
		write(t, v, u)
		if c := current(t, v); string(c.Update) != string(u.JSON) {
			t.Errorf("the next update leaves %+v", c)
		}
	})
	t.Run("not ours", func(t *testing.T) {
		server := miniredis.RunT(t)
		v := open(t, server, nil)
		server.HSet(key, "version", "many", "update", `{"view":`)
		if c := current(t, v); !c.Malformed || c.Update != nil {
			t.Errorf("what is no update is %+v", c)
		}
		write(t, v, u)
		if c := current(t, v); c.Malformed {
			t.Error("the next update does not mend it")
		}
		server.Del(key)
		if err := server.Set(key, "text"); err != nil {
			t.Fatal(err)
		}
		if c := current(t, v); !c.Malformed {
			t.Errorf("a string is %+v", c)
		}
		err := v.WriteViews(t.Context(), []sinks.ViewRecord{u})
		var batch *sinks.BatchError
		if !errors.As(err, &batch) || !batch.Failed[0].Permanent {
			t.Errorf("writing over a string: %v, want a failure for good", err)
		}
	})
}

func TestOptionsAreChecked(t *testing.T) {
	whole := redis.Options{Addresses: []string{"h:1"}}
	for _, c := range []struct {
		name   string
		change func(*redis.Options)
		want   string
	}{
		{"as they should be", func(*redis.Options) {}, ""},
		{"no addresses", func(o *redis.Options) { o.Addresses = nil }, "no addresses"},
		{"a prefix with braces", func(o *redis.Options) { o.Prefix = "{a}" }, "prefix"},
		{"a grace of a year", func(o *redis.Options) { o.Grace = 9000 * time.Hour }, "grace"},
		{"a time-out of an hour", func(o *redis.Options) { o.Timeout = time.Hour }, "timeout"},
		{"a database of a cluster", func(o *redis.Options) { o.Cluster, o.Database = true, 3 }, "cluster"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := whole
			c.change(&o)
			_, err := redis.New(o)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}
