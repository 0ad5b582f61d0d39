package syntax

import "fmt"

func (r *reader) silence(o *object, m Meta) *Silence {
	d := &Silence{Meta: m}
	match := o.need("match", "say which alerts: match: {rule: card-testing}")
	d.Match = r.matcher(match)
	if match != nil && d.Match == (Matcher{}) {
		match.refuse("a silence without a condition would mute every alert", "give at least one of rule, key, severity, tag")
	}
	d.Reason = o.need("reason", "say why the alerts are muted").str()
	if d.Owner == "" && o.get("owner") == nil {
		o.need("owner", "say who answers for it")
	}
	until := o.need("until", "a silence must end: until: 2026-01-31T18:00:00Z")
	d.Until = until.instant()
	d.From = o.get("from").instant()
	if !d.Until.IsZero() && !d.From.Before(d.Until) {
		until.refuse("`until` is not after `from`", "the silence would never hold")
	}
	return d
}

func (r *reader) matcher(v *value) Matcher {
	o := v.object("`match`")
	if o == nil {
		return Matcher{}
	}
	m := Matcher{Rule: o.get("rule").str(), Key: o.get("key").anyText(), Tag: o.get("tag").str()}
	m.Severity = o.get("severity").word("", "info", "low", "medium", "high", "critical")
	o.done()
	return m
}

// anyText reads any single value as the text it is written with.
func (v *value) anyText() string {
	if v == nil {
		return ""
	}
	if !v.scalar() {
		v.wrong("a single value", fmt.Sprintf("write it as %s: value", v.key))
		return ""
	}
	return v.node.Value
}
