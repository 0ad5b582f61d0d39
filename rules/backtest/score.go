// Package backtest says what rules would have caught in a history: their
// alerts a day and, where the history's incidents are labelled, recall and
// precision with every miss and false alert. It compares; running the rules is
// its caller's.
package backtest

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"github.com/caltrop/caltrop/engine/backtest"
	"github.com/caltrop/caltrop/sinks/alert"
)

// A Report is the outcome for all rules.
type Report struct {
	Labelled bool   `json:"labelled"` // recall and precision were asked for
	Rules    []Rule `json:"rules"`    // by name
	// Unwatched are the scenarios of the labels that no rule is named after.
	Unwatched []Unwatched `json:"unwatched,omitempty"`
	// Strange are the labels of which the input held no event; 0 without Options.Read.
	Strange int `json:"labels_of_no_event,omitempty"`
	// Inputs are what was read of source topics; none of a file.
	Inputs []backtest.Input `json:"inputs,omitempty"`
	// Live is the comparison with what a live job wrote; nil: there was none.
	Live *backtest.Comparison `json:"live,omitempty"`
}

// A Rule is the outcome for one rule. Its own scenario is the one of its name.
type Rule struct {
	Name   string `json:"rule"`
	Alerts int    `json:"alerts"` // raised and not retracted
	Days   []Day  `json:"days"`   // in order, those with alerts
	// Retracted are alerts that were raised and then taken back.
	Retracted  int    `json:"retracted"`
	Suppressed uint64 `json:"suppressed"` // matches that raised no alert of their own
	// Examples are the first alerts, whole.
	Examples []json.RawMessage `json:"examples,omitempty"` // at most Options.Examples

	Incidents int      `json:"incidents"` // of its own scenario
	Caught    int      `json:"caught"`    // of them, those that an alert proves
	Recall    *float64 `json:"recall,omitempty"`
	Proven    int      `json:"proven"` // alerts that hold an event of any incident
	Precision *float64 `json:"precision,omitempty"`
	// Scenarios are its own and every other one of which it caught an incident.
	Scenarios []Scenario `json:"scenarios,omitempty"`

	Misses     []Miss  `json:"misses,omitempty"` // at most Options.Listed
	MissesMore int     `json:"misses_more,omitempty"`
	False      []False `json:"false_alerts,omitempty"` // at most Options.Listed
	FalseMore  int     `json:"false_alerts_more,omitempty"`
}

// A Day is a day of event time, UTC, with its number of alerts.
type Day struct {
	Day    string `json:"day"`
	Alerts int    `json:"alerts"`
}

// A Scenario is what one rule made of one scenario.
type Scenario struct {
	Name      string   `json:"scenario"`
	Incidents int      `json:"incidents"`
	Caught    int      `json:"caught"`
	Recall    float64  `json:"recall"`
	Alerts    int      `json:"alerts"` // that hold an event of such an incident
	Precision *float64 `json:"precision,omitempty"`
}

// A Miss is an incident of the rule's own scenario that no alert proves.
type Miss struct {
	Label
	Near int `json:"near"` // alerts of the rule for that key, of other events
}

// A False alert holds no event of any incident.
type False struct {
	ID     string   `json:"id"`
	Key    string   `json:"key"`
	At     string   `json:"at"`
	Events []string `json:"event_ids"` // at most evidenceListed
	More   int      `json:"event_ids_more,omitempty"`
}

// An Unwatched scenario has no rule of its name.
type Unwatched struct {
	Scenario  string `json:"scenario"`
	Incidents int    `json:"incidents"`
}

// Options say how much a report lists.
type Options struct {
	Listed   int // misses, and false alerts, of a rule; 0 means none
	Examples int // alerts of a rule that are shown whole; 0 means none
	// Suppressed are the matches of each rule that were suppressed.
	Suppressed map[string]uint64
	// Read reports whether the input held an event; nil: it is not known.
	Read func(id string) bool
}

// evidenceListed is how many events of a false alert are named.
const evidenceListed = 4

// Score compares the alerts of a run with the labels of its events. rules are
// the names of all rules that ran, in order; alerts hold every version, in any
// order; nil labels ask for alerts a day alone. An incident is caught by a rule
// if the evidence of one of its alerts holds one of the incident's events; of
// evidence that is an alert itself, that one's evidence counts.
func Score(rules []string, alerts []alert.Alert, labels []Label, o Options) *Report {
	s := scorer{opts: o, labels: labels, of: map[string][]int{}, total: map[string]int{}}
	for i := range labels {
		s.total[labels[i].Scenario]++
		for _, id := range labels[i].Events {
			s.of[id] = append(s.of[id], i)
		}
	}
	s.alerts = map[string]*alert.Alert{}
	byRule := map[string][]*alert.Alert{}
	kept, retracted := standing(alerts)
	for _, a := range kept {
		s.alerts[a.ID.String()] = a
		byRule[a.Rule] = append(byRule[a.Rule], a)
	}
	r := &Report{Labelled: labels != nil}
	for i := range labels {
		if o.Read != nil && !slices.ContainsFunc(labels[i].Events, o.Read) {
			r.Strange++
		}
	}
	for _, name := range rules {
		rule := s.rule(name, byRule[name])
		rule.Retracted = retracted[name]
		r.Rules = append(r.Rules, rule)
	}
	for name, n := range s.total {
		if !slices.Contains(rules, name) {
			r.Unwatched = append(r.Unwatched, Unwatched{name, n})
		}
	}
	slices.SortFunc(r.Unwatched, func(a, b Unwatched) int { return cmp.Compare(a.Scenario, b.Scenario) })
	return r
}

