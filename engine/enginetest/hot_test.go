package enginetest

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/caltrop/caltrop/rules"
)

// BenchmarkHotKey has one key bring nine of ten events of a stream, to a rule over
// eight partitions of its keyed log, with salts and without. It tells what part of
// the work of all matching tasks, in CPU time, the busiest one has, and what part of the events.
func BenchmarkHotKey(b *testing.B) {
	for _, salts := range []int{0, 8, 32} {
		b.Run(fmt.Sprintf("salts=%d", salts), func(b *testing.B) {
			rule := routedStreams + "---\napiVersion: caltrop/v1\nkind: Rule\nname: hot\nkey: card\nwindow: {stream: payment, tumbling: 1m}\n" +
				"values: {n: count(), spent: sum(amount), shops: distinct(shop)}\nhaving: n >= 100\n"
			if salts > 0 {
				rule += fmt.Sprintf("hot_keys: {salts: %d}\n", salts)
			}
			set, err := check(nil, rule)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				hottest(b, set)
			}
		})
	}
}

func hottest(b *testing.B, set *rules.Set) {
	const events = 100_000
	src := &SourceLog{Stream: "payment", Of: 1}
	for i := range events {
		card := "hot"
		if i%10 == 0 {
			card = fmt.Sprintf("c%d", i*7919%5000)
		}
		src.Values = append(src.Values, fmt.Appendf(nil, `{"id":"p%d","ts":%d,"card":%q,"shop":"s%d","amount":%d}`, i, scriptStart+int64(i)*5, card, i*31%40, i%10))
	}
	sim, err := NewRouted(1, set, 8, []*SourceLog{src})
	if err != nil {
		b.Fatal(err)
	}
	r := sim.routers[0]
	spent, read := make([]time.Duration, len(sim.tasks)), make([]uint64, len(sim.tasks))
	run := func() {
		for again := true; again; {
			again = false
			for i, t := range sim.tasks { // until nothing is left for the second stages
				began := cpuTime()
				for at := int64(-1); at != t.task.Position().Offset; {
					at = t.task.Position().Offset
					if err := t.step(); err != nil {
						b.Fatal(err)
					}
					again = again || at != t.task.Position().Offset
				}
				t.commit()
				spent[i] += cpuTime() - began
			}
		}
	}
	for !r.done() {
		for range 1000 {
			r.step()
		}
		r.commit()
		run()
	}
	r.router.Beat(routedClosing, true, &r.fx)
	r.commit()
	run()
	if len(sim.Alerts) == 0 {
		b.Fatal("no alert")
	}
	var all, most time.Duration
	var events2, busiest uint64
	for i, t := range sim.tasks {
		read[i] = t.task.Counts().Accepted
		all, most = all+spent[i], max(most, spent[i])
		events2, busiest = events2+read[i], max(busiest, read[i])
	}
	b.ReportMetric(float64(most)/float64(all), "busiest/all-cpu")
	b.ReportMetric(float64(busiest)/float64(events), "busiest/all-events")
	b.ReportMetric(most.Seconds()*1e6/events, "busiest-µs/event")
	b.ReportMetric(all.Seconds()*1e6/events, "all-µs/event")
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
