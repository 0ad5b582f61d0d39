package prog_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/cep/syntax"
)

const streams = `
apiVersion: caltrop/v1
kind: Stream
name: payment
source: {topic: payments}
time: {field: ts, unit: ms}
partition_key: card_id
fields: {card_id: string, amount: decimal(2), status: string, device: {type: string, optional: true}}
---
apiVersion: caltrop/v1
kind: Stream
name: transfer
source: {topic: transfers}
time: {field: ts, unit: ms}
fields: {payer: string, payee: string, amount: double, n: int}
---
`

// TestPrograms compiles rules and prints the program or the problems. Each
// script line stands for a rule's body; the header is the same for all.
func TestPrograms(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "compile":
				return compile(d.Input)
			case "timing":
				return timing(d.Input)
			}
			d.Fatalf(t, "unknown command %q", d.Cmd)
			return ""
		})
	})
}

func load(body string) (*prog.Rule, []syntax.Problem) {
	text := streams + "apiVersion: caltrop/v1\nkind: Rule\nname: r\n" + body
	file, problems := syntax.Parse("r.yaml", []byte(text))
	if len(problems) > 0 {
		return nil, problems
	}
	env := &prog.Env{Streams: map[string]*syntax.Stream{}, Schemas: map[string]*event.Schema{}}
	var rule *syntax.Rule
	for _, doc := range file.Documents {
		switch d := doc.(type) {
		case *syntax.Stream:
			env.Streams[d.Name], env.Schemas[d.Name] = d, d.Schema()
		case *syntax.Rule:
			rule = d
		}
	}
	return prog.Compile(rule, env)
}

func compile(body string) string {
	r, problems := load(body)
	if r != nil && len(problems) == 0 {
		return r.Dump()
	}
	var b strings.Builder
	head := strings.Count(streams, "\n") + 3
	for _, p := range problems {
		fmt.Fprintf(&b, "%d:%d %s: %s\n", p.Line-head, p.Col, p.Pointer, p.Detail)
		if p.Hint != "" {
			fmt.Fprintf(&b, "  hint: %s\n", p.Hint)
		}
	}
	return b.String()
}

func timing(body string) string {
	r, problems := load(body)
	if r == nil {
		return fmt.Sprint(problems)
	}
	why := "one run per state"
	if r.Pattern != nil && r.Pattern.Stateful {
		why = "explicit runs: " + r.Pattern.Why
	}
	return fmt.Sprintf("%s: %s\n%s\n", r.DefaultTiming, r.TimingBy, why)
}
