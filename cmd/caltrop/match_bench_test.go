package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/caltrop/caltrop/rules"
)

const benchStream = `apiVersion: caltrop/v1
kind: Stream
name: payment
source: {topic: payments}
time: {field: ts, unit: ms}
id: event_id
partition_key: card_id
fields: {card_id: string, amount: decimal(2), status: string, merchant_id: {type: string, optional: true}, country: {type: string, optional: true}}
`

const benchRule = `---
apiVersion: caltrop/v1
kind: Rule
name: card-testing-%d
key: card_id
within: 10m
pattern: probe{3,} -> hit
steps:
  probe: {stream: payment, where: amount < %d && status == "declined"}
  hit: {stream: payment, where: amount > %d && amount > 5 * avg(probe.amount), gap: 2m}
having: distinct(probe.merchant_id) >= 2
alert:
  summary: "{{count(probe)}} probes, then {{hit.amount}}"
  measures: {probed: sum(probe.amount)}
  suppress: 1h
`

// benchLines are payments of 50,000 cards, a few of which test and hit.
func benchLines(n int) []byte {
	r := rand.New(rand.NewPCG(1, 1))
	var b bytes.Buffer
	for i := range n {
		amount, status := 6+r.Float64()*400, "approved"
		switch x := r.IntN(100); x {
		case 0:
			amount, status = 0.5+r.Float64()*4, "declined"
		case 1:
			amount = 501 + r.Float64()*1500
		}
		fmt.Fprintf(&b, `{"stream":"payment","event_id":"e%d","ts":%d,"card_id":"c%d","amount":%.2f,"status":%q,"merchant_id":"m%d","country":"BR","channel":"web","device_id":"d%d","currency":"EUR"}`+"\n",
			i, 1_700_000_000_000+int64(i), r.IntN(50_000), amount, status, r.IntN(500), r.IntN(1000))
	}
	return b.Bytes()
}

// BenchmarkMatch reads, decodes and matches events as `caltrop match` does.
func BenchmarkMatch(b *testing.B) {
	const events = 200_000
	lines := benchLines(events)
	for _, n := range []int{1, 10} {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			text := benchStream
			for i := range n {
				text += fmt.Sprintf(benchRule, i, 5+i, 500+10*i)
			}
			set, problems := rules.Check(nil, rules.Source{Name: "bench", Text: []byte(text)})
			if len(problems) > 0 {
				b.Fatal(problems)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := matchEvents(b.Context(), set, bytes.NewReader(lines), matchOptions{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(events)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
