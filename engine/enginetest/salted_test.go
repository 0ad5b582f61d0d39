package enginetest

import (
	"slices"
	"testing"
)

// saltedRules run in two stages: over one stream and two, keyed by the producer
// and not, tumbling and sliding. "alone" asks for the last event of a stream with
// ids and runs in one.
var saltedRules = map[string]string{
	"hot": `key: card
window: {stream: payment, tumbling: 15s}
values: {n: count(), spent: sum(amount), most: max(amount), half: 'percentile(amount, 0.5)', kinds: distinct(amount)}
having: n >= 3
hot_keys: {salts: 3}
alert: {measures: {n: n, spent: spent, most: most, half: half, kinds: kinds}, suppress: 20s}
`,
	"slid": `key: card
window: {stream: payment, where: amount > 1, sliding: 30s, every: 10s, offset: 3s}
values: {n: count(), least: min(amount)}
having: n >= 4 && least > 1
hot_keys: {salts: 3}
alert: {measures: {n: n, least: least}}
`,
	"both": `key: card
window: {stream: [payment, transfer], keys: {transfer: payee}, tumbling: 20s}
values: {n: count(), spent: sum(payment.amount)}
having: n >= 4 && spent > 5
hot_keys: {salts: 2}
`,
	"paid": `key: card
window: {stream: transfer, keys: {transfer: payee}, tumbling: 5s}
values: {n: count()}
having: n >= 1
hot_keys: {salts: 3}
alert: {measures: {n: n}}
`,
	"ordered": `key: account
window: {stream: transfer, keys: {transfer: payee}, tumbling: 20s}
values: {n: count(), newest: last(amount), oldest: first(amount)}
having: n >= 2
hot_keys: {salts: 4}
alert: {measures: {n: n, newest: newest, oldest: oldest}}
`,
	"alone": `key: card
window: {stream: payment, tumbling: 15s}
values: {n: count(), newest: last(amount)}
having: n >= 3
hot_keys: {salts: 3}
alert: {measures: {n: n, newest: newest}}
`,
	"direct": `key: shop
window: {stream: payment, sliding: 20s, every: 10s}
values: {n: count(), mean: avg(amount)}
having: n >= 8
hot_keys: {salts: 7}
alert: {measures: {n: n, mean: mean}}
`,
}

// repeating lets some records come twice, at places of other salts.
func repeating(sources []*SourceLog) []*SourceLog {
	for _, s := range sources {
		for i := 9; i < len(s.Values); i += 7 {
			s.Values = slices.Insert(s.Values, i, s.Values[i-1-i%5])
		}
	}
	return sources
}

// TestSaltedRulesAgreeWithOracle runs salted rules as two tasks in a row, all of
// which die all the time, and compares what the second have committed with the
// oracle's answer over the accepted events.
func TestSaltedRulesAgreeWithOracle(t *testing.T) { saltedAgree(t, 0) }

// TestSaltedJobsStartFromSavepoints lets other jobs take over from savepoints in
// which each second stage has read what the first had handed over, or more.
func TestSaltedJobsStartFromSavepoints(t *testing.T) { saltedAgree(t, 3) }

func saltedAgree(t *testing.T, savepoints int) {
	t.Parallel()
	counts, crashes, handed, moved := map[string]int{}, 0, 0, 0
	names := []string{"alone", "both", "direct", "hot", "ordered", "paid", "slid", "tumbled"}
	set := routedSet(t, names...)
	for seed := range uint64(*routedSeeds) {
		sim, err := NewRouted(seed, set, 1+int(seed%4), repeating(traffic(seed, 300)))
		if err != nil {
			t.Fatal(err)
		}
		sim.Savepoints = savepoints
		if err := sim.Run(routedClosing); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		moved += savepoints - sim.Savepoints
		sim.judge(t, seed, names, counts)
		if n := sim.LateInTasks(); n > 0 {
			t.Errorf("seed %d: %d events were late in a keyed task though no source was idle", seed, n)
		}
		crashes += sim.Crashes
		for _, s := range sim.tasks {
			for _, r := range s.task.Rules() {
				if r.Ref.Stage == 2 && r.Ref.Name == "hot" {
					handed += int(r.Counts.Events)
				}
			}
		}
	}
	for _, name := range names {
		if counts[name] == 0 {
			t.Errorf("no alert of %s was compared", name)
		}
	}
	if crashes < 10**routedSeeds || handed == 0 {
		t.Errorf("%d crashes, %d parts: the runs prove nothing", crashes, handed)
	}
	if savepoints > 0 && moved < *routedSeeds {
		t.Errorf("only %d jobs started from a savepoint", moved)
	}
	t.Logf("alerts %v, %d crashes, %d parts of hot, %d jobs started from a savepoint", counts, crashes, handed, moved)
}
