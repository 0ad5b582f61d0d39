package expr_test

import (
	"testing"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
)

// judged compiles a condition in a scope with fields, a step of at most four
// events, and a window value.
func judged(t *testing.T, text string) expr.Verdict {
	t.Helper()
	payment := event.NewSchema("payment", []event.Field{
		{Name: "amount", Type: event.Double}, {Name: "n", Type: event.Int}, {Name: "status", Type: event.String},
		{Name: "fraud", Type: event.Bool}, {Name: "country", Type: event.String, Optional: true}, {Name: "tip", Type: event.Double, Optional: true},
	})
	sc := &expr.Scope{
		Event:  payment,
		Steps:  []expr.Step{{Name: "probe", Schema: payment, Many: true, Count: expr.Count{Least: 2, Most: 4}}, {Name: "other", Index: 1, Schema: payment, Many: true}},
		Values: []expr.Named{{Name: "all", Type: event.Int, Count: &expr.Count{Least: 1}}, {Name: "total", Type: event.Double}},
	}
	p, errs := expr.Compile(text, event.Bool, sc)
	if p == nil {
		t.Fatalf("%s: %v", text, errs)
	}
	return p.Verdict
}

func TestConditionsThatNeverHold(t *testing.T) {
	for text, because := range map[string]string{
		`amount > 500 && amount < 5`:                   "amount > 500 contradicts amount < 5",
		`amount > 500 && status == "a" && 5 > amount`:  "amount > 500 contradicts amount < 5",
		`amount >= 5 && amount < 5`:                    "amount >= 5 contradicts amount < 5",
		`amount == 5 && amount != 5`:                   "amount == 5 contradicts amount != 5",
		`n > 5 && n < 6`:                               "n > 5 contradicts n < 6",
		`n >= 5 && n <= 6 && n != 5 && n != 6`:         "n >= 5, n <= 6, n != 5, n != 6 cannot hold together",
		`status == "a" && status == "b"`:               `status == "a" contradicts status == "b"`,
		`status == "a" && status != "a"`:               `status == "a" contradicts status != "a"`,
		`status in ["a", "b"] && status == "c"`:        `status == "a" contradicts status == "c"`,
		`status == "a" && !(status in ["a", "b"])`:     `status == "a" contradicts status != "a"`,
		`fraud && !fraud`:                              "fraud contradicts !fraud",
		`false`:                                        "false never holds",
		`amount > 1 && false`:                          "false never holds",
		`(amount > 5 || n > 5) && amount < 1 && n < 1`: "amount > 5 contradicts amount < 1",
		`!has(country) && country == "BR"`:             "!has(country) contradicts the use of country",
		`count(probe) > 4`:                             "count(probe) > 4 never holds",
		`count(probe) < 2`:                             "count(probe) < 2 never holds",
		`distinct(probe.status) >= 5`:                  "distinct(probe.status) >= 5 never holds",
		`distinct(probe.status) < 1`:                   "distinct(probe.status) < 1 never holds",
		`count(other) < 0`:                             "count(other) < 0 never holds",
		`all < 1`:                                      "all < 1 never holds",
		`total > 10 && double(all) > 5 && all < 5`:     "all > 5 contradicts all < 5",
		`amount > tip && amount < tip`:                 "amount > tip contradicts amount < tip",
		`amount < amount`:                              "amount < amount never holds",
		`geo.km(1.0, 2.0, amount, tip) < 0`:            "geo.km(1, 2, amount, tip) < 0 never holds",
		`amount * 2 > 10 && amount * 2 < 5`:            "(amount * 2) > 10 contradicts (amount * 2) < 5",
		`time < timestamp("2020-01-01T00:00:00Z") && time > timestamp("2021-01-01T00:00:00Z")`: `time < timestamp("2020-01-01T00:00:00Z") contradicts time > timestamp("2021-01-01T00:00:00Z")`,
		`fraud ? amount > 5 && amount < 1 : !fraud && fraud`:                                   "amount > 5 contradicts amount < 1",
	} {
		if v := judged(t, text); !v.Never || v.Always || v.Because != because {
			t.Errorf("%s: %+v, want never, because %s", text, v, because)
		}
	}
}

func TestConditionsThatAlwaysHold(t *testing.T) {
	for _, text := range []string{
		`true`, `n > 5 || n < 6`, `all >= 1`, `count(probe) <= 4`,
		`status == "a" || status != "a"`, `has(country) || !has(country)`, `count(other) >= 0 && true`, `fraud == fraud`,
	} {
		if v := judged(t, text); !v.Always || v.Never {
			t.Errorf("%s: %+v, want always", text, v)
		}
	}
}

// What might hold of one event and not of another gets no verdict.
func TestConditionsThatMayHold(t *testing.T) {
	for _, text := range []string{
		`amount > 5 && amount < 500`, `amount >= 5 && amount <= 5`, `n > 5 && n < 7`, `status == "a" || status == "b"`,
		`tip > 5 || tip <= 5`, // without a tip it is an error
		`country == "a" || country != "a"`,
		`count(probe) >= 4`, `count(probe) <= 2`, `distinct(probe.status) >= 4`, `distinct(probe.status) >= 1`, // of no status it is an error

		`amount > tip && tip > 5`, `amount > tip && amount < tip * 2`, `amount > 5 && tip < 5`,
		`!(amount > 5) && !(amount <= 5)`, `amount == amount`,
		`!(amount / tip > 5) && !(amount / tip <= 5)`, // 0 / 0 is neither
		`all > 1`, `count(probe) > 2 && count(other) > 4`, `status > "b" && status < "a"`,
		`probe.exists(p, true)`, `geo.km(1.0, 2.0, amount, tip) >= 0`, `has(country) && country != ""`,
		`avg(probe.amount) < 0`, `n % 2 == 0 && n % 2 == 1 || n > 3`,
	} {
		if text == `probe.exists(p, true)` {
			text = `probe.amount.exists(p, p > 5.0 && p < 1.0)`
		}
		if v := judged(t, text); v.Never || v.Always {
			t.Errorf("%s: %+v, want no verdict", text, v)
		}
	}
}