// standing returns the last version of each alert, without those retracted, in
// the order of time, and how many were retracted, by rule.
func standing(alerts []alert.Alert) (kept []*alert.Alert, retracted map[string]int) {
	last := map[alert.ID]*alert.Alert{}
	for i := range alerts {
		a := &alerts[i]
		if was := last[a.ID]; was == nil || a.Version > was.Version {
			last[a.ID] = a
		}
	}
	retracted = map[string]int{}
	for i := range alerts {
		switch a := &alerts[i]; {
		case last[a.ID] != a:
		case a.Status == alert.Retracted:
			retracted[a.Rule]++
		default:
			kept = append(kept, a)
		}
	}
	slices.SortStableFunc(kept, func(a, b *alert.Alert) int { return cmp.Compare(a.At, b.At) })
	return kept, retracted
}

// A scorer holds the labels, found by event.
type scorer struct {
	opts   Options
	labels []Label
	of     map[string][]int        // labels by event id
	total  map[string]int          // incidents by scenario
	alerts map[string]*alert.Alert // by id, which is the id of the alert as an event
}

func (s *scorer) rule(name string, alerts []*alert.Alert) Rule {
	r := Rule{Name: name, Alerts: len(alerts), Days: days(alerts), Incidents: s.total[name], Suppressed: s.opts.Suppressed[name]}
	for _, a := range alerts[:min(len(alerts), s.opts.Examples)] {
		r.Examples = append(r.Examples, a.AppendJSON(nil))
	}
	if s.labels == nil {
		return r
	}
	caught := map[int]bool{}
	proving := map[string]int{} // alerts by scenario
	keys := map[string]int{}    // alerts by key
	for _, a := range alerts {
		keys[a.KeyText()]++
		found := s.incidents(a)
		for i := range found {
			caught[i] = true
		}
		for scenario := range s.scenarios(found) {
			proving[scenario]++
		}
		if len(found) > 0 {
			r.Proven++
		} else if len(r.False) < s.opts.Listed {
			r.False = append(r.False, falseAlert(a))
		} else {
			r.FalseMore++
		}
	}
	s.misses(&r, caught, keys)
	s.compare(&r, caught, proving)
	return r
}

// incidents are the labels of which the alert's evidence holds an event.
func (s *scorer) incidents(a *alert.Alert) map[int]bool {
	found := map[int]bool{}
	s.gather(a, found)
	return found
}

// gather adds the incidents of an alert. Rules do not read each other in a
// circle, so it ends.
func (s *scorer) gather(a *alert.Alert, found map[int]bool) {
	for _, step := range a.Evidence {
		for _, e := range step.Events {
			for _, i := range s.of[e.ID] {
				found[i] = true
			}
			if below := s.alerts[e.ID]; below != nil {
				s.gather(below, found)
			}
		}
	}
}

func (s *scorer) scenarios(found map[int]bool) map[string]bool {
	names := map[string]bool{}
	for i := range found {
		names[s.labels[i].Scenario] = true
	}
	return names
}

func (s *scorer) misses(r *Rule, caught map[int]bool, keys map[string]int) {
	for i := range s.labels {
		switch l := &s.labels[i]; {
		case l.Scenario != r.Name || caught[i]:
		case len(r.Misses) < s.opts.Listed:
			r.Misses = append(r.Misses, Miss{Label: *l, Near: keys[l.Key]})
		default:
			r.MissesMore++
		}
	}
}

func (s *scorer) compare(r *Rule, caught map[int]bool, proving map[string]int) {
	count := map[string]int{}
	for i := range caught {
		count[s.labels[i].Scenario]++
	}
	r.Caught = count[r.Name]
	if r.Incidents > 0 {
		r.Recall = share(r.Caught, r.Incidents)
	}
	if r.Alerts > 0 {
		r.Precision = share(r.Proven, r.Alerts)
	}
	for name, n := range s.total {
		if count[name] == 0 && name != r.Name {
			continue
		}
		sc := Scenario{Name: name, Incidents: n, Caught: count[name], Recall: *share(count[name], n), Alerts: proving[name]}
		if r.Alerts > 0 {
			sc.Precision = share(sc.Alerts, r.Alerts)
		}
		r.Scenarios = append(r.Scenarios, sc)
	}
	slices.SortFunc(r.Scenarios, func(a, b Scenario) int {
		if own := (a.Name == r.Name); own != (b.Name == r.Name) {
			return map[bool]int{true: -1, false: 1}[own]
		}
		return cmp.Compare(a.Name, b.Name)
	})
}

func share(part, whole int) *float64 {
	v := float64(part) / float64(whole)
	return &v
}

func days(alerts []*alert.Alert) []Day {
	out := []Day{}
	for _, a := range alerts {
		day := instant(a).Format(time.DateOnly)
		if n := len(out); n > 0 && out[n-1].Day == day {
			out[n-1].Alerts++
			continue
		}
		out = append(out, Day{day, 1})
	}
	return out
}

func instant(a *alert.Alert) time.Time { return time.UnixMicro(a.At).UTC() }

func falseAlert(a *alert.Alert) False {
	f := False{ID: a.ID.String(), Key: a.KeyText(), At: instant(a).Format(time.RFC3339)}
	for _, step := range a.Evidence {
		for _, e := range step.Events {
			if len(f.Events) < evidenceListed {
				f.Events = append(f.Events, e.ID)
			} else {
				f.More++
			}
		}
	}
	return f
}
