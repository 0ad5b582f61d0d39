package enginetest

import (
	"fmt"
	"slices"
	"strings"
)

// earlyRules are the rules of the simulation of early alerts. N varies by
// revision; TIMING and SUPPRESS are what the library is made with. Rules whose
// alerts come at a deadline, and those that read alerts, are final in every
// library.
var earlyRules = []string{`
name: aggregate
key: card
within: 60s
pattern: probe{2,} -> !step_up -> hit
steps:
  probe: {stream: payment, where: amount < 5.0}
  step_up: {stream: challenge, where: result == "passed"}
  hit: {stream: payment, where: amount > N00.0 && amount > 5 * avg(probe.amount), gap: 20s}
alert: {summary: "{{count(probe)}} then {{hit.amount}}", measures: {probed: sum(probe.amount)}, suppress: SUPPRESS}
timing: TIMING
`, `
name: failures
key: card
within: 40s
pattern: fail{N,}
steps:
  fail: {stream: payment, where: status == "declined"}
alert: {suppress: SUPPRESS}
timing: TIMING
`, `
name: capped
key: card
within: 30s
pattern: big -> bigger
steps:
  big: {stream: payment, where: amount > N0.0}
  bigger: {stream: payment, where: amount > big.amount}
limits: {replay: 3}
timing: TIMING
`, `
name: nothing-before
key: card
within: 30s
pattern: "!before -> big"
steps:
  before: {stream: payment, where: amount < 5.0, gap: 1Ns}
  big: {stream: payment, where: amount > 300.0}
alert: {suppress: SUPPRESS}
timing: final
`, `
name: straight
key: card
within: 50s
pattern: low , high , !low2
after_match: no_skip
steps:
  low: {stream: payment, where: amount < N0.0}
  high: {stream: payment, where: amount > 100.0}
  low2: {stream: payment, where: amount < 5.0}
timing: TIMING
`, `
name: velocity
key: card
window: {stream: payment, where: 'status == "approved"', rolling: 10s}
values: {n: count(), total: sum(amount), shops: distinct(shop)}
having: n >= N && shops >= 2
limits: {window_events: 5}
timing: TIMING
`, `
name: every
key: card
within: 20s
emit: all
after_match: skip_past_last
pattern: ask ->> answer
steps:
  ask: {stream: payment, where: amount > N0.0}
  answer: {stream: challenge}
limits: {matches_per_event: 50, runs_per_key: 64}
alert: {suppress: SUPPRESS}
timing: TIMING
`, `
name: either
key: card
within: 30s
pattern: (small | failed)+ until passed -> large
steps:
  small: {stream: payment, where: amount < N0.0}
  failed: {stream: challenge, where: result == "failed"}
  passed: {stream: challenge, where: result == "passed"}
  large: {stream: payment, where: amount >= 350.0}
alert: {suppress: SUPPRESS}
timing: TIMING
`, `
name: listed
key: card
within: 30s
pattern: a -> b
steps:
  a: {stream: payment, where: 'in_list("risky", shop)'}
  b: {stream: payment, where: amount > N00.0}
timing: TIMING
`, `
name: never-answered
key: card
within: 1Ns
pattern: ask -> !answer
steps:
  ask: {stream: payment, where: amount > 400.0}
  answer: {stream: challenge}
alert: {suppress: SUPPRESS}
timing: final
`, `
name: unusual
key: card
within: 30s
pattern: small -> strange
steps:
  small: {stream: payment, where: amount < N00.0}
  strange: {stream: payment, where: 'profile.usual.n >= N && amount > profile.usual.mean && !(shop in profile.usual.shops)'}
alert: {summary: "{{strange.amount}} after {{profile.usual.n}}", measures: {mean: profile.usual.mean}, suppress: SUPPRESS}
timing: TIMING
`, `
name: careless
key: card
within: 1Ns
pattern: wrong{2,}
steps:
  wrong: {stream: challenge, where: 'result == "failed" && profile.usual.n < N0 && seconds(time - profile.usual.last) < 1N.0'}
timing: TIMING
`, `
name: sums
key: card
window: {stream: payment, where: 'amount > 2.0', sliding: 10s, every: 5s}
values: {n: count(), total: sum(amount), top: 'percentile(amount, 0.9)'}
having: n >= N && total > N00.0
alert: {suppress: SUPPRESS}
timing: final
`, `
name: salted
key: card
window: {stream: [payment, challenge], tumbling: 8s, offset: 1s}
values: {n: count(), most: max(payment.amount), answers: distinct(challenge.result)}
having: n > N && most > 100.0
hot_keys: {salts: 2}
timing: final
`, `
name: visit
key: card
window: {stream: [payment, challenge], session: 3s}
values: {n: count(), total: sum(payment.amount)}
having: n > N
alert: {suppress: SUPPRESS}
timing: final
`, `
name: trouble
key: key
window: {stream: alerts, where: 'rule in ["failures", "velocity", "straight", "every"]', rolling: 20s}
values: {n: count(), rules: distinct(rule)}
having: n >= N || rules >= 2
timing: final
`, `
name: nobody-cared
key: key
within: 1Ns
pattern: alarm -> !care
steps:
  alarm: {stream: alerts, where: 'rule in ["trouble", "either", "visit", "unusual"]'}
  care: {stream: challenge, where: result == "passed", key: card}
timing: final
`, `
name: peak
key: card
window: {stream: payment, rolling: 10s}
values: {n: count(), most: max(amount)}
having: n >= N && most > N80.0
limits: {window_events: 6}
alert: {suppress: SUPPRESS}
timing: TIMING
`}

