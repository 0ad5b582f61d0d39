package expr

import (
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
)

// The stream that the tables read: event numbers are the tests' own.
var payment = event.NewSchema("payment", []event.Field{
	{Name: "amount", Type: event.Decimal, Scale: 2},
	{Name: "rate", Type: event.Double},
	{Name: "items", Type: event.Int},
	{Name: "status", Type: event.String},
	{Name: "card_present", Type: event.Bool},
	{Name: "opened", Type: event.Timestamp},
	{Name: "tags", Type: event.StringList},
	{Name: "device_id", Type: event.String, Optional: true},
	{Name: "fee", Type: event.Decimal, Scale: 2, Optional: true},
	{Name: "lat", Type: event.Double},
	{Name: "lon", Type: event.Double},
})

var refund = event.NewSchema("refund", []event.Field{
	{Name: "amount", Type: event.Decimal, Scale: 2},
	{Name: "reason", Type: event.String},
})

const second = int64(1e6)

// pay is a payment of so many cents at so many seconds.
func pay(at int64, cents int64, more ...event.Value) *event.Event {
	values := []event.Value{
		event.DecimalOf(cents, 2), event.DoubleOf(1.5), event.IntOf(3), event.StringOf("declined"),
		event.BoolOf(true), event.TimestampOf(at*second - 60*second), event.ListOf([]string{"cnp", "new"}),
		{}, {}, event.DoubleOf(52.52), event.DoubleOf(13.405),
	}
	copy(values[7:], more)
	return &event.Event{Schema: payment, Time: at * second, Values: values}
}

// steps binds events to steps by Step.Index.
type steps map[int][]*event.Event

func (s steps) Len(step int) int            { return len(s[step]) }
func (s steps) At(step, i int) *event.Event { return s[step][i] }
func (s steps) One(step int) *event.Event {
	if len(s[step]) == 0 {
		return nil
	}
	return s[step][0]
}
func (s steps) Agg(slot int) (event.Value, bool) { panic("no slots") }

func where() *Scope {
	return &Scope{
		Event: payment,
		Steps: []Step{{Name: "hit", Index: 0, Schema: payment}, {Name: "probe", Index: 1, Schema: payment, Many: true}, {Name: "none", Index: 2, Schema: payment, Many: true}},
		Prev:  payment.Fields,

		CostLists: 10,
	}
}

func whereFrame() *Frame {
	probes := []*event.Event{pay(10, 100), pay(20, 200, event.StringOf("d1"), event.DecimalOf(50, 2)), pay(30, 450, event.StringOf("d1"))}
	return &Frame{
		Event: pay(1000, 90000, event.StringOf("d9")),
		Prev:  probes[2],
		Match: steps{0: {pay(40, 50000)}, 1: probes},
	}
}

