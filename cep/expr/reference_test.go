package expr

import (
	"slices"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
)

// shops is a list with attributes of every type; bins one of whole numbers.
var (
	shopsDecl = &ListDecl{Name: "trusted-shops", Key: event.String, Attributes: []event.Field{
		{Name: "country", Type: event.String}, {Name: "rank", Type: event.Int}, {Name: "rate", Type: event.Double},
		{Name: "open", Type: event.Bool}, {Name: "since", Type: event.Timestamp}, {Name: "cap", Type: event.Decimal, Scale: 2},
		{Name: "tags", Type: event.StringList}}}
	binsDecl  = &ListDecl{Name: "bins", Key: event.Int}
	testLists = Lists{shopsDecl.Name: shopsDecl, binsDecl.Name: binsDecl}
)

func testFacts() *Facts {
	shops, bins := NewTable(shopsDecl, 1), NewTable(binsDecl, 7)
	shops.Put(event.StringOf("declined"), []event.Value{event.StringOf("BR"), event.IntOf(3), event.DoubleOf(0.5),
		event.BoolOf(true), event.TimestampOf(0), event.DecimalOf(1050, 2), event.ListOf([]string{"a", "b"})})
	shops.Put(event.StringOf("bare"), nil)
	bins.Put(event.IntOf(3), nil)
	return &Facts{Lists: map[string]*Table{"trusted-shops": shops, "bins": bins}}
}

// TestLists evaluates conditions that read lists over a payment of 12.00 whose
// status is declined (language §2, in_list and lookup).
func TestLists(t *testing.T) {
	for src, want := range map[string]string{
		`in_list("trusted-shops", status)`:                                                "true",
		`in_list(trusted_shops, status)`:                                                  "true",
		`in_list("trusted-shops", "other")`:                                               "false",
		`in_list("bins", items)`:                                                          "true",
		`in_list("bins", items + 1)`:                                                      "false",
		`in_list("bins", device_id == "x" ? 3 : 4)`:                                       "error",
		`in_list("trusted-shops", device_id)`:                                             "error",
		`true || in_list("trusted-shops", device_id)`:                                     "true",
		`tags.exists(x, in_list("trusted-shops", x))`:                                     "false",
		`lookup("trusted-shops", status).country == "BR"`:                                 "true",
		`lookup("trusted-shops", status).rank + 1 == 4`:                                   "true",
		`lookup("trusted-shops", status).rate * 2 == 1`:                                   "true",
		`lookup("trusted-shops", status).open`:                                            "true",
		`lookup("trusted-shops", status).since <= opened`:                                 "true",
		`amount > lookup("trusted-shops", status).cap`:                                    "true",
		`"b" in lookup("trusted-shops", status).tags`:                                     "true",
		`lookup("trusted-shops", "nobody").country == "BR"`:                               "error",
		`lookup("trusted-shops", "bare").country == "BR"`:                                 "error",
		`lookup(trusted_shops, lookup(trusted_shops, status).country).open`:               "error",
		`has(device_id) && in_list("bins", lookup("trusted-shops", status).rank) == true`: "false",
	} {
		p, errs := Compile(src, event.Bool, &Scope{Event: payment, Lists: testLists})
		if len(errs) > 0 {
			t.Errorf("%s: %v", src, errs)
			continue
		}
		truth, ok := p.Holds(&Frame{Event: pay(60, 1200), Facts: testFacts()})
		got := map[bool]string{true: "true", false: "false"}[truth]
		if !ok {
			got = "error"
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", src, got, want)
		}
		if _, ok := p.Holds(&Frame{Event: pay(60, 1200)}); ok && src[0] != 't' && src[0] != 'h' {
			t.Errorf("%s: without lists it is no error", src)
		}
	}
}

// TestOutside gathers the lists of all expressions of a scope, also of the
// arguments of a window's aggregates.
func TestOutside(t *testing.T) {
	out := &Outside{}
	sc := &Scope{Event: payment, Lists: testLists, Outside: out}
	if p, errs := Compile(`in_list("trusted-shops", status)`, event.Bool, sc); len(errs) > 0 || !p.Reads.Outside {
		t.Fatalf("reads outside: %v, %v", p, errs)
	}
	sc.Window = &WindowAggs{}
	p, errs := Compile(`count(in_list("bins", items)) > 3`, event.Bool, sc)
	if len(errs) > 0 || !p.Reads.Outside {
		t.Fatalf("a window's argument reads outside: %v, %v", p, errs)
	}
	if want := []string{"bins", "trusted-shops"}; !slices.Equal(out.Lists, want) {
		t.Errorf("lists read: got %v, want %v", out.Lists, want)
	}
}
