//go:build e2e

package faults

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2/client"
	"github.com/caltrop/caltrop/loadtest/fraudgen"
	"github.com/caltrop/caltrop/sinks/alert"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

var (
	minutes    = flag.Float64("minutes", 0, "how long TestSoak sends events, and TestT37 ten times the load; 0: TestSoak is not run, TestT37 sends -events")
	faultEvery = flag.Duration("fault-every", 30*time.Second, "how often TestSoak hurts something")
	oracle     = flag.Bool("oracle", false, "TestSoakByOracle asks the naive oracle, which takes long over many events")
)

// soakRules are one direct rule, and rules that ROUTE brings together: by user,
// by card over two topics, and by merchant.
const soakRules = `apiVersion: caltrop/v1
kind: Rule
name: failed-payments
key: card_id
within: 5m
pattern: fail{3,}
steps: {fail: {stream: payment, where: status == "declined"}}
---
apiVersion: caltrop/v1
kind: Rule
name: login-then-payment
key: user_id
within: 2m
pattern: entry -> pay
steps:
  entry: {stream: login}
  pay: {stream: payment, where: amount > 300}
timing: final
---
apiVersion: caltrop/v1
kind: Rule
name: challenged
key: card_id
within: 10m
pattern: pay{2,} -> ask
steps:
  pay: {stream: payment, where: amount > 20}
  ask: {stream: challenge}
timing: final
---
apiVersion: caltrop/v1
kind: Rule
name: busy-shop
key: merchant_id
window: {stream: payment, where: 'merchant_id != "m-0000"', tumbling: 1m} # that of the closing events
values: {n: count(), declined: count(status == "declined")}
having: declined >= 2`

var soakStreams = []string{"payment", "login", "challenge"}

const soakLateness = "10s"

// toggledRule comes and goes: where it begins depends on the moment, so its
// alerts are only looked at for repeats.
const toggledRule = `apiVersion: caltrop/v1
kind: Rule
name: toggled
key: card_id
within: 1m
pattern: pay
steps: {pay: {stream: payment, where: amount > %d}}
`

// A soak is one run: three processes, three brokers, and what is done to them.
type soak struct {
	*rig
	services func(...string)
	all      []*process
	brokers  []*toxiproxy.Proxy
	rng      *rand.Rand
	done     map[string]int // faults by name
	toggles  int
	samples  []sample
}

// A sample is what the processes take at one moment.
type sample struct {
	after     time.Duration
	resident  []int // MiB by process
	disk, lag int64 // MiB, records
}

// soakFaults are drawn from; each heals before it returns. A span is how long
// it lasts.
var soakFaults = []struct {
	name string
	hurt func(s *soak, span time.Duration)
}{
	{"instance killed", func(s *soak, span time.Duration) {
		p := s.all[s.rng.IntN(len(s.all))]
		p.kill()
		time.Sleep(span / 4)
		p.start()
	}},
	{"instance stopped past its session", func(s *soak, _ time.Duration) {
		p := s.all[s.rng.IntN(len(s.all))]
		p.signal(syscall.SIGSTOP)
		time.Sleep(9 * time.Second)
		p.signal(syscall.SIGCONT)
	}},
	{"broker killed", func(s *soak, span time.Duration) {
		broker := fmt.Sprintf("kafka3-%d", 1+s.rng.IntN(3))
		s.services("kill", broker)
		time.Sleep(span / 4)
		s.services("up", broker)
	}},
	{"object store away", func(s *soak, span time.Duration) { s.away("s3", span) }},
	{"Cassandra away", func(s *soak, span time.Duration) { s.away("cassandra", span) }},
	{"broker slow", func(s *soak, span time.Duration) {
		s.hurt(s.broker(), "latency", "downstream", toxiproxy.Attributes{"latency": 200, "jitter": 100}, span/2)
	}},
	{"answers lost, connections cut", func(s *soak, span time.Duration) {
		s.hurt(s.broker(), "timeout", "downstream", toxiproxy.Attributes{"timeout": 500}, min(span/4, 5*time.Second))
	}},
	{"rule toggled", func(s *soak, _ time.Duration) {
		s.toggles++
		p := s.all[s.rng.IntN(len(s.all))]
		s.ready(p)
		p.put("rules", "toggled", fmt.Appendf(nil, toggledRule, 900+s.toggles%2))
	}},
}

func (s *soak) away(service string, span time.Duration) {
	s.services("kill", service)
	time.Sleep(span / 2)
	s.services("up", service)
}

func (s *soak) broker() *toxiproxy.Proxy { return s.brokers[s.rng.IntN(len(s.brokers))] }

