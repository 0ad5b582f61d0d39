package rules_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/rules"
)

// TestReviseStream changes a stream that live documents read: what they can go along
// with is stored, anything else is refused with the reason, and changes nothing.
func TestReviseStream(t *testing.T) {
	change := func(was, is string) string { return strings.Replace(paymentStream, was, is, 1) }
	cases := []struct {
		name, text string
		want       string // of the error; "": it is stored
		altered    bool   // the rule starts anew
	}{
		{"a field that no rule reads", change("{card_id", "{device: string, card_id"), "", false},
		{"another max_skew", change("partition_key", "max_skew: 2h\npartition_key"), "", false},
		{"another lateness", change("partition_key", "lateness: 1m\npartition_key"), "", false},
		{"a field that the rule reads is optional now", change("amount: double", "amount: {type: double, optional: true}"), "", true},
		{"a field that the rule reads has another type", change("amount: double", "amount: int"), "", true},
		{"a field that the rule reads lies elsewhere", change("amount: double", "amount: {type: double, path: paid.amount}"), "", true},
		{"a field that the rule reads is gone", change(", amount: double", ""), `profile card-habits, which is live, would not compile: nothing here is called "amount"`, false},
		{"a field called like a step", change("{card_id", "{small: string, card_id"), "rule probe, which is live, would not compile: ", false},
		{"another topic", change("topic: payments", "topic: paid"), "the topic of stream payment cannot change while rule probe, profile card-habits, view card-session read it", false},
		{"another time", change("field: ts", "field: at"), "the time of stream payment cannot change", false},
		{"another partition_key", strings.NewReplacer("partition_key: card_id", "partition_key: shop", "{card_id", "{shop: string, card_id").Replace(paymentStream), "the partition_key of stream payment cannot change", false},
		{"another type of a key", change("card_id: string", "card_id: int"), "rule probe is keyed by field card_id, whose type and pii cannot change", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, &rules.MemoryLog{})
			putStream(t, r, "payment", paymentStream)
			for name, doc := range map[rules.Ref]string{{Kind: rules.KindRule, Name: "probe"}: probeRule(5), {Kind: rules.KindProfile, Name: "card-habits"}: cardProfile,
				{Kind: rules.KindView, Name: "card-session"}: cardView} {
				if _, _, err := r.Put(t.Context(), rules.Change{Kind: name.Kind, Name: name.Name, Text: []byte(doc)}); err != nil {
					t.Fatal(err)
				}
			}
			was := r.Current()
			_, _, err := r.Put(t.Context(), rules.Change{Kind: rules.KindStream, Name: "payment", Text: []byte(c.text)})
			is := r.Current()
			if c.want != "" {
				var invalid *rules.InvalidError
				if !errors.As(err, &invalid) || !strings.Contains(err.Error(), c.want) || invalid.Problems[0].Hint == "" {
					t.Errorf("Put = %v, want an error with %q and what can be done", err, c.want)
				}
				if is.Stream("payment") != was.Stream("payment") || is.Rule("probe") != was.Rule("probe") {
					t.Error("a refused change left its mark")
				}
				return
			}
			if err != nil || is.Stream("payment").Revision != 2 || len(is.Faults) > 0 {
				t.Fatalf("Put = %v, the stream is at revision %d, with faults %v", err, is.Stream("payment").Revision, is.Faults)
			}
			if got := !prog.Unaltered(was.Rule("probe").Prog, is.Rule("probe").Prog); got != c.altered {
				t.Errorf("the rule is altered: %t, want %t", got, c.altered)
			}
		})
	}
}

// TestARefusedRevisionIsForgotten: its number goes to the next text.
func TestARefusedRevisionIsForgotten(t *testing.T) {
	r := start(t, &rules.MemoryLog{})
	putStream(t, r, "payment", paymentStream)
	if _, _, err := putRule(r, probeRule(5), rules.Condition{}); err != nil {
		t.Fatal(err)
	}
	refused := strings.Replace(paymentStream, ", amount: double", "", 1)
	if _, _, err := r.Put(t.Context(), rules.Change{Kind: rules.KindStream, Name: "payment", Text: []byte(refused)}); err == nil {
		t.Fatal("a field that a live rule reads was taken away")
	}
	putStream(t, r, "payment", strings.Replace(paymentStream, "{card_id", "{device: string, card_id", 1))
	st := r.Current().Stream("payment")
	if st.Revision != 2 || st.Schema.Index("device") != 0 || st.Schema.Index("amount") != 2 {
		t.Errorf("revision %d has the fields %v", st.Revision, st.Schema.Fields)
	}
}
