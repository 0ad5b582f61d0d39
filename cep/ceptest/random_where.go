package ceptest

import "fmt"

func (w *writer) current(name string) string {
	switch w.rng.IntN(12) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("v >= %d", w.rng.IntN(4))
	case 2:
		return `kind in ["` + name[:1] + `", "` + w.pick("a", "b", "c") + `"]`
	case 3:
		return `kind != "` + name[:1] + `"`
	case 4:
		return fmt.Sprintf(`(kind == "%s" || v > 2)`, name[:1])
	case 5:
		return fmt.Sprintf(`kind == "%s" && v < 3`, name[:1])
	}
	return `kind == "` + name[:1] + `"`
}

// ofOptional is a condition over the fields that an event may lack.
func (w *writer) ofOptional() string {
	return w.pick("u > 0", "has(u) && u == 1", "v > 3 || u == 0", "u in [0, 2]", "rate > 0.75", "rate in [0.5, 2.0, 3.5]", "rate * 2.0 == double(v)",
		"cost >= 0.2", "cost < 1", "cost in [0.1, 0.25, 2.5]", "cost + rate > 1.0", "!has(cost) || cost != 0.2", "v in [1, 3] && has(rate)", "10.0 / rate > 5.0",
		"cost == 0.1 || rate < 2")
}

// earlier is a condition over the events taken before.
func (w *writer) earlier(from []string, name string, loops bool) string {
	switch {
	case w.one(5):
		return w.pick("prev.v <= v", "seconds(time - prev.time) < 3.0", "prev.v != v", "v == prev.v + 1", `prev.kind != "a"`)
	case len(from) == 0:
		return ""
	}
	other := from[w.rng.IntN(len(from))]
	if other == name && !loops {
		return ""
	}
	if !w.many[other] && other != name {
		return w.pick("double(v) > "+other+".rate", "v in ["+other+".v, 3]", "double(v) >= "+other+".cost", "v >= "+other+".v", "v != "+other+".v", "kind == "+other+".kind", "v > "+other+".v", "seconds(time - "+other+".time) <= 3.0")
	}
	return w.list(other)
}

// list is a condition over a step's list of events.
func (w *writer) list(s string) string {
	n := w.rng.IntN(4)
	return w.pick(
		fmt.Sprintf("count(%s) >= %d", s, n),
		fmt.Sprintf("count(%s) < %d", s, n+1),
		fmt.Sprintf("sum(%s.v) + v < %d", s, 3+2*n),
		fmt.Sprintf("sum(%s.v) >= %d", s, n),
		"double(v) >= avg("+s+".v)", "v > max("+s+".v)", "v <= min("+s+".v)", "v != last("+s+".v)", "v >= first("+s+".v)",
		"has("+s+")", "!has("+s+") || v > 1", "seconds(time - first("+s+".time)) < 4.0",
		"distinct("+s+".v) < 3", "stddev("+s+".v) < 1.5", "sum("+s+".rate) < 2.5", "max("+s+".cost) > 0.1", "double(v) > avg("+s+".cost)", "v in "+s+".v")
}

// remembered is a condition of an event over a profile.
func (w *writer) remembered() string {
	n := w.rng.IntN(4)
	return w.pick(
		fmt.Sprintf("profile.p.n >= %d", n), fmt.Sprintf("profile.p.total < %d", 3*n), fmt.Sprintf("profile.p.small != %d", n),
		fmt.Sprintf("profile.q.n < %d", n), fmt.Sprintf("profile.q.half > %d", n), fmt.Sprintf("profile.p.sorts == %d", n),
		"v > profile.p.most", "!(v in profile.p.vs)", "kind in profile.p.kinds", "v in profile.q.vs", "has(profile.p.least)",
		"!has(profile.q.vs) || v != profile.q.last", "double(v) >= profile.p.mean", "profile.p.spread < 1.0", "v == profile.q.first",
		"seconds(time - profile.p.seen) > 1.0", "size(profile.p.kinds) == 2", "profile.p.vs.exists(x, x > v)", "profile.p.vs[0] == v")
}

// listed is a condition of an event over the lists.
func (w *writer) listed(stream string) string {
	if stream == "e" && w.one(4) {
		return w.pick("in_list(odd_ones, u)", "!in_list(odd_ones, u)", "(in_list(odd_ones, u) || v > 2)")
	}
	return w.pick("in_list(odd_ones, v)", "!in_list(odd_ones, v)", "in_list(ranks, kind)", "!in_list(ranks, kind)", "lookup(ranks, kind).dear",
		"lookup(ranks, kind).rank > v", "lookup(ranks, kind).share * 4.0 >= double(v)", `lookup(ranks, kind).name == "first"`,
		"(lookup(ranks, kind).rank == 3 || v == 0)")
}
