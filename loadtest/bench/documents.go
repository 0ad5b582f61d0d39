package bench

import (
	"cmp"
	"fmt"
	"strings"
)

// streams is how a suite declares the streams of the traffic.
type streams struct {
	ids      bool   // else the id of an event is its place, and repeats are not looked for
	lateness string // "" means 0s
	more     string // fields besides the four that all suites read
}

// Further fields.
const places = "  lat: double\n  lon: double\n"

func owns() string {
	var b strings.Builder
	for i := range fields {
		fmt.Fprintf(&b, "  f%d: {type: string, optional: true}\n", i)
	}
	return b.String()
}

func (s streams) text() string {
	id, lateness := "", cmp.Or(s.lateness, "0s")
	if s.ids {
		id = "id: event_id\n"
	}
	var b strings.Builder
	for _, name := range []string{"payment", "login", "transfer"} {
		fmt.Fprintf(&b, `apiVersion: caltrop/v1
kind: Stream
name: %s
source: {topic: %ss}
time: {field: ts, unit: us}
%spartition_key: card_id
lateness: %s
fields:
  card_id: string
  amount: decimal(2)
  status: string
  merchant_id: string
%s---
`, name, name, id, lateness, s.more)
	}
	return b.String()
}

// A shape writes the conditions of rule i of several.
type shape func(i int) (probe, hit string)

const (
	probeWhere = `amount < 5 && status == "declined"`
	hitWhere   = `amount > 500`
)

// constants: all rules alike but for their numbers.
func constants(i int) (probe, hit string) {
	return fmt.Sprintf(`amount < %.3f && status == "declined"`, 5-0.001*float64(i)), fmt.Sprintf("amount > %.1f", 500+0.5*float64(i))
}

// disjoint: each rule asks for its own value of one of the fields.
func disjoint(i int) (probe, hit string) {
	own := fmt.Sprintf(`f%d == "v%d"`, i%fields, i/fields%10)
	return own + " && " + probeWhere, own + " && " + hitWhere
}

// tenth: nine rules of ten ask for what never comes.
func tenth(i int) (probe, hit string) {
	if i%10 == 0 {
		return constants(i)
	}
	return fmt.Sprintf(`amount < 5 && status == "blocked%d"`, i), fmt.Sprintf(`amount > 500 && status == "blocked%d"`, i)
}

// sequences are n rules of three probes and one large payment.
func sequences(n int, s shape, emit string) string {
	var b strings.Builder
	for i := range n {
		probe, hit := s(i)
		b.WriteString(rule(fmt.Sprintf("sequence-%d", i), "10m", "probe{3} -> hit", emit, step("probe", "payment", probe), step("hit", "payment", hit)))
	}
	return b.String()
}

const (
	first = "emit: first"
	all   = "emit: all\nafter_match: no_skip\nlimits: {matches_per_event: 100000, runs_per_key: 100000}"
)

func rule(name, within, pattern, more string, steps ...string) string {
	return fmt.Sprintf("apiVersion: caltrop/v1\nkind: Rule\nname: %s\nkey: card_id\nwithin: %s\npattern: %s\nsteps:\n%s%s\n---\n",
		name, within, pattern, strings.Join(steps, ""), more)
}

func step(name, stream, where string) string {
	return fmt.Sprintf("  %s: {stream: %s, where: '%s'}\n", name, stream, where)
}

func velocity(window string) string {
	return "apiVersion: caltrop/v1\nkind: Rule\nname: velocity\nkey: card_id\nlimits: {window_events: 100000}\nwindow: {stream: payment, rolling: " + window + "}\n" +
		"values: {n: count(), total: sum(amount), most: max(amount)}\nhaving: n >= 10 && total > 5000 && most > 1990\n---\n"
}