// holds are expressions that are true of whereFrame.
var holds = []string{
	// a bare name is a field of the current event, time its event time
	`amount == 900.0`, `status == "declined"`, `card_present`, `time == timestamp("1970-01-01T00:16:40Z")`,
	`time - opened == duration("60s")`, `"cnp" in tags`, `tags.size() == 2`, `tags[1] == "new"`,
	// decimals read as doubles
	`amount / 8.0 == 112.5`, `probe.amount[0] == 1.0`,
	// a step matched exactly once is a record
	`hit.amount == 500.0`, `hit.time < time`, `amount > hit.amount`,
	// others are records of lists, possibly empty
	`probe.amount == [1.0, 2.0, 4.5]`, `none.amount == []`, `size(none.amount) == 0`, `probe.time[0] < probe.time[2]`,
	`probe.amount.exists(x, x > 4)`, `probe.amount.all(x, x < 5)`, `probe.amount.exists_one(x, x == 2.0)`,
	`probe.amount.filter(x, x > 1) == [2.0, 4.5]`, `probe.amount.map(x, x * 2) == [2.0, 4.0, 9.0]`,
	`probe.amount.map(x, x > 1, x + 1) == [3.0, 5.5]`, `2.0 in probe.amount`, `!(3 in probe.amount)`, `2 in probe.amount`,
	// aggregates
	`count(probe) == 3`, `sum(probe.amount) == 7.5`, `avg(probe.amount) == 2.5`, `min(probe.amount) == 1.0`,
	`max(probe.amount) == 4.5`, `stddev(probe.amount) > 1.47 && stddev(probe.amount) < 1.48`, `distinct(probe.status) == 1`,
	`first(probe.amount) == 1`, `last(probe.amount) == 4.5`, `max(probe.time) < time`, `sum(probe.items) == 9`,
	`min(probe.status) == "declined"`, `count(probe.amount) == 3`,
	// of no events count and sum are 0
	`count(none) == 0`, `sum(none.amount) == 0`,
	// aggregates over any list
	`sum(probe.amount.filter(x, x > 1)) == 6.5`, `count(tags) == 2`, `distinct(["a", "b", "a"]) == 2`, `max([1, 5, 2]) == 5`,
	`avg([1, 2]) == 1.5`, `first(tags) == "cnp"`,
	// events that lack an optional field are left out
	`probe.device_id == ["d1", "d1"]`, `count(probe.device_id) == 2`, `distinct(probe.device_id) == 1`, `sum(probe.fee) == 0.5`,
	// prev
	`prev.amount == 4.5`, `prev.device_id == "d1"`, `time - prev.time == duration("970s")`, `has(prev)`, `has(prev.device_id)`,
	// functions
	`geo.km(52.52, 13.405, 48.1374, 11.5755) > 503.9 && geo.km(52.52, 13.405, 48.1374, 11.5755) < 504.9`,
	`geo.km(0, 0, 0, 180) > 20015`, `geo.km(lat, lon, 52.52, 13.405) == 0`,
	`seconds(time - hit.time) == 960`, `minutes(time - hit.time) == 16`, `hours(duration("90m")) == 1.5`,
	`status.matches("^de.*d$")`, `status.startsWith("dec")`, `status.upperAscii() == "DECLINED"`, `status.charAt(0) == "d"`,
	`tags.join("-") == "cnp-new"`, `"a,b".split(",") == ["a", "b"]`, `math.greatest(amount, 5) == 900`, `math.abs(-3) == 3`,
	`math.ceil(1.2) == 2`, `string(items) == "3"`, `int("7") == 7`, `time.getHours() == 0`, `time.getMinutes() == 16`,
	`status.replace("de", "re") == "reclined"`, `size("äö") == 2`, `status.contains("clin")`, `status.endsWith("ed")`,
	// an integer literal beside a double is a double
	`amount > 5`, `5 < amount`, `amount > 5 * avg(probe.amount)`, `amount > (items > 1 ? 5 : 7)`, `amount in [1, 900, 2]`,
	`amount + 1 == 901`, `amount * -1 < 0`, `amount > 60 * 2`, `(card_present ? amount : 0) == 900`, `amount != 3`, `2 * 3 * amount == 5400`,
	// integers stay integers
	`items / 2 == 1`, `items % 2 == 1`, `7 / 2 == 3`, `items * 2 == 6`, `double(items) * 1.5 == 4.5`,
	// has
	`has(device_id)`, `!has(fee)`, `has(probe)`, `!has(none)`, `has(probe.device_id)`, `!has(hit.device_id)`, `!has(none.device_id)`, `has(hit)`,
	// absorption: an error is absorbed by && and ||
	`true || fee > 1`, `fee > 1 || true`, `!(false && fee > 1)`, `!(fee > 1 && false)`, `card_present ? true : fee > 1`,
	`!has(fee) || fee > 1`, `[1, 0].exists(x, 4 / x == 4)`, `![0, 1].all(x, 4 / x == 0)`,
	// the list that a record has
	`count(hit.tags) == 2`, `first(hit.tags) == "cnp"`, `max(hit.tags) == "new"`, `distinct(prev.tags) == 2`, `last(hit.tags) in tags`,
	// a text that a function makes counts as one
	`status.lowerAscii().contains("clin")`, `status.trim().matches("^d")`, `status.substring(0, 2) + "x" == "dex"`, `status.charAt(0) + "" == "d"`,
	`status.replace("d", "t").startsWith("t")`, `"d" in status.split("e")`, `status.split("").exists(c, c == "d")`, `string(items) + "x" == "3x"`,
	`tags.join("-").contains("p-n")`, `tags.join() + "!" == "cnpnew!"`,
	`string(rate).contains(".")`, `string(time).startsWith("1970-01")`, `string(card_present) + string(items) == "true3"`,
	// the rest of CEL, through cel-go where there is no closure
	`{"declined": 2}[status] == 2`, `[[1], [2]][1][0] == 2`, `type(items) == int`, `dyn(items) == 3`, `size({"a": 1}) == 1`,
	`items in {3: "x"}`, `b"abc" == bytes("abc")`, `2u + 1u == 3u`, `[1, "a"][1] == "a"`, `probe.tags[0][1] == "new"`, `null == null`,
	`{"a": 1}.exists(k, k == "a")`, `[[1, 2], [3]].exists(l, l.size() == 1)`, `timestamp("2026-01-01T00:00:00Z") > time`,
	`duration("1h") - duration("30m") == duration("30m")`, `time + duration("1s") > time`,
	`"%s is %d".format([status, items]) == "declined is 3"`, `status < "e"`, `!(rate / 0.0 - rate / 0.0 < 1.0)`, `rate / 0.0 - rate / 0.0 != rate`, `false < true`, `[amount, 1.0][0] == 900`, `tags + ["x"] == ["cnp", "new", "x"]`,
}

