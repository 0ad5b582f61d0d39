//go:build e2e

package faults

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

const smallRun = 6000 // events of a test that hurts once

var (
	restarts = flag.Int("restarts", 2, "how often the broker restarts in TestT13BrokerRestarts, every second time killed")
	away     = flag.Duration("away", 20*time.Second, "how long Cassandra is away in TestT40CassandraDown")
)

// TestT15Zombie stops a process for longer than its session lasts, lets another
// take over, and wakes it: it must lose nothing, double nothing and rejoin.
func TestT15Zombie(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	in := r.generate(15, smallRun)
	want := r.matched(in)
	a, b := newProcess(t, r.binary, r.settings, "a"), newProcess(t, r.binary, r.settings, "b")
	a.start()
	b.start()
	r.install(a, a, b)
	third := len(in.records) / 3
	r.send(in.records[:third])
	a.signal(syscall.SIGSTOP)
	r.send(in.records[third : 2*third])
	r.settled(patience, b)
	a.signal(syscall.SIGCONT)
	r.send(in.records[2*third:])
	r.drained(patience, a, b)
	eventually(t, patience, func() string {
		if len(a.tasks()) == 0 {
			return "the woken process has no tasks again"
		}
		return ""
	})
	r.same(in, want, b)
}

// TestT13BrokerRestarts kills the broker and stops it cleanly under load.
func TestT13BrokerRestarts(t *testing.T) {
	r := newRig(t)
	services := localServices(t)
	r.restarting(func(i int, a *process) {
		services([]string{"kill", "down"}[i%2], "kafka")
		services("up", "kafka")
		r.settled(patience, a)
	})
}

// TestT13TheBrokerSleeps stops the only broker for so long that the controller fences
// it: for a moment after it wakes it tells its clients that there is no broker at
// all, and a client then forgets where its group was coordinated.
func TestT13TheBrokerSleeps(t *testing.T) {
	r := newRig(t)
	services := localServices(t)
	r.restarting(func(i int, a *process) {
		if i > 0 {
			return
		}
		services("pause", "kafka")
		time.Sleep(15 * time.Second)
		services("resume", "kafka")
		r.settled(patience, a)
	})
}

// restarting runs one process under load while it lets restart take a broker away
// and bring it back as often as is asked for.
func (r *rig) restarting(restart func(i int, a *process)) {
	r.t.Helper()
	in := r.generate(13, smallRun*max(1, *restarts/4))
	want := r.matched(in)
	a := newProcess(r.t, r.binary, r.settings, "a")
	a.start()
	r.install(a, a)
	produced := make(chan error, 1)
	go func() { produced <- r.produce(in.records, pace(in, *restarts, 6*time.Second)) }()
	for i := range *restarts {
		restart(i, a)
	}
	if err := <-produced; err != nil {
		r.t.Fatal(err)
	}
	r.drained(patience, a)
	r.same(in, want, a)
	r.t.Logf("%d restarts, %d events, %d alerts, 0 lost, 0 twice", *restarts, len(in.records), len(want))
}

// pace is the rate, a second, at which the events last for so many faults of a
// span each.
func pace(in *input, faults int, span time.Duration) int {
	return max(1, int(float64(len(in.records))/(float64(max(1, faults))*span.Seconds())))
}

// TestT13T14LeadersMove takes one broker of three away after the other under load,
// cleanly and killed: the leaders of its partitions and the coordinators of the
// transactions and of the group that it has move each time, and back.
func TestT13T14LeadersMove(t *testing.T) {
	t.Parallel()
	services := localServices(t)
	t.Cleanup(func() { services("down", "kafka3") }) // also where not all of them come up
	services("up", "kafka3")
	r := newRigOn(t, os.Getenv("E2E_KAFKA3"), 3)
	r.History = "pebble"
	r.restarting(func(i int, _ *process) {
		broker := fmt.Sprintf("kafka3-%d", 1+i%3)
		services([]string{"kill", "down"}[i%2], broker)
		services("up", broker)
	})
}

// TestKafkaDownAtStart starts a process before its broker: it must say that it
// waits, answer 503, and go to work when the broker is there.
func TestKafkaDownAtStart(t *testing.T) {
	r := newRig(t)
	services := localServices(t)
	services("down", "kafka")
	a := newProcess(t, r.binary, r.settings, "a")
	a.start()
	eventually(t, patience, func() string {
		if err := a.get("/healthz", &map[string]any{}); err != nil {
			return err.Error()
		}
		return ""
	})
	if err := a.get("/readyz", &map[string]any{}); err == nil {
		t.Error("/readyz says ready while no broker runs")
	}
	services("up", "kafka")
	in := r.generate(1, smallRun)
	want := r.matched(in)
	r.install(a, a)
	r.send(in.records)
	r.drained(patience, a)
	r.same(in, want, a)
	services("down", "kafka")
	t.Logf("with the broker away SIGTERM took %s", a.terminate())
	services("up", "kafka")
}

// TestT40CassandraDown takes the history away for as long as events come: alerts
// go on, and the history catches up when it is back.
func TestT40CassandraDown(t *testing.T) {
	r := newRig(t)
	services := localServices(t)
	in := r.generate(40, smallRun*max(1, int(away.Minutes())))
	want := r.matched(in)
	a := newProcess(t, r.binary, r.settings, "a")
	a.start()
	r.install(a, a)
	services("kill", "cassandra")
	if err := r.produce(in.records, pace(in, 1, *away)); err != nil {
		t.Fatal(err)
	}
	r.drained(patience, a)
	r.sameInTopic(want)
	services("up", "cassandra")
	r.sameInHistory(a)
	t.Logf("Cassandra was away for %s: %d events, %d alerts in the topic meanwhile, and in the history after", *away, len(in.records), len(want))
}

// TestSIGTERMDrains ends a process in the middle of a stream: it exits 0 in
// time, and its successor has nothing to repeat and nothing to add.
func TestSIGTERMDrains(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	in := r.generate(5, smallRun)
	want := r.matched(in)
	a := newProcess(t, r.binary, r.settings, "a")
	a.start()
	r.install(a, a)
	half := len(in.records) / 2
	r.send(in.records[:half])
	t.Logf("SIGTERM took %s", a.terminate())
	b := newProcess(t, r.binary, r.settings, "b")
	b.start()
	r.send(in.records[half:])
	r.settled(patience, b)
	r.drained(patience, b)
	r.same(in, want, b)
}

// send produces records and fails the test where that does not succeed.
func (r *rig) send(records []sent) {
	r.t.Helper()
	if err := r.produce(records, 0); err != nil {
		r.t.Fatal(err)
	}
}

// localServices returns a function that runs deploy/local/services on the
// servers that this test was given for itself; others are not to be stopped.
func localServices(t *testing.T) func(args ...string) {
	t.Helper()
	if os.Getenv("SERVICES_DIR") == "" {
		t.Skip("SERVICES_DIR is not set: the servers are not this test's to stop (make e2e sets it)")
	}
	script, err := filepath.Abs(filepath.Join("..", "..", "deploy", "local", "services"))
	if err != nil {
		t.Fatal(err)
	}
	return func(args ...string) {
		t.Helper()
		cmd := exec.Command(script, args...)
		cmd.Env = append(os.Environ(), "SERVICES_WAIT=300") // s: a machine may be busy
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("services %v: %v\n%s", args, err, out)
		}
	}
}
