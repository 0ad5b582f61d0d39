package prog

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/syntax"
)

// AlertsStream is the stream that exists always: the final alerts of rules
// (language §1), so that rules can build on rules.
const AlertsStream = "alerts"

// Positions of what every alert has in the schema of AlertsStream. Measures
// follow.
const (
	AlertRule = iota
	AlertSeverity
	AlertScore
	AlertKey
)

// alertsLateness is how much longer than its rule's own watermark an alert
// takes to be final as an event.
const alertsLateness = time.Minute

var fixedFields = []syntax.FieldDecl{
	{Name: "rule", Type: "string"}, {Name: "severity", Type: "string"}, {Name: "score", Type: "int"}, {Name: "key", Type: "string"},
}

// AlertsDoc returns the declaration of AlertsStream with measures as optional
// fields: "NAME TYPE, NAME TYPE", as MeasureFields gives them.
func AlertsDoc(measures string) (*syntax.Stream, error) {
	d := &syntax.Stream{Meta: syntax.Meta{Kind: "Stream", Name: AlertsStream}, Format: "json", TimeField: []string{"at"}, TimeUnit: "rfc3339",
		ID: []string{"id"}, Lateness: alertsLateness, Idle: 10 * time.Second, MaxFuture: 5 * time.Minute, MaxBytes: event.DefaultMaxBytes}
	d.Fields = slices.Clone(fixedFields)
	if measures == "" {
		return d, nil
	}
	for _, part := range strings.Split(measures, ", ") {
		name, typ, ok := strings.Cut(part, " ")
		if !ok || typeOf(typ) == event.Invalid {
			return nil, fmt.Errorf("reading the measures of the stream alerts: %q is no field", part)
		}
		d.Fields = append(d.Fields, syntax.FieldDecl{Name: name, Type: typ, Path: []string{"measures", name}, Optional: true})
	}
	return d, nil
}

// MeasureFields lists the measures of rules as fields of AlertsStream, by
// name, for AlertsDoc. A measure that rules give different types is none;
// conflicts says which rules they are, by measure.
func MeasureFields(rules []*Rule) (fields string, conflicts map[string]string) {
	types, from := map[string]event.Type{}, map[string]string{}
	conflicts = map[string]string{}
	var names []string
	for _, r := range rules {
		for _, m := range r.Measures {
			switch was, ok := types[m.Name]; {
			case !fieldable(m):
			case !ok:
				types[m.Name], from[m.Name] = m.Expr.Type, r.Name
				names = append(names, m.Name)
			case was != m.Expr.Type && conflicts[m.Name] == "":
				conflicts[m.Name] = fmt.Sprintf("measure %s is %s in rule %s and %s in rule %s", m.Name, was, from[m.Name], m.Expr.Type, r.Name)
			}
		}
	}
	slices.Sort(names)
	var parts []string
	for _, n := range names {
		if conflicts[n] == "" {
			parts = append(parts, n+" "+types[n].String())
		}
	}
	return strings.Join(parts, ", "), conflicts
}

// fieldable reports whether a measure can be a field: not with the name of
// what every alert has or of a word of expressions, and not as a duration.
func fieldable(m Measure) bool {
	words := []string{"rule", "severity", "score", "key", "time", "prev", "profile"}
	return m.Expr != nil && m.Expr.Type != event.Duration && !slices.Contains(words, m.Name)
}

// Upstream tells whose alerts a rule reads. Alerts of other rules are no
// events to it, and neither are its own.
type Upstream struct {
	self   string
	probes []*expr.Probe // by use of AlertsStream
}

// UpstreamOf returns whose alerts a rule reads; nil when it does not read
// AlertsStream.
func UpstreamOf(doc *syntax.Rule) *Upstream {
	u := &Upstream{self: doc.Name}
	probe := func(where *syntax.Text) {
		p := &expr.Probe{}
		if where != nil {
			p = expr.NewProbe(where.Src, constantFields)
		}
		u.probes = append(u.probes, p)
	}
	for _, s := range doc.Steps {
		if s.Stream == AlertsStream {
			probe(s.Where)
		}
	}
	if w := doc.Window; w != nil {
		for _, s := range w.Streams {
			if s.Name == AlertsStream {
				probe(w.Where[AlertsStream])
			}
		}
	}
	if len(u.probes) == 0 {
		return nil
	}
	return u
}

// constantFields are those that all alerts of a rule have alike.
var constantFields = event.NewSchema(AlertsStream, []event.Field{
	{Name: "rule", Type: event.String}, {Name: "severity", Type: event.String}, {Name: "score", Type: event.Int}})

// Reads reports whether some alert of another rule can be an event of this one.
func (u *Upstream) Reads(other *syntax.Rule) bool {
	return u.Takes(&event.Event{Schema: constantFields,
		Values: []event.Value{event.StringOf(other.Name), event.StringOf(other.Severity), event.IntOf(int64(other.Score))}})
}

// ReadsItself reports whether the rule asks for its own alerts by its name.
func (u *Upstream) ReadsItself(doc *syntax.Rule) bool {
	as := *u
	as.self = ""
	return as.Reads(doc) && slices.ContainsFunc(u.probes, func(p *expr.Probe) bool { return p.Names(doc.Name) })
}

// Takes reports whether an alert, an event of AlertsStream, is one of a rule
// that this one reads.
func (u *Upstream) Takes(alert *event.Event) bool {
	if rule := alert.Values[AlertRule]; rule.Present() && rule.Str() == u.self {
		return false
	}
	return slices.ContainsFunc(u.probes, func(p *expr.Probe) bool { return !p.Excludes(alert) })
}
