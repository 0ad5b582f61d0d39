package backtest

import (
	"testing"

	"github.com/caltrop/caltrop/engine/state"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/rules"
)

const countedText = `apiVersion: caltrop/v1
kind: Stream
name: payment
source: {topic: payments}
time: {field: ts, unit: ms}
partition_key: card
fields: {card: string}
---
apiVersion: caltrop/v1
kind: Rule
name: both
key: card
within: 1m
pattern: a
steps: {a: {stream: payment}}
---
apiVersion: caltrop/v1
kind: View
name: both
key: card
window: {stream: payment, tumbling: 1m}
values: {n: count()}
to: [kafka]
---
apiVersion: caltrop/v1
kind: View
name: shown
key: card
window: {stream: payment, tumbling: 1m}
values: {n: count()}
to: [kafka]
`

// A report lists the rules that ran; views are none, nor is one of a rule's name
// counted as the rule.
func TestViewsAreNoRulesOfAReport(t *testing.T) {
	set, problems := rules.Check(nil, rules.Source{Name: "counted", Text: []byte(countedText)})
	if set == nil {
		t.Fatal(problems)
	}
	tk := task.New(task.Config{Sources: []task.Source{{Stream: "payment"}}, Resolver: set, State: state.NewMemory()})
	var eff task.Effects
	if err := tk.Apply(task.Entry{Kind: task.Switch, Set: set.Names()}, &eff); err != nil {
		t.Fatal(err)
	}
	if err := tk.Step(&task.Record{Value: []byte(`{"card":"c1","ts":1795219200000}`)}, &eff); err != nil {
		t.Fatal(err)
	}
	if err := tk.Close(&eff); err != nil {
		t.Fatal(err)
	}
	if counts := ruleCounts(tk); len(counts) != 1 || counts["both"].Events != 1 {
		t.Errorf("%+v", counts)
	}
}
