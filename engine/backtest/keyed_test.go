package backtest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caltrop/caltrop/engine/backtest"
)

const twoStreams = `apiVersion: caltrop/v1
kind: Stream
name: payment
source: {topic: payments}
time: {field: ts, unit: ms}
id: id
partition_key: card
lateness: 10s
idle: 10s
fields: {card: string, user: string, amount: double}
---
apiVersion: caltrop/v1
kind: Stream
name: login
source: {topic: logins}
time: {field: ts, unit: ms}
id: id
partition_key: device
lateness: 20s
idle: 10s
fields: {device: string, user: string, ok: bool}
---
apiVersion: caltrop/v1
kind: Rule
name: locked-out
key: user
within: 3m
pattern: wrong{2,} -> !right -> paid
steps:
  wrong: {stream: login, where: "!ok"}
  right: {stream: login, where: ok}
  paid: {stream: payment, where: amount > 30}
---
apiVersion: caltrop/v1
kind: Rule
name: high
key: card
pattern: high
within: 1m
steps: {high: {stream: payment, where: amount > 97}}
`

// topics is a History of several topics.
type topics map[string]memory

func (h topics) Spans(ctx context.Context, topic string, from time.Time) ([]backtest.Span, error) {
	return h[topic].Spans(ctx, "payments", from)
}

func (h topics) Open(ctx context.Context, topic string, s backtest.Span) (backtest.Reader, error) {
	return h[topic].Open(ctx, topic, s)
}

// users makes payments and logins, each spread by what its topic is keyed by,
// and the same as lines for `match`. One partition of logins has nothing.
func users(seed uint64) (h topics, lines string) {
	rng := rand.New(rand.NewPCG(seed, 2))
	h = topics{"payments": make(memory, 3), "logins": make(memory, 4)}
	var all strings.Builder
	for i := range 1500 {
		at := begin + 2*i
		key, user := rng.IntN(12), rng.IntN(4)
		stream, topic, p := "payment", "payments", key%3
		fields := fmt.Sprintf(`"card":"c%d","amount":%d`, key, rng.IntN(100))
		if rng.IntN(2) == 0 {
			stream, topic, p = "login", "logins", key%3
			fields = fmt.Sprintf(`"device":"d%d","ok":%v`, key, rng.IntN(3) == 0)
		}
		value := fmt.Sprintf(`"id":"e%d","ts":%d,"user":"u%d",%s}`, i, (at-rng.IntN(5))*1000+i%1000, user, fields) // no two at one time: partitions would order them
		h[topic][p] = append(h[topic][p], backtest.Record{Offset: int64(len(h[topic][p])), Time: int64(at) * 1e6, Value: []byte("{" + value)})
		fmt.Fprintf(&all, "{\"stream\":%q,%s\n", stream, value)
	}
	return h, all.String()
}

// Rules over several streams, or of another key than their topic's, give what
// `match` gives.
func TestRulesOverSeveralStreams(t *testing.T) {
	set := load(t, twoStreams)
	for seed := range uint64(5) {
		h, lines := users(seed)
		end := int64(begin+2*1499) * 1e6
		got := run(t, backtest.Plan{Set: set, History: h, To: time.UnixMicro(end), Parallel: 2})
		want := said(matched(t, set, lines), 0, end)
		g := said(got.Alerts, 0, end)
		locked := 0
		for _, line := range g {
			if strings.HasPrefix(line, "locked-out") {
				locked++
			}
		}
		if !slices.Equal(g, want) || locked < 20 {
			for _, line := range g {
				if !slices.Contains(want, line) {
					t.Errorf("seed %d: not wanted: %s", seed, line)
				}
			}
			for _, line := range want {
				if !slices.Contains(g, line) {
					t.Errorf("seed %d: not there: %s", seed, line)
				}
			}
			t.Fatalf("seed %d: %d alerts of locked-out", seed, locked)
		}
		if len(got.Inputs) != 3+3+4 { // the payments twice: as they are, and by user
			t.Errorf("inputs %+v", got.Inputs)
		}
	}
}

// A partition that wakes after an hour with old events has been idle by the
// records' times: the deadline has fired, and they are late.
func TestSilenceOfOnePartition(t *testing.T) {
	set := load(t, strings.Replace(twoStreams, "wrong{2,} -> !right -> paid", "paid -> !right -> wrong", 1))
	record := func(offset, at, ts int, fields string) backtest.Record {
		return backtest.Record{Offset: int64(offset), Time: int64(begin+at) * 1e6,
			Value: fmt.Appendf(nil, `{"id":"%s-%d","ts":%d,"user":"u",%s}`, fields[1:4], offset, (begin+ts)*1000, fields)}
	}
	pay := `"card":"c","amount":50`
	wrong, right := `"device":"d","ok":false`, `"device":"d","ok":true`
	h := topics{
		"payments": {{record(0, 0, 0, pay)}},
		"logins":   {{record(0, 60, 60, wrong)}, {record(0, 3600, 30, right)}},
	}
	got := run(t, backtest.Plan{Set: set, History: h})
	if g := said(got.Alerts, 0, 1<<62); len(g) != 1 || !strings.HasPrefix(g[0], "locked-out u ") {
		t.Errorf("got %q", g)
	}
	late := uint64(0)
	for _, in := range got.Inputs {
		late += in.Late
	}
	if late != 1 {
		t.Errorf("%d late, want the login that came an hour behind: %+v", late, got.Inputs)
	}
}
