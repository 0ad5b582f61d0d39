package rules

import "fmt"

// An Explanation tells how a rule or view is run, for a person.
type Explanation struct {
	Rule             string   `json:"rule,omitempty"`
	View             string   `json:"view,omitempty"` // instead of Rule
	Evaluator        string   `json:"evaluator"`
	EvaluatorBecause string   `json:"evaluator_because"`
	Timing           string   `json:"timing"`          // early | final: what the rule runs
	DefaultTiming    string   `json:"default_timing"`  // by language §6
	TimingBecause    string   `json:"timing_because"`  // why that is the default
	Path             string   `json:"path"`            // direct, or by way of a keyed log
	Input            string   `json:"input"`           // what its tasks read when it is live: a stream, or keyed.KEY
	First            string   `json:"first,omitempty"` // what the tasks of the first stage read, where there are two; Input is the second's
	PathBecause      []string `json:"path_because,omitempty"`
	Program          string   `json:"program"` // the compiled rule, prog.Rule.Dump
}

// Explain tells how a rule of the set is run and why.
func Explain(r *Rule, set *Set) *Explanation {
	e := &Explanation{
		Rule:          r.Doc.Name,
		Timing:        timing(r),
		DefaultTiming: r.Prog.DefaultTiming,
		TimingBecause: r.Prog.TimingBy,
		Path:          "direct: the rule's key is its stream's partition key",
		Program:       r.Prog.Dump(),
	}
	e.Evaluator, e.EvaluatorBecause = evaluator(r)
	p := set.PathOf(r)
	e.Input, e.First, e.PathBecause = p.Input, p.First, p.Because
	switch {
	case p.Input == "":
		e.Path = "nowhere"
	case p.First != "":
		e.Path = "two tasks in a row: parts of a window are kept by key and salt, and merged by the key at its end"
	case !p.Direct():
		e.Path = "by way of a keyed log: the rule's events are brought together by its key first"
	}
	return e
}

// ExplainView tells how a view of the set is run and why.
func ExplainView(v *View, set *Set) *Explanation {
	e := Explain(v.rule(), set)
	e.Rule, e.View = "", v.Doc.Name
	e.EvaluatorBecause = "a view has a window; its values are published at its end"
	if v.Prog.Rule.Window.Kind == "rolling" || v.Prog.Rule.Window.Kind == "session" {
		e.EvaluatorBecause = "a view has a window; its values are published while it goes on"
	}
	e.TimingBecause = "what is published follows the watermark"
	e.Program = v.Prog.Dump()
	return e
}

func timing(r *Rule) string {
	if r.Prog.Early {
		return "early"
	}
	return "final"
}

func evaluator(r *Rule) (name, why string) {
	if w := r.Prog.Window; w != nil {
		return w.Kind + " window", fmt.Sprintf("the rule has a window; it keeps at most %d events a key", r.Prog.Limits.WindowEvents)
	}
	p := r.Prog.Pattern
	runs := fmt.Sprintf("at most %d runs a key", r.Prog.Limits.RunsPerKey)
	if p.Stateful {
		return "a run for each start, state and bindings, " + runs, p.Why
	}
	return "a run for each state and key, the one that started last", "every condition reads the current event only, and there is no trailing absence, gap or having"
}
