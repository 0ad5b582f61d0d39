package event

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// BenchmarkDecodeLine reads lines of thirteen members of which rules want six.
func BenchmarkDecodeLine(b *testing.B) {
	d := NewLineDecoder([]Decl{{Schema: NewSchema("payment", []Field{
		{Name: "card_id", Type: String, Path: []string{"card_id"}},
		{Name: "amount", Type: Decimal, Scale: 2, Path: []string{"amount"}},
		{Name: "status", Type: String, Path: []string{"status"}},
		{Name: "merchant_id", Type: String, Path: []string{"merchant_id"}},
	}), Time: []string{"ts"}, Unit: Micros, Keys: []int{0}}})
	r := rand.New(rand.NewPCG(1, 1))
	lines := make([][]byte, 8192)
	for i := range lines {
		lines[i] = fmt.Appendf(nil, `{"stream":"payment","event_id":"e%d","ts":%d,"card_id":"c%d","amount":%.2f,"status":"approved","merchant_id":"m%d","country":"BR","lat":%d.5,"lon":%d.25,"f%d":"v%d","channel":"web","currency":"EUR"}`,
			i, 1_700_000_000_000_000+1000*i, r.IntN(1000), 6+400*r.Float64(), r.IntN(500), r.IntN(120)-60, r.IntN(300)-150, r.IntN(20), r.IntN(10))
	}
	var ev Event
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Decode(lines[i%len(lines)], &ev); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
