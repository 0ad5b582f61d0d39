package match_test

import (
	"bytes"
	"testing"

	"github.com/caltrop/caltrop/cep/match"
)

// coded are rules whose states hold all that a state can: runs by state, runs
// with bindings, counters, timers, leading absences, matches that wait.
var coded = []string{
	unary,
	"within: 60s\npattern: a{2,3}:strict -> !b -> c\nsteps:\n  a: {stream: e, where: v > 1}\n  b: {stream: e, where: kind == \"b\"}\n  c: {stream: e, where: v < avg(a.v)}\n",
	"within: 60s\npattern: a+ -> !b\nsteps:\n  a: {stream: e, where: kind == \"a\", gap: 9s}\n  b: {stream: e, where: kind == \"b\"}\nhaving: sum(a.v) > 3\n",
	"within: 60s\npattern: (a -> b)+ until c -> c\nsteps:\n  a: {stream: e, where: kind == \"a\"}\n  b: {stream: e, where: kind == \"b\" && v >= prev.v}\n  c: {stream: e, where: kind == \"c\"}\n",
	"within: 60s\npattern: '!c -> a -> b'\nsteps:\n  c: {stream: e, where: kind == \"c\", gap: 20s}\n  a: {stream: e, where: kind == \"a\"}\n  b: {stream: e, where: kind == \"b\"}\n",
	"within: 60s\nemit: all\nlimits: {matches_per_event: 4, runs_per_key: 4, evidence: 8}\npattern: a ->> b\nsteps:\n  a: {stream: e, where: kind == \"a\"}\n  b: {stream: e, where: v > a.v}\n",
}

// FuzzState plays events made of the input: an evaluator that reads each state
// from bytes for the first time gives what one that wrote it gives, alerts and
// bytes.
func FuzzState(f *testing.F) {
	f.Add(uint8(0), []byte("\x01a1\x01a2\x01b3"))
	f.Add(uint8(1), []byte("\x01a5\x01a6\x02c1\x01a7\x01a8\x01b2\x01c1"))
	f.Add(uint8(2), []byte("\x01a5\x03a6\x20b1\x01a7"))
	f.Add(uint8(3), []byte("\x01a1\x01b2\x01a3\x01b4\x01c5"))
	f.Add(uint8(4), []byte("\x30a1\x01b2\x01c3\x01a4\x30a1\x01b2"))
	f.Add(uint8(5), []byte("\x01a1\x01a2\x01a3\x01a4\x01a5\x01b3\x01b9"))
	f.Fuzz(func(t *testing.T, which uint8, script []byte) {
		const eventsMax = 60
		body := coded[int(which)%len(coded)]
		kept, fresh := newRig(t, body), newRig(t, body)
		second := int64(1_700_000_000)
		for i := 0; i+2 < len(script) && i < 3*eventsMax; i += 3 {
			second += int64(script[i] % 64)
			kind, v := string('a'+rune(script[i+1]%4)), float64(script[i+2]%16)
			fresh.eval = match.New(fresh.rule)
			a, b := kept.feed(second, kind, v), fresh.feed(second, kind, v)
			if a != b || !bytes.Equal(kept.states["k1"], fresh.states["k1"]) || kept.timers["k1"] != fresh.timers["k1"] {
				t.Fatalf("%s\nafter %d events %q and %q\n%x\n%x", body, i/3+1, a, b, kept.states["k1"], fresh.states["k1"])
			}
		}
	})
}
