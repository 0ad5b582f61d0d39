//go:build e2e

package faults

import (
	"flag"
	"math/rand/v2"
	"os"
	"syscall"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2/client"
)

var (
	resets = flag.Int("resets", 8, "how often connections are cut in TestT14RepliesLost")
	storm  = flag.Int("storm", 4, "how often a process joins and leaves in TestT17RebalanceStorm")
)

// proxied returns the way to Kafka that can be hurt, and lets the rig's
// processes, not the rig itself, go there. There is one: of the tests that hurt it
// at most one is parallel.
func (r *rig) proxied() (*toxiproxy.Proxy, settings) {
	r.t.Helper()
	s := r.settings
	if s.Brokers = os.Getenv("E2E_KAFKA_FAULT"); s.Brokers == "" {
		r.t.Skip("E2E_KAFKA_FAULT is not set: there is no way to hurt (make e2e sets it)")
	}
	return r.proxy("kafka"), s
}

// proxy returns the fault proxy before a server, which is healed in the end.
func (r *rig) proxy(server string) *toxiproxy.Proxy {
	r.t.Helper()
	address := os.Getenv("E2E_TOXIPROXY")
	if address == "" {
		r.t.Skip("E2E_TOXIPROXY is not set: no proxy to hurt (make e2e sets it)")
	}
	proxy, err := toxiproxy.NewClient(address).Proxy(server)
	if err != nil {
		r.t.Fatalf("asking the fault proxy: %v", err)
	}
	r.t.Cleanup(func() {
		toxics, _ := proxy.Toxics()
		for _, toxic := range toxics {
			proxy.RemoveToxic(toxic.Name)
		}
	})
	return proxy
}

// hurt adds a toxic for a while.
func (r *rig) hurt(proxy *toxiproxy.Proxy, kind, stream string, attributes toxiproxy.Attributes, span time.Duration) {
	r.t.Helper()
	toxic, err := proxy.AddToxic("hurt", kind, stream, 1, attributes)
	if err != nil {
		r.t.Fatal(err)
	}
	time.Sleep(span)
	if err := proxy.RemoveToxic(toxic.Name); err != nil {
		r.t.Fatal(err)
	}
}

// TestT14RepliesLost swallows what the broker answers and then cuts the
// connections, again and again, under load: commits among it whose outcome
// nobody has heard.
func TestT14RepliesLost(t *testing.T) {
	r := newRig(t)
	proxy, hurt := r.proxied()
	in := r.generate(14, smallRun)
	want := r.matched(in)
	a := newProcess(t, r.binary, hurt, "a")
	a.start()
	r.install(a, a)
	produced := make(chan error, 1)
	go func() { produced <- r.produce(in.records, 500) }()
	rng := rand.New(rand.NewPCG(14, 1))
	for range *resets {
		r.hurt(proxy, "timeout", "downstream", toxiproxy.Attributes{"timeout": 100 + rng.IntN(400)}, time.Duration(300+rng.IntN(700))*time.Millisecond)
		time.Sleep(time.Duration(rng.IntN(1500)) * time.Millisecond)
	}
	if err := <-produced; err != nil {
		t.Fatal(err)
	}
	r.drained(patience, a)
	r.same(in, want, a)
}

// TestT24SlowOutput lets 10 KB a second through to the broker for a while:
// memory stays bounded, nothing is lost, and all is there soon after.
func TestT24SlowOutput(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	proxy, hurt := r.proxied()
	in := r.generate(24, smallRun)
	want := r.matched(in)
	a := newProcess(t, r.binary, hurt, "a")
	a.start()
	r.install(a, a)
	before := residentMiB(t, a.cmd.Process.Pid)
	r.send(in.records[:len(in.records)/2])
	r.hurt(proxy, "bandwidth", "upstream", toxiproxy.Attributes{"rate": 10}, 15*time.Second)
	r.send(in.records[len(in.records)/2:])
	if grown := residentMiB(t, a.cmd.Process.Pid) - before; grown > 256 {
		t.Errorf("the process has grown by %d MiB while its output was slow", grown)
	}
	r.drained(patience, a)
	r.same(in, want, a)
}

// TestT17RebalanceStorm lets a process join and leave all the time.
func TestT17RebalanceStorm(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	in := r.generate(17, smallRun*max(1, *storm/30))
	want := r.matched(in)
	a, b := newProcess(t, r.binary, r.settings, "a"), newProcess(t, r.binary, r.settings, "b")
	a.start()
	r.install(a, a)
	produced := make(chan error, 1)
	go func() { produced <- r.produce(in.records, pace(in, *storm, 2*time.Second)) }()
	for range *storm {
		b.start()
		time.Sleep(1500 * time.Millisecond)
		b.kill()
		time.Sleep(500 * time.Millisecond)
	}
	if err := <-produced; err != nil {
		t.Fatal(err)
	}
	r.drained(patience, a)
	r.same(in, want, a)
	t.Logf("%d joins and kills, %d events, %d alerts, 0 lost, 0 twice", *storm, len(in.records), len(want))
}

// stopped is longer than a transaction may stay open.
const stopped = 18 * time.Second

// TestT18StoppedPastTheTransaction stops the only process for longer than a
// transaction may last: the broker has taken back what was open, and the woken
// process must do it again.
func TestT18StoppedPastTheTransaction(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	in := r.generate(18, smallRun)
	want := r.matched(in)
	a := newProcess(t, r.binary, r.settings, "a")
	a.start()
	r.install(a, a)
	half := len(in.records) / 2
	produced := make(chan error, 1)
	go func() { produced <- r.produce(in.records[:half], 2000) }()
	time.Sleep(700 * time.Millisecond)
	a.signal(syscall.SIGSTOP)
	if err := <-produced; err != nil {
		t.Fatal(err)
	}
	time.Sleep(stopped)
	a.signal(syscall.SIGCONT)
	r.send(in.records[half:])
	r.drained(patience, a)
	r.same(in, want, a)
}
