package enginetest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/caltrop/caltrop/engine/state"
	"github.com/caltrop/caltrop/engine/task"
)

const benchStream = `
apiVersion: caltrop/v1
kind: Stream
name: payment
source: {topic: payments}
time: {field: ts, unit: ms}
id: event_id
partition_key: card
lateness: 30s
fields: {card: string, amount: decimal(2), status: string, shop: {type: string, optional: true}}
`

const benchRule = `
apiVersion: caltrop/v1
kind: Rule
name: card-testing-%[1]d
key: card
within: 1%[1]dm
pattern: probe{3,} -> hit
steps:
  probe: {stream: payment, where: amount < 5.%[1]d && status == "declined"}
  hit: {stream: payment, where: amount > 5%[1]d0}
`

// BenchmarkStep reads JSON records of 200 bytes, one in a hundred a probe and
// one in a hundred large, with disorder below the lateness.
func BenchmarkStep(b *testing.B) {
	for _, rules := range []int{0, 1, 10} {
		for _, timing := range []string{"final", "early"} {
			b.Run(fmt.Sprintf("rules=%d/%s", rules, timing), func(b *testing.B) { benchmarkStep(b, rules, timing) })
		}
	}
}

func benchmarkStep(b *testing.B, n int, timing string) {
	lib, err := NewLibrary(benchStream)
	if err != nil {
		b.Fatal(err)
	}
	var refs []task.Ref
	for i := range n {
		if err := lib.Add(1, fmt.Sprintf(benchRule, i)+"timing: "+timing+"\n"); err != nil {
			b.Fatal(err)
		}
		refs = append(refs, task.Ref{Name: fmt.Sprintf("card-testing-%d", i), Revision: 1})
	}
	r := rand.New(rand.NewPCG(1, 1))
	t := task.New(task.Config{Sources: []task.Source{{Stream: "payment"}}, Resolver: lib, State: state.NewMemory()})
	var eff task.Effects
	if err := t.Apply(task.Entry{Kind: task.Switch, Set: lib.Set(refs...)}, &eff); err != nil {
		b.Fatal(err)
	}
	values := make([][]byte, benchChunk)
	b.ReportAllocs()
	for i := int64(0); b.Loop(); i++ {
		if i%benchChunk == 0 {
			b.StopTimer()
			for k := range values {
				values[k] = benchEvent(values[k][:0], r, i+int64(k), scriptStart+i+int64(k))
			}
			b.StartTimer()
		}
		if err := t.Step(&task.Record{Offset: i, SourceOffset: i, Value: values[i%benchChunk]}, &eff); err != nil {
			b.Fatal(err)
		}
		eff.Reset()
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// benchChunk is how many records are made at a time, off the clock.
const benchChunk = 20_000

func benchEvent(dst []byte, r *rand.Rand, i, now int64) []byte {
	cents, status := 600+r.IntN(40_000), "approved"
	switch r.IntN(100) {
	case 0:
		cents, status = 50+r.IntN(400), "declined"
	case 1:
		cents = 60_000 + r.IntN(100_000)
	}
	return fmt.Appendf(dst, `{"event_id":"e%09d","ts":%d,"card":"card-%06d","amount":%d.%02d,"status":"%s","shop":"m-%04d","channel":"ecom","terminal":"t-%06d","note":"nothing that a rule reads"}`,
		i, now-int64(r.IntN(1500)), r.IntN(10_000), cents/100, cents%100, status, r.IntN(5000), r.IntN(99_999))
}
