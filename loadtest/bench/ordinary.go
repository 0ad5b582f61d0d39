package bench

// ordinarySuites are rules as analysts write them every day, one of each kind: none
// may be slow. They have the timing that the language gives them.
func ordinarySuites() []Suite {
	window := func(name, over, values, having string) Suite {
		return suite("ordinary/"+name, "apiVersion: caltrop/v1\nkind: Rule\nname: "+name+"\nkey: card_id\nlimits: {window_events: 100000}\n"+
			"window: {stream: payment, "+over+"}\nvalues: {"+values+"}\nhaving: "+having+"\n---\n", dense(1000))
	}
	pattern := func(name, pattern, more string, steps ...string) Suite {
		return suite("ordinary/"+name, rule(name, "5m", pattern, more, steps...), dense(1000)).judged(fewPrefix)
	}
	declined := step("declined", "payment", `status == "declined"`)
	large := step("large", "payment", "amount > 500")
	return []Suite{
		window("count", "rolling: 5m", "n: count()", "n >= 335"),
		window("sum", "rolling: 5m", "total: sum(amount)", "total > 68000"),
		window("distinct", "rolling: 5m", "shops: distinct(merchant_id)", "shops >= 240"),
		window("deviation", "rolling: 5m", "n: count(), spread: stddev(amount)", "n > 200 && spread > 210.0"),
		window("percentile", "rolling: 5m", "n: count(), most: 'percentile(amount, 0.95)'", "n > 200 && most > 400"),
		window("share", "rolling: 5m", `n: count(), bad: 'count(status == "declined")'`, "n > 200 && bad * 7 > n"),
		window("tumbling", "tumbling: 5m", "n: count(), total: sum(amount)", "n >= 345 && total > 1000"),
		window("sliding", "sliding: 5m, every: 1m", "n: count(), total: sum(amount)", "n >= 345 && total > 1000"),
		window("session", "session: 4s", "n: count(), total: sum(amount)", "n >= 400 && total > 1000"),
		pattern("then", "declined -> large", first, declined, large),
		pattern("same-shop", "declined -> again", first, declined, step("again", "payment", "merchant_id == declined.merchant_id && amount > declined.amount")),
		pattern("rising", "a -> b -> c", first, step("a", "payment", "amount < 50"), step("b", "payment", "amount > a.amount * 3"), step("c", "payment", "amount > b.amount * 3")),
		pattern("without", "declined -> !large -> again", first, declined, large, step("again", "payment", `status == "declined" && amount < 2`)),
		pattern("both", "declined & large", first, declined, large),
		pattern("every-pair", "declined -> large", all, declined, large),
	}
}
