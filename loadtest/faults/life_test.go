//go:build e2e

package faults

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/sinks/alert"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Two rules that are always live and one over their alerts; one over the alerts
// of a rule that is not.
const chainRules = `apiVersion: caltrop/v1
kind: Rule
name: failed
score: 40
key: card_id
within: 10m
pattern: fail{2}
steps: {fail: {stream: payment, where: status == "declined"}}
alert: {measures: {spent: sum(fail.amount)}}
timing: final
---
apiVersion: caltrop/v1
kind: Rule
name: large
score: 30
key: card_id
within: 10m
pattern: hit
steps: {hit: {stream: payment, where: amount > 300}}
timing: final
---
apiVersion: caltrop/v1
kind: Rule
name: both
key: key
window: {stream: alerts, where: 'rule in ["failed", "large"]', rolling: 1h}
values: {risk: sum(score), rules: distinct(rule), spent: sum(spent)}
having: rules >= 2 && risk >= 70
---
apiVersion: caltrop/v1
kind: Rule
name: echo
key: key
within: 10m
pattern: said
steps: {said: {stream: alerts, where: 'rule == "storm" || rule == "large" && score > 0'}}`

// dipRule is one of three payments of a card: one above 20, a greater one, and one
// that satisfies a condition.
func dipRule(name, dip string) string {
	return fmt.Sprintf(`apiVersion: caltrop/v1
kind: Rule
name: %s
key: card_id
within: 10m
pattern: first -> second -> third
steps:
  first: {stream: payment, where: amount > 20}
  second: {stream: payment, where: amount > first.amount}
  third: {stream: payment, where: %s}
timing: final`, name, dip)
}

var stormRule = dipRule("storm", "amount < first.amount")

// TestStatesAndRulesOnRules brings one rule from trial to live, paused, live and
// retired while events come, and kills the process in two of the states. Each of
// its alerts comes as its state was when its last event was accepted, and rules
// over alerts see those that are live.
func TestStatesAndRulesOnRules(t *testing.T) {
	r := newLifeRig(t)
	r.rules = []byte(chainRules)
	in := r.generate(*seed, 8000)
	parts := in.parts(5)
	a := newProcess(t, r.binary, r.settings, "a")
	a.start()
	r.install(a, a)
	r.rules = []byte(chainRules + "\n---\n" + stormRule)
	for i, state := range []string{"shadow", "live", "paused", "live", "retired"} {
		if i == 0 {
			a.do(http.MethodPut, "/v1/rules/storm?state="+state, []byte(stormRule))
		} else {
			a.do(http.MethodPost, "/v1/rules/storm/state?to="+state, nil)
		}
		r.settled(patience, a)
		half := len(parts[i]) / 2
		r.send(parts[i][:half])
		if i == 1 || i == 2 {
			a.kill()
			a.start()
		}
		r.send(parts[i][half:])
		r.drained(patience, a)
	}

	sets := r.parted(in, parts)
	storm, echoed, trial := sets["storm"], sets["echo of storm"], sets["storm"][0]
	both := union(slices.Concat(sets["both"], sets["both of failed"], sets["both of large"])...)
	above := union(slices.Concat(sets["echo of large"], []alertSet{both, echoed[1], echoed[3]})...)
	want := union(slices.Concat(sets["failed"], sets["large"], []alertSet{above, storm[1], storm[3]})...)
	for name, n := range map[string]int{"of two": len(both), "on trial": len(trial), "live": len(storm[1]), "paused": len(storm[2]),
		"live again": len(storm[3]), "retired": len(storm[4]), "read": len(echoed[1]), "read again": len(echoed[3])} {
		if n < 5 {
			t.Fatalf("%s: only %d alerts are expected: the test would show little", name, n)
		}
	}
	r.sameInTopic(want)
	eventually(t, patience, func() string { return trial.difference(r.onTrial()) })
	for _, c := range []struct {
		trial bool
		want  alertSet
	}{{false, want}, {true, trial}} {
		eventually(t, patience, func() string {
			got, err := r.stored(a, c.trial)
			if err != nil {
				return err.Error()
			}
			return c.want.difference(got)
		})
	}
	t.Logf("%d events, 2 kills: %d alerts, %d of them over alerts; of the rule that changed %d on trial, %d live, %d not raised; 0 lost, 0 twice, 0 wrong",
		len(in.records)-in.closing, len(want), len(above), len(trial), len(storm[1])+len(storm[3]), len(storm[2])+len(storm[4]))
}

// newLifeRig is a rig of payments alone, and of one process.
func newLifeRig(t *testing.T) *rig {
	t.Helper()
	r := newRigOn(t, cmp.Or(os.Getenv("E2E_KAFKA"), "127.0.0.1:19092"), 1, "payment")
	r.History = "pebble"
	r.streams = r.keyed("30s", "payment")
	return r
}

// parts divides the events into n parts; the last one has the closing events too.
func (in *input) parts(n int) [][]sent {
	live := in.records[:len(in.records)-in.closing]
	parts := slices.Collect(slices.Chunk(live, (len(live)+n-1)/n))
	parts[n-1] = append(parts[n-1], in.records[len(live):]...)
	return parts
}

// parted is what `caltrop match` says of the input by rule, and by the part in
// which the last event of an alert came; of a rule over alerts by the rule whose
// alert that is too, as `both of large`.
func (r *rig) parted(in *input, parts [][]sent) map[string][]alertSet {
	r.t.Helper()
	came, raised := map[string]int{}, map[string]string{} // part, by id of an event or an alert; rule, by id of an alert
	for i, part := range parts {
		for _, rec := range part {
			var ev struct {
				ID string `json:"event_id"`
			}
			if err := json.Unmarshal(rec.value, &ev); err != nil {
				r.t.Fatal(err)
			}
			if _, again := came[ev.ID]; !again {
				came[ev.ID] = i
			}
		}
	}
	sets := map[string][]alertSet{}
	said := r.match(in)
	for range 2 { // at one time those of rules over alerts may come first
		clear(sets)
		for line := range bytes.Lines(said) {
			a, err := alert.ParseJSON(line)
			if err != nil {
				r.t.Fatalf("reading alert %s: %v", line, err)
			}
			last, name := lastOf(a), a.Rule
			came[a.ID.String()], raised[a.ID.String()] = came[last], name
			if read := raised[last]; read != "" {
				name += " of " + read
			}
			if sets[name] == nil {
				for range parts {
					sets[name] = append(sets[name], alertSet{})
				}
			}
			sets[name][came[last]].add(r.t, line)
		}
	}
	return sets
}

// lastOf is the id of the last event of the evidence; "" where there is none.
func lastOf(a *alert.Alert) string {
	var all []*event.Event
	for _, s := range a.Evidence {
		all = append(all, s.Events...)
	}
	ids := idsOf(all)
	if len(ids) == 0 {
		return ""
	}
	return ids[len(ids)-1]
}

// union has all alerts of the sets.
func union(sets ...alertSet) alertSet {
	all := alertSet{}
	for _, s := range sets {
		for k, n := range s {
			all[k] += n
		}
	}
	return all
}

// onTrial is the set of alerts in the topic of rules on trial.
func (r *rig) onTrial() alertSet {
	set := alertSet{}
	r.readAll(r.Name+".alerts.shadow", func(m *ck.Message) {
		if !strings.Contains(string(m.Value), `"mode":"shadow"`) {
			r.t.Errorf("among the alerts of rules on trial: %s", m.Value)
		}
		set.add(r.t, m.Value)
	})
	return set
}
