package backtest

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/caltrop/caltrop/engine/backtest"
)

// Text writes the report as tables: the rules, their alerts a day, and what
// was missed or raised for nothing.
func (r *Report) Text(w io.Writer) error {
	var b strings.Builder
	r.rules(&b)
	r.days(&b)
	if r.Labelled {
		r.others(&b)
		r.faults(&b)
	}
	r.examples(&b)
	r.inputs(&b)
	r.live(&b)
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

func table(b *strings.Builder, fill func(w io.Writer)) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fill(w)
	w.Flush() // a strings.Builder takes everything
}

func (r *Report) rules(b *strings.Builder) {
	table(b, func(w io.Writer) {
		if !r.Labelled {
			fmt.Fprintln(w, "rule\talerts\tdays\tmatches\tsuppressed\tretracted")
			for i := range r.Rules {
				u := &r.Rules[i]
				fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\n", u.Name, u.Alerts, len(u.Days), uint64(u.Alerts+u.Retracted)+u.Suppressed, u.Suppressed, u.Retracted)
			}
			return
		}
		fmt.Fprintln(w, "rule\tincidents\tcaught\trecall\talerts\tof fraud\tprecision")
		for i := range r.Rules {
			u := &r.Rules[i]
			fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%d\t%d\t%s\n", u.Name, u.Incidents, u.Caught, number(u.Recall), u.Alerts, u.Proven, number(u.Precision))
		}
	})
	if r.Strange > 0 {
		fmt.Fprintf(b, "%d labels name no event of the input, so that no rule can catch them\n", r.Strange)
	}
	for _, u := range r.Unwatched {
		fmt.Fprintf(b, "no rule is called %s, which has %d incidents\n", u.Scenario, u.Incidents)
	}
}

// examples shows the first alerts of each rule, a line of it and its evidence.
func (r *Report) examples(b *strings.Builder) {
	for i := range r.Rules {
		for n, example := range r.Rules[i].Examples {
			if n == 0 {
				fmt.Fprintf(b, "\n%s, for example\n", r.Rules[i].Name)
			}
			fmt.Fprintf(b, "  %s\n", example)
		}
	}
}

func (r *Report) inputs(b *strings.Builder) {
	if len(r.Inputs) == 0 {
		return
	}
	b.WriteString("\nread\n")
	table(b, func(w io.Writer) {
		fmt.Fprintln(w, "topic\tpartition\toffsets\trecords\tlate\tduplicate\tdead\thash")
		for _, in := range r.Inputs {
			fmt.Fprintf(w, "%s\t%d\t%d-%d\t%d\t%d\t%d\t%d\t%s\n", in.Topic, in.Partition, in.From, in.To, in.Records, in.Late, in.Duplicates, in.Dead, in.Hash)
		}
	})
}

// live says whether the alerts are those of the live job.
func (r *Report) live(b *strings.Builder) {
	c := r.Live
	if c == nil {
		return
	}
	if c.Equal {
		fmt.Fprintf(b, "\nequal to live: %d versions of alerts, of %d tasks\n", c.Alerts, c.Tasks)
		return
	}
	fmt.Fprintf(b, "\nNOT equal to live: %d versions of alerts are, of %d tasks; %d differences\n", c.Alerts, c.Tasks, len(c.Differences)+c.More)
	table(b, func(w io.Writer) {
		for i := range c.Differences {
			d := &c.Differences[i]
			if d.What == backtest.TaskDiffers {
				fmt.Fprintf(w, "  %s\t%s\t%s\n", d.What, d.Task, d.Detail)
				continue
			}
			fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\tversion %d\n", d.What, d.At, d.Rule, d.Key, d.ID, d.Version)
		}
	})
	more(b, c.More)
}

func number(v *float64) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("%.3f", *v)
}

func (r *Report) days(b *strings.Builder) {
	b.WriteString("\nalerts a day\n")
	table(b, func(w io.Writer) {
		for i := range r.Rules {
			for _, d := range r.Rules[i].Days {
				fmt.Fprintf(w, "%s\t%s\t%d\n", r.Rules[i].Name, d.Day, d.Alerts)
			}
		}
	})
}

// others shows what rules caught of scenarios that are not their own.
func (r *Report) others(b *strings.Builder) {
	begun := false
	table(b, func(w io.Writer) {
		for i := range r.Rules {
			for _, s := range r.Rules[i].Scenarios {
				if s.Name != r.Rules[i].Name {
					if !begun {
						b.WriteString("\nother scenarios caught\n")
						begun = true
					}
					fmt.Fprintf(w, "%s\t%s\t%d of %d incidents\trecall %.3f\tprecision %s\n", r.Rules[i].Name, s.Name, s.Caught, s.Incidents, s.Recall, number(s.Precision))
				}
			}
		}
	})
}

func (r *Report) faults(b *strings.Builder) {
	for i := range r.Rules {
		u := &r.Rules[i]
		if n := len(u.Misses) + u.MissesMore; n > 0 {
			fmt.Fprintf(b, "\n%s: %d missed\n", u.Name, n)
			table(b, func(w io.Writer) { u.missed(w) })
			more(b, u.MissesMore)
		}
		if n := len(u.False) + u.FalseMore; n > 0 {
			fmt.Fprintf(b, "\n%s: %d false alerts\n", u.Name, n)
			table(b, func(w io.Writer) { u.raised(w) })
			more(b, u.FalseMore)
		}
	}
}

func (u *Rule) missed(w io.Writer) {
	for _, m := range u.Misses {
		what := strings.Join(m.Events, " ")
		if m.First > 0 {
			what = millis(m.First) + " to " + millis(m.Last)
		}
		if m.Decisive != "" {
			what += "\tdecided by " + m.Decisive
		}
		fmt.Fprintf(w, "  %s\t%s\t%s%s\n", cmp.Or(m.ID, "-"), cmp.Or(m.Key, "-"), what, m.near())
	}
}

// near says what the rule raised for the incident's key, if that is labelled.
func (m *Miss) near() string {
	switch {
	case m.Key == "":
		return ""
	case m.Near == 0:
		return "\tno alert for this key"
	}
	return fmt.Sprintf("\t%d alerts for this key, of other events", m.Near)
}

func (u *Rule) raised(w io.Writer) {
	for _, f := range u.False {
		events := strings.Join(f.Events, " ")
		if f.More > 0 {
			events += fmt.Sprintf(" and %d more", f.More)
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", f.At, f.Key, f.ID[:8], events)
	}
}

func more(b *strings.Builder, n int) {
	if n > 0 {
		fmt.Fprintf(b, "  and %d more\n", n)
	}
}

func millis(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }
