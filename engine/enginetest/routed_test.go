package enginetest

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/sinks/alert"
)

var routedSeeds = flag.Int("routed.seeds", 30, "seeds of TestRoutedRulesAgreeWithOracle")

// routedStreams are three streams that are keyed differently.
const routedStreams = `
apiVersion: caltrop/v1
kind: Stream
name: payment
source: {topic: payments}
time: {field: ts, unit: ms}
id: id
partition_key: shop
lateness: 5s
idle: 2s
max_skew: 10s
fields: {card: string, shop: string, amount: int}
---
apiVersion: caltrop/v1
kind: Stream
name: login
source: {topic: logins}
time: {field: ts, unit: ms}
id: id
partition_key: user
lateness: 3s
idle: 2s
max_skew: 2s
fields: {user: string, owned: {type: string, optional: true}}
---
apiVersion: caltrop/v1
kind: Stream
name: transfer
source: {topic: transfers}
time: {field: ts, unit: ms}
partition_key: payer
lateness: 4s
idle: 2s
fields: {payer: string, payee: string, amount: int}
`

var routedRules = map[string]string{
	"joined": `key: card
within: 60s
pattern: entry -> pay{2,}
steps:
  entry: {stream: login, key: owned}
  pay: {stream: payment, where: amount > 2}
alert: {measures: {spent: sum(pay.amount)}, suppress: 20s}
`,
	"absent": `key: card
within: 30s
pattern: pay -> !entry
steps:
  entry: {stream: login, key: owned}
  pay: {stream: payment, where: amount > 7}
`,
	"roles": `key: account
within: 40s
pattern: credit -> debit
steps:
  credit: {stream: transfer, key: payee, where: amount > 4}
  debit: {stream: transfer, key: payer, where: amount > 4}
`,
	"strict": `key: account
within: 40s
pattern: credit , debit
steps:
  credit: {stream: transfer, key: payee}
  debit: {stream: transfer, key: payer, where: amount > 4}
`,
	"mixed": `key: card
window: {stream: [payment, transfer], keys: {transfer: payee}, rolling: 20s}
values: {n: count(), spent: sum(payment.amount)}
having: n >= 4 && spent > 5
`,
	"tumbled": `key: card
window: {stream: payment, tumbling: 15s}
values: {n: count()}
having: n >= 3
`,
}

func routedRule(name string) string {
	return "apiVersion: caltrop/v1\nkind: Rule\nname: " + name + "\ntiming: final\n" + cmp.Or(routedRules[name], saltedRules[name])
}