// earlyBelow are rules that have often something to tell those on alerts.
var earlyBelow = []int{1, 14}

// isAbove reports whether a rule reads alerts.
func isAbove(rule string) bool { return rule == "trouble" || rule == "nobody-cared" }

// isEarly reports whether a rule may be early.
func isEarly(rule string) bool {
	return slices.ContainsFunc(earlyRules, func(text string) bool {
		return strings.HasPrefix(text, "\nname: "+rule+"\n") && strings.Contains(text, "timing: TIMING")
	})
}

// earlyName returns the name of a rule.
func earlyName(rule int) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(earlyRules[rule], "\nname: "), "\n")
	return name
}

const earlyStreams = paymentText + `---
apiVersion: caltrop/v1
kind: Stream
name: challenge
source: {topic: challenges}
time: {field: ts, unit: ms}
id: event_id
partition_key: card
lateness: 3s
fields: {card: string, result: string}
---
apiVersion: caltrop/v1
kind: Profile
name: usual
key: card
stream: payment
where: status == "approved"
pane: 4s
keep: 12s
values: {n: count(), mean: avg(amount), last: max(time), shops: set(shop)}
limits: {set: 2}
`

const riskyList = `
apiVersion: caltrop/v1
kind: List
name: risky
entries: [%s]
`

var riskyShops = []string{"s0, s1", "s1", "s2, s3"}

// finalRevision of each rule is final in every library: a rule may go from one
// timing to the other.
const finalRevision = 3

// earlyText returns the document of a rule. suppress is a duration, "" for none.
func earlyText(rule, revision int, timing, suppress string) string {
	if revision == finalRevision {
		timing = "final"
	}
	text := earlyRules[rule]
	if suppress == "" {
		text = strings.NewReplacer("alert: {suppress: SUPPRESS}\n", "", ", suppress: SUPPRESS", "").Replace(text)
	}
	text = strings.NewReplacer("N", fmt.Sprint(revision+1), "TIMING", timing, "SUPPRESS", suppress).Replace(text)
	return "\napiVersion: caltrop/v1\nkind: Rule" + text
}

// NewEarlyLibrary returns the rules of the simulation of early alerts in three
// revisions, and a list in three versions.
func NewEarlyLibrary(timing, suppress string) (*Library, error) {
	lib, err := NewLibrary(earlyStreams)
	if err != nil {
		return nil, err
	}
	for v, shops := range riskyShops {
		if err := lib.AddList(v+1, fmt.Sprintf(riskyList, shops)); err != nil {
			return nil, err
		}
	}
	for rev := 1; rev <= revisions; rev++ {
		for i := range earlyRules {
			if err := lib.Add(rev, earlyText(i, rev, timing, suppress)); err != nil {
				return nil, err
			}
		}
	}
	return lib, nil
}
