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
	stream, where, prefix := "e", pick("", "", ", where: v > 1", `, where: 'kind != "a"'`, ", where: u > 0", ", where: 'in_list(odd_ones, v)'",
		`, where: 'lookup(ranks, kind).rank > 0 || v == 4'`, ", where: profile.p.n > 1", `, where: '!(v in profile.q.vs)'`, ", where: rate > 0.75",
		", where: 'cost in [0.1, 0.25, 2.5]'", ", where: 'u in [0, 2] || rate < 1'", ", where: '!has(cost) || cost >= 0.2'"), ""
	switch rng.IntN(6) {
	case 0, 1:
		stream, where, prefix = "[e, f]", pick("", ", where: {e: v > 1}", ", where: {e: u > 0, f: v < 4}", ", where: {e: cost < 1}"), pick("e.", "f.")
	case 2:
		stream, where, prefix = "[e, t]", pick(", keys: {t: to}", "", ", keys: {t: to}, where: {t: 'in_list(odd_ones, v)'}"), pick("e.", "t.")
	case 3:
		stream, where, prefix = "[t, f, e]", pick("", ", keys: {t: to}"), pick("e.", "t.", "f.")
	}
	kind := pick("rolling: 3s", "rolling: 6s", "rolling: 20s", "rolling: 1s", "tumbling: 5s", "tumbling: 1s", "tumbling: 7s, offset: 3s",
		"tumbling: 4s, offset: 11s", "sliding: 6s, every: 2s", "sliding: 9s, every: 3s, offset: 1s", "sliding: 4s, every: 4s", "sliding: 3s, every: 1s, offset: 5s",
		"session: 1s", "session: 2s", "session: 4s")
	aggregate := func() string {
		f := prefix + "v"
		if prefix == "" || prefix == "e." {
			f = pick(prefix+"v", prefix+"u", prefix+"rate", prefix+"cost")
		}
		return strings.ReplaceAll(pick("count()", "count(F > 1)", "sum(F)", "avg(F)", "min(F)", "max(F)", "stddev(F)", "distinct(F)", "first(F)", "last(F)",
			"percentile(F, 0.5)", "percentile(F, 0.9)", "percentile(F, 0.25)", "sum(F) - min(F)", "max(F) - first(F)", "sum(F * F)", "avg(double(F) / 2.0)", "max(10 / F)",
			"first(Pkind)", "last(Pkind)", "distinct(Pkind)", "max(Ptime)", "min(Pkind)", "count(in_list(odd_ones, F))", "sum(lookup(ranks, Pkind).share)"), "F", f)
	}
	a, b := strings.ReplaceAll(aggregate(), "P", prefix), strings.ReplaceAll(aggregate(), "P", prefix)
	body := fmt.Sprintf("window: {stream: %s%s, %s}\nvalues: {n: count(), a: '%s', b: '%s'}\n", stream, where, kind, a, b)
	body += "having: '" + pick("n >= 2", "n >= 3", "n > 0 && double(a) >= 1.0", "double(a) > double(b)", "double(a) != double(b) || n == 1", "n >= 2 && count() < 5", "n != 2", "profile.q.n < n",
		"b == b", "n > 1 || a != b") + "'\n"
	summary := pick("", "", "summary: '{{a}} of {{n}} at {{time}}: {{b}}, {{double(n) / 3.0}}', ")
	body += "alert: {" + summary + "measures: {n: n, a: a, b: b}}\ntiming: final\n"
	if rng.IntN(4) == 0 {
		body += fmt.Sprintf("limits: {window_events: %d}\n", 1+rng.IntN(4))
	}
	if strings.HasPrefix(kind, "tumbling") || strings.HasPrefix(kind, "sliding") {
		body += pick("", "", "hot_keys: {salts: 3}\n")
	}
	return body
}
