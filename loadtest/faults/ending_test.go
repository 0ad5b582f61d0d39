//go:build e2e

package faults

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2/client"
)

// TestSIGTERMWhileTasksComeBack tells a process to end, twice each time, while all
// its tasks wait for checkpoints from an object store that does not answer, and while
// they repeat what was committed over a slow way to Kafka: it exits 0 in time, and
// the next start goes on.
func TestSIGTERMWhileTasksComeBack(t *testing.T) {
	r := newRig(t)
	r.useObjects()
	r.History, r.CheckpointEvery = "pebble", 5*time.Second
	kafka, hurt := r.proxied()
	store := r.proxy("s3")
	hurt.Checkpoints = strings.Replace(r.Checkpoints, os.Getenv("E2E_S3"), "http://"+store.Listen, 1)
	in := r.generate(23, smallRun)
	want := r.matched(in)
	a := newProcess(t, r.binary, r.settings, "a")
	a.start()
	r.install(a, a)
	third := len(in.records) / 3
	r.send(in.records[:third])
	eventually(t, patience, func() string {
		for _, task := range a.tasks() {
			if task.Checkpoint == "" {
				return fmt.Sprintf("%s/%d has no checkpoint", task.Stream, task.Partition)
			}
		}
		return ""
	})
	r.send(in.records[third : 2*third])
	r.drained(patience, a)
	a.kill()

	b := newProcess(t, r.binary, hurt, "b")
	silent, slow := toxiproxy.Attributes{"latency": 120_000}, toxiproxy.Attributes{"rate": 4} // ms; KB a second and connection
	r.toxic(store, "latency", silent)
	b.start()
	b.reach("restoring")
	b.terminatedTwice()
	b.start()
	b.reach("restoring")
	r.toxic(kafka, "bandwidth", slow)
	r.heal(store)
	b.reach("replaying")
	b.terminatedTwice()
	r.heal(kafka)

	b.start()
	r.send(in.records[2*third:])
	r.settled(patience, b)
	r.drained(patience, b)
	r.same(in, want, b)
}

// reach waits until a task is in the state.
func (p *process) reach(state string) {
	p.t.Helper()
	eventuallyEvery(p.t, 20*time.Millisecond, patience, func() string {
		tasks := p.tasks()
		for _, task := range tasks {
			if task.State == state {
				return ""
			}
		}
		return fmt.Sprintf("no task is %s: %+v", state, tasks)
	})
}

// terminatedTwice sends SIGTERM twice, and wants the process to end in time.
func (p *process) terminatedTwice() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	time.Sleep(500 * time.Millisecond)
	p.t.Logf("ended %s after the second SIGTERM; its last words:\n%s", p.terminate().Round(100*time.Millisecond), p.logged("", 3))
}

// toxic hurts a proxy until it is healed.
func (r *rig) toxic(proxy *toxiproxy.Proxy, kind string, attributes toxiproxy.Attributes) {
	r.t.Helper()
	if _, err := proxy.AddToxic("hurt", kind, "downstream", 1, attributes); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) heal(proxy *toxiproxy.Proxy) {
	r.t.Helper()
	if err := proxy.RemoveToxic("hurt"); err != nil {
		r.t.Fatal(err)
	}
}
