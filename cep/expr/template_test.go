package expr

import (
	"strings"
	"testing"
)

func TestTemplate(t *testing.T) {
	sc := where()
	sc.Event, sc.Prev, sc.At = nil, nil, true
	for src, want := range map[string]string{
		"": "", "plain { } }} text": "plain { } }} text",
		"{{count(probe)}} probes, then {{hit.amount}} in {{hit.status}}": "3 probes, then 500 in declined",
		"{{ avg(probe.amount) }}{{1.25}}{{1e21}}":                        "2.51.251000000000000000000000",
		"at {{time}}":                                  "at 1970-01-01T00:00:07.5Z",
		"{{avg(none.amount)}}|{{hit.device_id}}":       "?|?",
		"{{hit.card_present}} {{time - hit.time}}":     "true -32.5s",
		`{{"}}" + '{{'}} {{{"a": "b"}["a"]}}`:          "}}{{ b",
		`{{r"\"}}{{r'}}\'}}{{"\"}}"}}`:                 `\}}\"}}`,
		`{{"""a"}}b"""}} {{'''{'}}'''}} {{""}}{{""}}.`: `a"}}b {'}} .`,
		`{{probe.status.join(", ")}}`:                  "declined, declined, declined",
		`{{hit.fee > 1 ? "x" : "y"}}`:                  "?",
		`{{duration("90m")}} {{double(hit.items)}}`:    "1h30m0s 3",
	} {
		tpl, errs := CompileTemplate(src, sc)
		if len(errs) > 0 {
			t.Errorf("%s: %v", src, errs)
			continue
		}
		f := whereFrame()
		f.Event, f.Prev, f.Time = nil, nil, 7_500_000
		if got := string(tpl.Append(nil, f)); got != want {
			t.Errorf("%s: got %q, want %q", src, got, want)
		}
	}
}

func TestVerbatimRendersBraces(t *testing.T) {
	for _, text := range []string{"", "plain", "{{count(probe)}} of {{", "{ }}"} {
		if got := string(Verbatim(text).Append(nil, whereFrame())); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
	}
}

func TestTemplateErrors(t *testing.T) {
	for _, w := range []struct{ src, detail string }{
		{"probes: ^{{count(probe)", "never closed"},
		{"ä {{count(probe)}} {{^hti.amount}}", `"hti"`},
		{"{{^}}", "missing"},
		{`^{{"}}`, "never closed"}, {`^{{r"\}}`, "never closed"},
		{"{{^probe.amount}}", "single value"},
		{"{{hit.^x}} {{hit.amount}}", `no field "x"`},
	} {
		at := strings.Index(w.src, "^")
		_, errs := CompileTemplate(strings.Replace(w.src, "^", "", 1), where())
		if len(errs) == 0 || errs[0].Offset != at || !strings.Contains(errs[0].Detail, w.detail) {
			t.Errorf("%s: got %+v, want %q at %d", w.src, errs, w.detail, at)
		}
	}
	_, errs := CompileTemplate("{{x}} {{y}}", where())
	if len(errs) != 2 {
		t.Errorf("got %d errors, want one for each expression", len(errs))
	}
}
