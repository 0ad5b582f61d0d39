package alert

import "slices"

// A Query asks a history for alerts whose event time At is in [From, To). The
// zero parts do not restrict.
type Query struct {
	// Rules are the rules to look at. At least one is given unless Key is: a
	// history may be partitioned by rule and by key, and by nothing else.
	Rules  []string
	Key    string // the text of the key: the Kafka key of the alert's record
	Status Status // of the newest version
	From   int64  // µs, included
	To     int64  // µs, excluded
	After  string // the Next of the page before; "" asks for the first page
	Limit  int    // alerts in the page, at least 1
}

// trialMark begins the name of a rule, and the text of a key, under which a history has the
// alerts of rules on trial: they lie beside those that are live, and not among them.
const trialMark = "\x00shadow "

// Places are the name of the rule and the text of the key under which a history has
// the alert.
func (a *Alert) Places() (rule, key string) {
	if a.Mode == "shadow" {
		return trialMark + a.Rule, trialMark + a.KeyText()
	}
	return a.Rule, a.KeyText()
}

// OnTrial lets a query be for the alerts of rules on trial.
func (q *Query) OnTrial() {
	q.Rules = slices.Clone(q.Rules)
	for i := range q.Rules {
		q.Rules[i] = trialMark + q.Rules[i]
	}
	if q.Key != "" {
		q.Key = trialMark + q.Key
	}
}

// A Page is a part of the answer to a Query: the newest version of each alert
// as the JSON object of language §7, in order of At, newest first, then ID.
// Next asks for the next page; "" when there is none. A page may be shorter
// than the limit, even empty, and yet have a Next.
type Page struct {
	Alerts [][]byte
	Next   string
}