// TestSoak hurts three processes on three brokers again and again, with faults
// drawn from the seed, while events of streams that are keyed differently come
// in. In the end the alerts are those of match, in the topic and in Cassandra.
// -minutes and -events choose the size.
func TestSoak(t *testing.T) {
	if *minutes == 0 {
		t.Skip("-minutes is 0: the soak is run by hand, with kafka3 cassandra s3 toxiproxy")
	}
	s := newSoak(t)
	span := time.Duration(*minutes * float64(time.Minute))
	in, perSecond := s.soakEvents()
	want := s.matched(in)
	if len(want) < 20 {
		t.Fatalf("only %d alerts are expected: the run would show little", len(want))
	}
	for _, p := range s.all {
		p.start()
	}
	s.store(s.all[0])
	s.live()
	live := in.records[:len(in.records)-in.closing]
	produced := make(chan error, 1)
	began := time.Now()
	go func() { produced <- s.produce(live, int(perSecond)) }()
	s.hurtUntil(began, span)
	if err := <-produced; err != nil {
		t.Fatal(err)
	}
	t.Logf("all is sent after %s: %v", time.Since(began).Round(time.Second), s.done)
	if err := s.produce(in.records[len(live):], 0); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Minute, func() string { return want.difference(s.committed()) })
	caught := time.Since(began) - span
	t.Logf("the topic has the %d alerts of match, %s after the last event was due", len(want), caught.Round(time.Second))
	s.judge(want)
	s.report(live, want, began, caught, perSecond)
}

// TestSoakByOracle asks match and the naive oracle about the events of TestSoak with
// the same flags; it needs no servers.
func TestSoakByOracle(t *testing.T) {
	if !*oracle || *minutes == 0 {
		t.Skip("no -oracle and -minutes: the oracle is asked by hand")
	}
	if err := built(); err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, binary: program, only: soakStreams, settings: settings{Name: "soak", Dir: t.TempDir()}}
	r.streams, r.rules = r.keyed(soakLateness, soakStreams...), []byte(soakRules)
	in, _ := r.soakEvents()
	newest, got := newest{}, alertSet{}
	for line := range bytes.Lines(r.match(in)) {
		newest.add(t, line)
	}
	for _, a := range newest {
		if a.Status != alert.Retracted {
			got[plain(a.Rule, a)]++
		}
	}
	want := alertSet(r.judged(in))
	if diff := want.difference(got); diff != "" {
		t.Errorf("match differs from the oracle:\n%s", diff)
	}
	t.Logf("%d events, seed %d: %d alerts of match, as of the oracle: %v", len(in.records), *seed, len(got), !t.Failed())
}

// soakEvents are the events of a soak, and how many are sent a second.
func (r *rig) soakEvents() (in *input, perSecond float64) {
	perSecond = float64(*events) / (*minutes * 60)
	return r.generated(fraudgen.Options{Seed: *seed, Count: 2 * *events, Rate: perSecond * 1.3, Cards: max(100, *events/20),
		Disorder: 5 * time.Second, Duplicates: 0.01, Incidents: 0.01}, *events), perSecond
}

func newSoak(t *testing.T) *soak {
	t.Helper()
	address, direct, faulty := os.Getenv("E2E_TOXIPROXY"), os.Getenv("E2E_KAFKA3"), os.Getenv("E2E_KAFKA3_FAULT")
	s := &soak{rig: newRigOn(t, direct, 3, soakStreams...), services: localServices(t), rng: rand.New(rand.NewPCG(*seed, 2)), done: map[string]int{}}
	s.useObjects()
	s.Keyed, s.apart, s.CheckpointEvery = 6, "toggled", 10*time.Second
	s.streams, s.rules = s.keyed(soakLateness, soakStreams...), []byte(soakRules)
	for i := range 3 {
		proxy, err := toxiproxy.NewClient(address).Proxy(fmt.Sprintf("kafka3-%d", 1+i))
		if err != nil {
			t.Fatalf("asking the fault proxy: %v", err)
		}
		s.brokers = append(s.brokers, proxy)
		through := s.settings
		through.Brokers = faulty
		s.all = append(s.all, newProcess(t, s.binary, through, string(rune('a'+i))))
	}
	return s
}

// live waits until all tasks of all processes are live, routing and keyed ones
// too.
func (s *soak) live() {
	s.t.Helper()
	eventually(s.t, 3*time.Minute, func() string {
		byRole := map[string]int{}
		for _, p := range s.all {
			for _, task := range p.tasks() {
				if task.State == "live" {
					byRole[task.Role]++
				}
			}
		}
		// one direct rule; three streams are routed, to the logs of user, card and merchant
		if want := map[string]int{"direct": *sourcePartitions, "route": 3 * *sourcePartitions, "keyed": 3 * s.Keyed}; fmt.Sprint(byRole) != fmt.Sprint(want) {
			return fmt.Sprintf("live tasks %v, want %v", byRole, want)
		}
		return ""
	})
}

