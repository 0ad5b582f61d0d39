//go:build e2e

package faults

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// TestT22Poison sends what is no event, of every kind: each becomes one dead
// letter with its reason and place, and the good events around it count.
func TestT22Poison(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	in := r.generate(22, smallRun)
	want := r.matched(in)
	a := newProcess(t, r.binary, r.settings, "a")
	a.start()
	r.install(a, a)
	half := len(in.records) / 2
	r.send(in.records[:half])
	future := time.Now().AddDate(10, 0, 0).UnixMilli()
	good := `{"event_id":"x%d","ts":%d,"card_id":%s,"amount":%s,"status":"declined","merchant_id":"m"}`
	poison := map[string]string{
		"bad_json":      `{"event_id":`,
		"invalid_utf8":  "{\"event_id\":\"\xff\xfe\"}",
		"not_object":    `[1,2]`,
		"null_value":    "",
		"too_large":     `{"event_id":"` + string(bytes.Repeat([]byte("x"), 10<<20)) + `"}`,
		"wrong_type":    fmt.Sprintf(good, 1, 1735689600000, `"c"`, `"much"`),
		"missing_key":   fmt.Sprintf(good, 2, 1735689600000, `null`, `1.00`),
		"bad_time":      fmt.Sprintf(good, 3, -5, `"c"`, `1.00`),
		"future":        fmt.Sprintf(good, 4, future, `"c"`, `1.00`),
		"missing_field": `{"event_id":"x5","ts":1735689600000,"card_id":"c"}`,
	}
	var bad []sent
	for _, value := range poison {
		rec := sent{stream: "payment", key: []byte("c"), value: []byte(value), partition: 3}
		if value == "" {
			rec.value = nil
		}
		bad = append(bad, rec)
	}
	r.send(bad)
	r.send(in.records[half:])
	r.drained(patience, a)
	r.same(in, want, a)
	found := map[string]int{}
	r.readAll(r.Name+".dlq", func(m *ck.Message) {
		h := map[string]string{}
		for _, x := range m.Headers {
			h[x.Key] = string(x.Value)
		}
		found[h["reason"]]++
		if h["topic"] != r.topic("payment") || h["partition"] != "3" || h["offset"] == "" {
			t.Errorf("a dead letter does not say where it stood: %v", h)
		}
	})
	for reason := range poison {
		if found[reason] != 1 {
			t.Errorf("%d dead letters with reason %s, want 1; all: %v", found[reason], reason, found)
		}
	}
	if len(found) != len(poison) {
		t.Errorf("dead letters %v, want one of each of %d reasons", found, len(poison))
	}
}
