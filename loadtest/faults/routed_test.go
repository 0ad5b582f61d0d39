//go:build e2e

package faults

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// routedRules are over two streams that are keyed differently, and over a key
// that no producer has.
const routedRules = `apiVersion: caltrop/v1
kind: Rule
name: login-then-payments
key: user_id
within: 60m
pattern: entry -> pay
steps:
  entry: {stream: login}
  pay: {stream: payment}
timing: final
---
apiVersion: caltrop/v1
kind: Rule
name: busy-shop
key: merchant_id
window: {stream: payment, where: 'merchant_id != "m-0000"', tumbling: 5m} # that of the closing events
values: {n: count(), declined: count(status == "declined")}
having: n >= 3`

// saltedRule runs as two tasks in a row.
const saltedRule = `
---
apiVersion: caltrop/v1
kind: Rule
name: busiest-shops
key: merchant_id
window: {stream: payment, where: 'merchant_id != "m-0000"', sliding: 10m, every: 5m}
values: {n: count(), most: max(amount)}
having: n >= 4
hot_keys: {salts: 3}
alert: {measures: {n: n, most: most}}`

// TestRoutedRulesLoseAndDoubleNothing kills one of two processes with SIGKILL
// while events stream in that must be brought together by key, and compares the
// committed alerts with those of match and of the oracle.
func TestRoutedRulesLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	routedUnderKills(t, routedRules+saltedRule, 3, func(*process) {}, func(*process) {})
}

// TestT20RescaleLosesAndDoublesNothing is the same while the keyed logs move from
// two partitions to six, in the middle of the traffic and of the kills.
func TestT20RescaleLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	rescale := func(p *process) string {
		res, err := http.Post("http://"+p.address+"/v1/jobs/"+p.job+"/rescale?partitions=6", "", nil)
		if err != nil {
			return err.Error()
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusAccepted {
			text, _ := io.ReadAll(res.Body)
			return res.Status + ": " + string(text)
		}
		return ""
	}
	routedUnderKills(t, routedRules, 2, func(p *process) {
		eventually(t, patience, func() string { return rescale(p) })
	}, func(p *process) {
		eventually(t, patience, func() string {
			var answer struct {
				Jobs []struct{ Rescale json.RawMessage }
			}
			if err := p.get("/v1/jobs", &answer); err != nil {
				return err.Error()
			}
			if at := string(answer.Jobs[0].Rescale); !strings.Contains(at, `"state":"done"`) {
				return at
			}
			return ""
		})
	})
}

// routedUnderKills runs rules over so many keyed logs. It calls during when the traffic has begun, and then after it.
func routedUnderKills(t *testing.T, text string, logs int, during, after func(*process)) {
	r := newRig(t)
	r.only, r.History, r.Keyed, r.keyedLogs = []string{"payment", "login"}, "pebble", 2, logs
	r.streams = r.keyed("30s", "payment", "login")
	r.rules = []byte(text)
	in := r.generate(*seed, 6000)
	want := r.matched(in)
	if len(want) < 20 {
		t.Fatalf("only %d alerts are expected: the test would show little", len(want))
	}
	a, b := newProcess(t, r.binary, r.settings, "a"), newProcess(t, r.binary, r.settings, "b")
	a.start()
	b.start()
	r.install(a, a, b) // a process that hears of a rule later routes for it from there on

	live := in.records[:len(in.records)-in.closing]
	took := 12 * time.Second
	produced := make(chan error, 1)
	began := time.Now()
	go func() { produced <- r.produce(live, int(float64(len(live))/took.Seconds())) }()
	during(a)
	r.killAtRandom(began, took, []*process{a, b})
	if err := <-produced; err != nil {
		t.Fatal(err)
	}
	if err := r.produce(in.records[len(live):], 0); err != nil {
		t.Fatal(err)
	}
	after(b)
	eventually(t, patience, func() string { return want.difference(r.committed()) })
	r.sameAsOracle(in)
	if diff := want.difference(r.committed()); diff != "" {
		t.Errorf("the alerts topic has come to differ from match:\n%s", diff)
	}
	t.Logf("seed %d: %d events, %d kills, %d alerts, 0 lost, 0 twice, after %s", *seed, len(live), *kills, len(want), time.Since(began).Round(time.Second))
}
