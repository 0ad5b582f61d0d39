package main

import (
	"strings"
	"testing"

	"github.com/caltrop/caltrop/rules"
)

func TestAdviceOnHotKeysFollowsTheRules(t *testing.T) {
	const text = `apiVersion: caltrop/v1
kind: Stream
name: payment
source: {topic: payments}
time: {field: ts, unit: ms}
partition_key: card_id
fields: {card_id: string, amount: double}
---
apiVersion: caltrop/v1
kind: Rule
name: sequence
key: card_id
within: 5m
pattern: a{3}
steps: {a: {stream: payment}}
---
apiVersion: caltrop/v1
kind: Rule
name: per-minute
key: card_id
window: {stream: payment, tumbling: 1m}
values: {n: count()}
having: n > 10
---
apiVersion: caltrop/v1
kind: Rule
name: spread
key: card_id
window: {stream: payment, tumbling: 1m}
values: {n: count()}
having: n > 10
hot_keys: {salts: 4}
`
	set, problems, err := rules.Load(writeConfig(t, text))
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	for key, want := range map[string][]string{
		"c1":      {"hot_keys: {salts: 8} in per-minute", "leave the key out of sequence", "spread have salts already"},
		"Unknown": {"placeholder"},
	} {
		got := hotAdvice(set, "payment", key)
		for _, part := range want {
			if !strings.Contains(got, part) {
				t.Errorf("advice on %s is %q, want %q in it", key, got, part)
			}
		}
	}
	if got := hotAdvice(set, "login", "c1"); got != "no live rule reads the stream" {
		t.Errorf("advice of a stream without rules is %q", got)
	}
}