func TestHolds(t *testing.T) {
	for _, src := range holds {
		p, errs := Compile(src, event.Bool, where())
		if len(errs) > 0 {
			t.Errorf("%s: %v", src, errs)
			continue
		}
		if truth, ok := p.Holds(whereFrame()); !truth || !ok {
			t.Errorf("%s: got %v, %v; want true, true", src, truth, ok)
		}
	}
}

// faulty are expressions that end in an error on whereFrame.
var faulty = []string{
	`fee > 1`, `fee > 1 && true`, `false || fee > 1`, `!(fee > 1)`, `hit.device_id == "x"`, `hit.fee == 1`,
	`avg(none.amount) > 1`, `min(none.amount) > 1`, `max(none.time) < time`, `first(none.amount) > 1`, `stddev(none.amount) == 0`, `distinct(none.amount) == 0`,
	`items / 0 == 1`, `items % 0 == 1`, `items * 9223372036854775807 > 0`, `9223372036854775807 + items > 0`,
	`probe.amount[3] > 1`, `none.amount[0] > 1`, `probe.amount[-1] > 1`, `tags[items] == ""`,
	`fee > 1 ? true : true`, `int(rate * 1e300) > 1`, `[0].exists(x, 1 / x > 0)`,
	`[fee].exists(x, x > 1)`, `probe.amount.map(x, 1 / (items - 3)).size() > 0`, `{"a": 1}[status] == 1`, `status.charAt(99) == ""`,
	`int(status) == 1`, `fee in [1.0]`,
}

func TestFaults(t *testing.T) {
	for _, src := range faulty {
		p, errs := Compile(src, event.Bool, where())
		if len(errs) > 0 {
			t.Errorf("%s: %v", src, errs)
			continue
		}
		if truth, ok := p.Holds(whereFrame()); truth || ok {
			t.Errorf("%s: got %v, %v; want an error", src, truth, ok)
		}
	}
}

