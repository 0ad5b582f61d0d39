package kafka

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/rules"
)

// TestAStreamChangesUnderRules stores another revision of a stream while its tasks
// run. The alerts are those of one stream that never changed, which the oracle
// judges.
func TestAStreamChangesUnderRules(t *testing.T) {
	added := strings.Replace(streamText, "{card_id", "{device: {type: string, optional: true}, card_id", 1)
	altered := strings.Replace(streamText, "status: string", "status: {type: string, optional: true}", 1)
	keyed := func(text string) string {
		return strings.Replace(text, "partition_key: card_id", "partition_key: status", 1)
	}
	cases := []struct {
		name     string
		was, now string
		tasks    int
		crash    Point // after the stream was stored, once a task
	}{
		{"rules go on", streamText, added, 2, ""},
		{"rules go on, crash before the switch is committed", streamText, added, 2, BeforeTxnCommit},
		{"rules start warm", streamText, altered, 2, ""},
		{"rules start warm, crash after the switch", streamText, altered, 2, AfterTxnCommit},
		{"on a keyed log rules go on", keyed(streamText), keyed(added), 4, ""},
		{"on a keyed log rules start warm", keyed(streamText), keyed(altered), 4, AfterTxnCommit},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := newBenchOf(t, c.was)
			b.put(rules.KindRule, "storm", stormText)
			stored := make(chan struct{})
			crashes, fail := crashOnce(stored, c.crash)
			e, _ := b.start(EngineOptions{Keeper: forgetful{}, Fail: fail})
			b.until("all tasks live", func() bool { return b.live(e) == c.tasks })
			r := rand.New(rand.NewPCG(7, 7))
			events := b.traffic(r, 0, 200)
			events = events[:len(events)-1] // some are held when the stream changes
			b.produce(events...)
			b.until("alerts", func() bool { return len(b.lastOf("storm")) >= 5 })
			close(stored)
			b.put(rules.KindStream, "payment", c.now)
			b.until("the stream to be live", func() bool { return b.live(e) == c.tasks })
			later := b.traffic(r, 600, 100)
			b.produce(later...)
			if c.tasks == 4 {
				b.write("payments", 1, b.payment("other", "approved", 600+3*100+30))
			}
			want := afterwards(t, stormText, nil, slices.Concat(events, later))
			b.until("the last alert", func() bool { return len(b.lastOf("storm")) >= len(want) })
			if got := b.lastOf("storm"); !slices.Equal(got, want) || len(want) < 10 {
				t.Errorf("of storm\n got %v\nwant %v", got, want)
			}
			crashed := false
			crashes.Range(func(any, any) bool { crashed = true; return false })
			if crashed != (c.crash != "") {
				t.Errorf("crashed: %t", crashed)
			}
		})
	}
}