// hurtUntil draws a fault every so often.
func (s *soak) hurtUntil(began time.Time, span time.Duration) {
	for next := *faultEvery / 3; next < span-*faultEvery/3; next = max(next+*faultEvery, time.Since(began)+time.Second) {
		time.Sleep(time.Until(began.Add(next)))
		s.sample(began)
		fault := soakFaults[s.rng.IntN(len(soakFaults))]
		hurt := time.Now()
		fault.hurt(s, *faultEvery)
		s.done[fault.name]++
		s.t.Logf("at %s: %s, for %s", next.Round(time.Second), fault.name, time.Since(hurt).Round(time.Second))
	}
	time.Sleep(time.Until(began.Add(span)))
	s.sample(began)
}

func (s *soak) sample(began time.Time) {
	x := sample{after: time.Since(began), disk: s.diskMiB("a") + s.diskMiB("b") + s.diskMiB("c")}
	for _, p := range s.all {
		x.resident = append(x.resident, residentMiB(s.t, p.cmd.Process.Pid))
		for _, task := range p.tasks() {
			x.lag += max(0, task.Lag)
		}
	}
	s.samples = append(s.samples, x)
}

// judge compares in every way, and looks whether the toggled rule repeats itself.
func (s *soak) judge(want alertSet) {
	s.t.Helper()
	s.sameInHistory(s.all...)
	if diff := want.difference(s.committed()); diff != "" {
		s.t.Errorf("the alerts topic has come to differ from match:\n%s", diff)
	}
	toggled := alertSet{}
	s.readAll(s.Name+".alerts", func(m *ck.Message) {
		if a, err := alert.ParseJSON(m.Value); err == nil && a.Rule == s.apart {
			toggled[identity(a)]++
		}
	})
	for line, n := range toggled {
		if n > 1 {
			s.t.Errorf("%d times: %s", n, line)
		}
	}
}

// report says what was done and how latency, memory, disk and lag drifted.
// Latency is from the moment an event with the alert's time was to be sent,
// lateness included, to the alert's record.
func (s *soak) report(live []sent, want alertSet, began time.Time, caught time.Duration, perSecond float64) {
	s.t.Helper()
	latest := make([]int64, len(live)) // greatest event time up to here, ms
	for i := range live {
		latest[i] = max(live[i].at, latest[max(0, i-1)])
	}
	byMinute := map[int][]time.Duration{}
	s.readAlerts(func(m *ck.Message) {
		a, err := alert.ParseJSON(m.Value)
		if err != nil {
			s.t.Fatal(err)
		}
		if i, _ := slices.BinarySearch(latest, a.At/1000); i < len(live) {
			due := time.Duration(float64(i) / perSecond * float64(time.Second))
			byMinute[int(due/time.Minute)] = append(byMinute[int(due/time.Minute)], m.Timestamp.Sub(began.Add(due)))
		}
	})
	var b strings.Builder
	fmt.Fprintf(&b, "%d events at %.0f a second for %.1f minutes, three processes, three brokers (replication 3, 2 in sync), seed %d, a fault every %s:\n%v\n\n",
		len(live), perSecond, *minutes, *seed, *faultEvery, s.done)
	fmt.Fprintf(&b, "%d alerts in the topic and in Cassandra, as from match (TestSoakByOracle compares that with the oracle): 0 lost, 0 twice, 0 wrong. The last %s after the last event was due.\n\n",
		len(want), caught.Round(time.Second))
	b.WriteString("| after | memory of each, MiB | disk, MiB | lag |\n|---|---|---|---|\n")
	for _, x := range s.samples {
		fmt.Fprintf(&b, "| %s | %v | %d | %d |\n", x.after.Round(time.Second), x.resident, x.disk, x.lag)
	}
	b.WriteString("\n| minute | alerts | p50 | p99 | max |\n|---|---|---|---|---|\n")
	for minute := range int(*minutes) + 1 {
		if d := byMinute[minute]; len(d) > 0 {
			slices.SortFunc(d, cmp.Compare[time.Duration])
			at := func(q float64) time.Duration { return d[int(q*float64(len(d)-1))].Round(10 * time.Millisecond) }
			fmt.Fprintf(&b, "| %d | %d | %s | %s | %s |\n", minute, len(d), at(0.5), at(0.99), at(1))
		}
	}
	s.t.Log(b.String())
	if *figures != "" && !s.t.Failed() {
		report(s.t, "soak", b.String())
	}
}