// routedSet checks the rules together.
func routedSet(t *testing.T, names ...string) *rules.Set {
	t.Helper()
	text := routedStreams
	for _, name := range names {
		text += "---\n" + routedRule(name)
	}
	set, err := check(nil, text)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// traffic fills the source partitions; an event's partition has nothing to do
// with the keys of the rules.
func traffic(seed uint64, n int) []*SourceLog {
	r := rand.New(rand.NewPCG(seed, 3))
	var logs []*SourceLog
	for stream, of := range map[string]int{"payment": 3, "login": 2, "transfer": 2} {
		for p := range of {
			logs = append(logs, &SourceLog{Stream: stream, Partition: int32(p), Of: of})
		}
	}
	slices.SortFunc(logs, func(a, b *SourceLog) int {
		return strings.Compare(fmt.Sprint(a.Stream, a.Partition), fmt.Sprint(b.Stream, b.Partition))
	})
	for i := range n {
		to := logs[r.IntN(len(logs))]
		ts := scriptStart + int64(i)*400 - int64(r.IntN(6000)) // some are late
		ts -= ts % 500                                         // many are equal
		id := fmt.Sprintf("%s%d", to.Stream[:1], i)
		pick := func() string { return fmt.Sprintf("k%d", r.IntN(5)) }
		var value string
		switch to.Stream {
		case "payment":
			value = fmt.Sprintf(`{"id":%q,"ts":%d,"card":%q,"shop":"s","amount":%d}`, id, ts, pick(), r.IntN(10))
		case "login":
			value = fmt.Sprintf(`{"id":%q,"ts":%d,"user":"u","owned":%q}`, id, ts, pick())
		default:
			value = fmt.Sprintf(`{"ts":%d,"payer":%q,"payee":%q,"amount":%d}`, ts, pick(), pick(), r.IntN(10))
		}
		to.Values = append(to.Values, []byte(value))
	}
	return logs
}

// acceptedAt returns the lines of the sources that were not late, in key order,
// with the place of each.
func acceptedAt(t *testing.T, set *rules.Set, sources []*SourceLog, late []Place) ([][]byte, []Place) {
	t.Helper()
	type line struct {
		text      []byte
		time      int64
		stream    string
		partition int32
		offset    int64
	}
	var lines []line
	for _, src := range sources {
		live, err := set.Resolve(task.Set{Streams: []task.Ref{{Name: src.Stream, Revision: 1}}})
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range src.Values {
			var ev event.Event
			if err := live.Streams[0].Decoder.Decode(v, &ev); err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(late, Place{src.Stream, src.Partition, int64(i)}) {
				lines = append(lines, line{append([]byte(`{"stream":"`+src.Stream+`",`), v[1:]...), ev.Time, src.Stream, src.Partition, int64(i)})
			}
		}
	}
	slices.SortFunc(lines, func(a, b line) int {
		x := event.Event{Schema: &event.Schema{Stream: a.stream}, Time: a.time, Partition: a.partition, Offset: a.offset}
		y := event.Event{Schema: &event.Schema{Stream: b.stream}, Time: b.time, Partition: b.partition, Offset: b.offset}
		return event.Compare(&x, &y)
	})
	var out [][]byte
	var places []Place
	for _, l := range lines {
		out, places = append(out, l.text), append(places, Place{l.stream, l.partition, l.offset})
	}
	return out, places
}

// judge compares the alerts of a run with those of the oracle, of the rules that
// are named, and counts them.
func (r *Routed) judge(t *testing.T, seed uint64, names []string, counts map[string]int) {
	t.Helper()
	lines, places := acceptedAt(t, r.Set, r.Sources, r.Late)
	var want []string
	for _, name := range names {
		w := routedWant(t, name, lines, places)
		counts[name] += len(w)
		want = append(want, w...)
	}
	slices.Sort(want)
	if got := raisedIn(r.Alerts); !slices.Equal(got, want) {
		t.Fatalf("seed %d: %d alerts, want %d\nlost  %s\nextra %s", seed, len(got), len(want),
			strings.Join(without(want, got), "\n      "), strings.Join(without(got, want), "\n      "))
	}
}

// routedWant is the oracle's answer for one rule.
func routedWant(t *testing.T, name string, lines [][]byte, places []Place) []string {
	t.Helper()
	var sent []string
	for _, a := range judgedAt(t, routedStreams+"---\n"+routedRule(name), lines, places) {
		line := fmt.Sprintf("%s %d %s", name, a.At, a.Key[0].Str())
		for _, s := range a.Evidence {
			line += describe(s.Step, named(s.Events))
		}
		for _, m := range a.Measures {
			line += fmt.Sprintf(" %s=%s", m.Name, m.Value.AppendText(nil))
		}
		sent = append(sent, line)
	}
	return sent
}

// named leaves out ids that an event has of its place, which the oracle counts
// in its own way.
func named(events []*event.Event) []*event.Event {
	out := make([]*event.Event, len(events))
	for i, ev := range events {
		e := *ev
		if strings.Contains(e.ID, "/") {
			e.ID = fmt.Sprint(e.Time, e.Values[0].Str(), e.Values[1].Str(), e.Values[2].Int())
		}
		out[i] = &e
	}
	return out
}

// raisedIn are the alerts that are raised, as routedWant writes them.
func raisedIn(alerts []alert.Alert) []string {
	var sent []string
	for i := range alerts {
		a := &alerts[i]
		if a.Status != alert.Raised || a.Version > 1 {
			continue
		}
		line := fmt.Sprintf("%s %d %s", a.Rule, a.At, a.KeyText())
		for _, st := range a.Evidence {
			line += describe(st.Name, named(st.Events))
		}
		for _, m := range a.Measures {
			line += fmt.Sprintf(" %s=%s", m.Name, m.Value.AppendText(nil))
		}
		sent = append(sent, line)
	}
	slices.Sort(sent)
	return sent
}

// versionsOf names every version that was sent, suppressed ones counted.
func versionsOf(alerts []alert.Alert) []string {
	var sent []string
	for i := range alerts {
		a := &alerts[i]
		sent = append(sent, fmt.Sprintf("%s/%d %s %d", a.ID, a.Version, a.Status, a.Suppressed))
	}
	slices.Sort(sent)
	return sent
}

const routedClosing = (scriptStart + 3_600_000) * 1000

// TestRoutedRulesAgreeWithOracle runs rules over streams that are keyed
// differently through routing and keyed tasks that die all the time, and
// compares what they have committed with the oracle's answer over the accepted
// events.
func TestRoutedRulesAgreeWithOracle(t *testing.T) { routedAgree(t) }

// TestKeyedLogsGrowAsIfTheyHadNot is the same while the keyed logs are divided,
// twice.
func TestKeyedLogsGrowAsIfTheyHadNot(t *testing.T) { routedAgree(t, 2, 3) }

// TestJobsStartFromSavepoints is the same while other jobs take over from savepoints,
// some of them with more partitions.
func TestJobsStartFromSavepoints(t *testing.T) {
	t.Parallel()
	names, set := routedRulesOf(t)
	counts, moved := map[string]int{}, 0
	for seed := range uint64(*routedSeeds) {
		sim, err := NewRouted(seed, set, 1+int(seed%4), traffic(seed, 300))
		if err != nil {
			t.Fatal(err)
		}
		sim.Growths, sim.Savepoints = []int{2}, 3
		if err := sim.Run(routedClosing); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		moved += 3 - sim.Savepoints
		sim.judge(t, seed, names, counts)
		if n := sim.LateInTasks(); n > 0 {
			t.Errorf("seed %d: %d events were late in a keyed task though no source was idle", seed, n)
		}
	}
	if moved < *routedSeeds {
		t.Errorf("only %d jobs started from a savepoint", moved)
	}
	t.Logf("alerts %v, %d jobs started from a savepoint", counts, moved)
}

// routedRulesOf are all rules, by name in order.
func routedRulesOf(t *testing.T) ([]string, *rules.Set) {
	names := slices.Sorted(maps.Keys(routedRules))
	return names, routedSet(t, names...)
}

func routedAgree(t *testing.T, growths ...int) {
	t.Parallel()
	names, set := routedRulesOf(t)
	counts, crashes, late, held, grown := map[string]int{}, 0, 0, 0, 0
	for seed := range uint64(*routedSeeds) {
		sim, err := NewRouted(seed, set, 1+int(seed%4), traffic(seed, 300))
		if err != nil {
			t.Fatal(err)
		}
		sim.Growths = slices.Clone(growths)
		if err := sim.Run(routedClosing); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		grown += len(growths) - len(sim.Growths)
		sim.judge(t, seed, names, counts)
		if grown > 0 {
			same, err := NewRouted(seed, set, 1+int(seed%4), traffic(seed, 300))
			if err != nil || same.Run(routedClosing) != nil {
				t.Fatalf("seed %d without growing: %v", seed, err)
			}
			if got, want := versionsOf(sim.Alerts), versionsOf(same.Alerts); !slices.Equal(got, want) {
				t.Fatalf("seed %d: the versions are %v, without growing %v", seed, got, want)
			}
		}
		if n := sim.LateInTasks(); n > 0 {
			t.Errorf("seed %d: %d events were late in a keyed task though no source was idle", seed, n)
		}
		crashes, late, held = crashes+sim.Crashes, late+len(sim.Late), held+sim.HeldBack
	}
	for _, name := range names {
		if counts[name] == 0 {
			t.Errorf("no alert of %s was compared", name)
		}
	}
	if crashes < 10**routedSeeds || late == 0 || held < *routedSeeds {
		t.Errorf("%d crashes, %d late events, %d times held back: the runs prove nothing", crashes, late, held)
	}
	if grown < len(growths)**routedSeeds/2 {
		t.Errorf("the logs grew only %d times", grown)
	}
	t.Logf("alerts %v, %d crashes, %d late events, %d times held back, grown %d times", counts, crashes, late, held, grown)
}

func without(a, b []string) []string {
	b = slices.Clone(b)
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool {
		at := slices.Index(b, s)
		if at >= 0 {
			b = slices.Delete(b, at, at+1)
		}
		return at >= 0
	})
}
