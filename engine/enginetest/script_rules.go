package enginetest

import "slices"

// historyText is the profile that rules of the scripts read.
const historyText = `---
apiVersion: caltrop/v1
kind: Profile
name: habits
key: card
stream: payment
where: status == "approved"
pane: 10s
keep: 40s
values: {n: count(), mean: avg(amount), shops: set(shop), seen: max(time)}
limits: {set: 3}
`

// closedTexts are templates of windows that are evaluated at their end, and of
// rules that read a profile.
var closedTexts = []string{`
apiVersion: caltrop/v1
kind: Rule
name: declines
key: card
window: {stream: payment, tumbling: 12s, offset: 3s}
values: {n: count(), bad: count(status == "declined"), spread: stddev(amount), top: 'percentile(amount, 0.75)'}
having: bad >= %[1]d && n < 30
alert: {measures: {n: n, bad: bad, spread: spread, top: top}}
`, `
apiVersion: caltrop/v1
kind: Rule
name: busy
key: card
window: {stream: [payment, challenge], where: {payment: amount < 400.0}, sliding: 15s, every: 5s}
values: {n: count(), paid: sum(payment.amount), failed: 'count(challenge.result == "failed")', shops: distinct(payment.shop)}
having: failed >= 1 && n > %[1]d
alert: {measures: {n: n, paid: paid, shops: shops}, suppress: 8s}
`, `
apiVersion: caltrop/v1
kind: Rule
name: sitting
key: card
window: {stream: [payment, challenge], session: %[1]ds}
values: {n: count(), first: first(payment.amount), last: last(challenge.result)}
having: n >= 3
alert: {measures: {n: n, first: first, last: last}}
`, `
apiVersion: caltrop/v1
kind: Rule
name: shop-load
key: shop
window: {stream: payment, keys: {payment: shop}, sliding: 20s, every: 10s}
values: {n: count(), total: sum(amount), cards: distinct(card), first: first(amount), last: last(amount)}
having: n > %[1]d
hot_keys: {salts: %[1]d}
alert: {measures: {n: n, total: total, cards: cards, first: first, last: last}}
`, `
apiVersion: caltrop/v1
kind: Rule
name: unusual
key: card
within: 30s
pattern: fail -> big
steps:
  fail: {stream: payment, where: status == "declined" && profile.habits.n >= %[1]d}
  big: {stream: payment, where: amount > 2.0 * profile.habits.mean && !(shop in profile.habits.shops)}
alert: {measures: {mean: profile.habits.mean}}
`, `
apiVersion: caltrop/v1
kind: Rule
name: outburst
key: card
window: {stream: payment, rolling: 9s}
values: {n: count(), total: sum(amount)}
having: n >= %[1]d && total > 3.0 * profile.habits.mean
alert: {measures: {total: total, seen: profile.habits.seen}}
`}

var closedNames = []string{"declines", "busy", "sitting", "shop-load", "unusual", "outburst"}

// streamRules are the templates of all rules on streams, and their names.
func streamRules() (texts, names []string) {
	return slices.Concat(ruleTexts, closedTexts), slices.Concat(ruleNames, closedNames)
}
