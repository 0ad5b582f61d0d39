package ceptest

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// RandomWindow writes the body of a random window rule over the streams of
// drafts.
func RandomWindow(rng *rand.Rand) string {
	pick := func(from ...string) string { return from[rng.IntN(len(from))] }
	stream, where, prefix := "e", pick("", "", ", where: v > 1", `, where: 'kind != "a"'`, ", where: u > 0"), ""
	if rng.IntN(3) == 0 {
		stream, where, prefix = "[e, f]", pick("", ", where: {e: v > 1}", ", where: {e: u > 0, f: v < 4}"), pick("e.", "f.")
	}
	kind := pick("rolling: 3s", "rolling: 6s", "rolling: 20s", "tumbling: 5s", "tumbling: 7s, offset: 3s", "sliding: 6s, every: 2s",
		"sliding: 9s, every: 3s, offset: 1s", "session: 2s", "session: 4s")
	aggregate := func() string {
		f := prefix + "v"
		if prefix != "f." {
			f = pick(prefix+"v", prefix+"u")
		}
		return strings.ReplaceAll(pick("count()", "count(F > 1)", "sum(F)", "avg(F)", "min(F)", "max(F)", "stddev(F)", "distinct(F)", "first(F)", "last(F)",
			"percentile(F, 0.5)", "percentile(F, 0.9)", "sum(F) - min(F)", "max(F) - first(F)"), "F", f)
	}
	a, b := aggregate(), aggregate()
	body := fmt.Sprintf("window: {stream: %s%s, %s}\nvalues: {n: count(), a: '%s', b: '%s'}\n", stream, where, kind, a, b)
	body += "having: '" + pick("n >= 2", "n >= 3", "n > 0 && double(a) >= 1.0", "double(a) > double(b)", "double(a) != double(b) || n == 1", "n >= 2 && count() < 5") + "'\n"
	body += "alert: {measures: {n: n, a: a, b: b}}\ntiming: final\n"
	if rng.IntN(4) == 0 {
		body += fmt.Sprintf("limits: {window_events: %d}\n", 1+rng.IntN(4))
	}
	if strings.HasPrefix(kind, "tumbling") || strings.HasPrefix(kind, "sliding") {
		body += pick("", "", "hot_keys: {salts: 3}\n")
	}
	return body
}