// wrong lists sources with the byte offset and a part of the error and of its
// hint; ^ in a source marks the place and is removed.
var wrong = []struct{ src, detail, hint string }{
	{`^amonut < 5`, `"amonut"`, "amount"},
	{`hit.^amonut < 5.0`, `stream payment has no field "amonut"`, "amount"},
	{`5 < 3 && ^probee.amount[0] > 1.0`, `"probee"`, "probe"},
	{`^cout(probe) > 1`, `no function "cout"`, "count"},
	{`amount ^== "x"`, `amount is a number (double), "x" is text (string)`, ""},
	{`items ^* 1.5 > 2.0`, `items is a whole number (int)`, "double(items)"},
	{`amount ^< items`, `cannot compare these`, "double(items)"},
	{`^amount`, "must be true or false; it is a number", ""},
	{`^hit`, "whole event", "hit.FIELD"},
	{`^probe`, "list of events", "probe.FIELD"},
	{`count(^hit) > 1`, "exactly once", ""},
	{`avg(^hit.amount) > 1.0`, "exactly once", ""},
	{`avg(^probe) > 1.0`, "needs a field", "avg(probe.FIELD)"},
	{`sum(^probe.status) > 1`, "is of numbers; probe.status is text", ""},
	{`^avg(amount) > 1.0`, "needs a list of numbers; amount is a number", "avg(step.field)"},
	{`^percentile(probe.amount, 0.5) > 1.0`, "windows only", ""},
	{`^later.amount > 1.0`, "later cannot be read here: step later is matched only later", ""},
	{`profile.^crad.daily > 1.0`, "unknown profile crad", "did you mean card?"},
	{`profile.card.^dialy > 1.0`, `profile card has no value "dialy"`, "did you mean daily?"},
	{`profile.^card > 1.0`, "profile card is a whole profile", "profile.card.daily"},
	{`^profile > 1.0`, "no value by itself", "profile.NAME.VALUE"},
	{`has(profile.card.^dialy)`, `has no value "dialy"`, "daily"},
	{`profile.^shop_history.n > 1`, "kept by merchant_id", "key: card_id"},
	{`profile.card.devices ^== "d"`, "a list of texts", "in profile.card.devices"},
	{`1 ^in profile.card.devices`, "", ""},
	{`^set(status) == 1`, "for the values of a profile", "set(device_id)"},
	{`in_list(^"x", status)`, "unknown list x", "there are: bins, trusted-shops"},
	{`in_list(^"trusted-shop", status)`, "unknown list trusted-shop", "did you mean trusted-shops?"},
	{`lookup(^other, status).country == "x"`, "unknown list other", ""},
	{`lookup("trusted-shops", status).^county == "x"`, "no attribute \"county\"", "did you mean country?"},
	{`lookup("bins", items).^country == "x"`, "no attribute", "values only"},
	{`in_list("bins", ^status)`, "list bins holds whole numbers; status is text", ""},
	{`in_list("trusted-shops", ^items)`, "list trusted-shops holds texts; items is a", ""},
	{`lookup("trusted-shops", ^items).open`, "list trusted-shops holds texts", ""},
	{`^in_list("bins")`, "takes the name of a list and a value", ""},
	{`^lookup("bins", items) == 1`, "name one of its attributes", ""},
	{`in_list(^3, items)`, "written out", ""},
	{`amount <^`, "ends too early", ""},
	{`amount ^5`, "did not expect '5'", ""},
	{`^`, "missing", ""},
	{`amount < 5 ^# 3`, "no part of an expression", ""},
	{`status ^= "x"`, "no part of an expression", "=="},
	{`amount ^=> 5`, "no part of an expression", ">="},
	{`amount > 5 ^and card_present`, "did not expect 'and'", "&&"},
	{`status == ^declined`, `"declined"`, "in quotes"},
	{`device_id ^!= null`, "null is nothing", "has(device_id)"},
	{`time - hit.time ^< 300`, "a length of time (duration)", `duration("5m")`},
	{`time - hit.time < 5^m`, "did not expect 'm'", `duration("5m")`},
	{`amount > 1^,000`, "did not expect ','", "without commas"},
	{`time ^> "2026-01-01"`, "a time (timestamp)", "timestamp("},
	{`status == ^'x`, "never closed by a quote", ""},
	{`status == ^"a\q"`, `there is no escape \q`, `"\\"`},
	{`status == ^'\xZZ'`, `there is no escape \xZ`, ""},
	{`items > ^9223372036854775808`, "too large for a whole number", "9223372036854775807"},
	{`amount > ^1e999`, "too large for a number", ""},
	{`(amount > 5^`, "missing ')' at the end", ""},
	{`status.^lower() == "x"`, `no function "lower"`, "lowerAscii"},
	{`^geo.dist(1, 2) > 5`, `no function "geo.dist"`, ""},
	{`^exists(probe, x, true)`, "asked of a list", "LIST.exists"},
	{`^hours(5) > 1.0`, "5 is a whole number", "hours(duration)"},
	{`tags ^== "x"`, "list of texts", `"x" in tags`},
	{`amount ^% 2 == 1`, "remainder", "whole numbers"},
	{`status.matches(^"[")`, "no regular expression", "RE2"},
	{`time - opened > duration(^"5 minutes")`, "no duration", "5m"},
	{`time > timestamp(^"yesterday")`, "no time", "RFC 3339"},
	{`^status.replace("d", status) == ""`, "limit is 10000", ""},
	{`^probe.amount.exists(x, probe.amount.exists(y, tags.exists(z, z == status && x < y)))`, "limit is 10000", ""},
	{`amount.^cents > 1.0`, "amount has no \"cents\": it is a number", ""},
	{`card_present ^? amount : status`, "one type", ""},
	{`^amount.exists(x, x > 1)`, "list is needed", ""},
	{`card_present && ^items`, "items is a whole number", ""},
	{`^tags`, "must be true or false; it is a list of texts", ""},
	{`has(^1)`, "optional field or a step", "has(device_id)"},
	{`has(^time)`, "always there", ""},
	{`has(^devise_id)`, `"devise_id"`, "device_id"},
	{`prev.^foo == 1`, `prev has no field "foo"`, ""},
	{`status.^matches(3)`, "does not take that", ""},
	{`probe.amount ^== 3.0`, "a list of numbers", ""},
	{`"ä" == status && ^amonut > 1.0`, `"amonut"`, ""},
}

var testProfiles = Profiles{
	"card": {Name: "card", Values: []ProfileValue{{Name: "daily", Type: event.Double}, {Name: "devices", Type: event.String, List: true}}},
	"shop-history": {Name: "shop-history", Refused: "profile shop-history is kept by merchant_id, and this rule's key is card_id",
		Hint: "a rule reads profiles of its own key: declare one with key: card_id"},
}

func TestErrorsName(t *testing.T) {
	for _, w := range wrong {
		at := strings.Index(w.src, "^")
		src := strings.Replace(w.src, "^", "", 1)
		sc := where()
		sc.Lists, sc.Profiles = testLists, testProfiles
		sc.Hidden = map[string]string{"later": "step later is matched only later"}
		p, errs := Compile(src, event.Bool, sc)
		if p != nil || len(errs) == 0 {
			t.Errorf("%s: compiled", src)
			continue
		}
		if e := errs[0]; e.Offset != at || !strings.Contains(e.Detail, w.detail) || !strings.Contains(e.Hint, w.hint) {
			t.Errorf("%s:\n got %d %q (%s)\nwant %d %q (%s)", src, e.Offset, e.Detail, e.Hint, at, w.detail, w.hint)
		}
	}
}
