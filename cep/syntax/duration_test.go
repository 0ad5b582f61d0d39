package syntax_test

import (
	"strings"
	"testing"
	"time"

	"github.com/caltrop/caltrop/cep/syntax"
)

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0s": 0, "90s": 90 * time.Second, "1h30m": 90 * time.Minute, "1d": 24 * time.Hour,
		"2d3h4m5s6ms":  51*time.Hour + 4*time.Minute + 5*time.Second + 6*time.Millisecond,
		"3000000000ms": 3_000_000 * time.Second, "3650d": syntax.MaxDuration,
	} {
		if got, err := syntax.ParseDuration(text); err != nil || got != want {
			t.Errorf("%s: got %v (%v), want %v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"": "empty", "10": "no unit", "1h30": "no unit", "-5s": "negative", "1.5h": "is not one", "5 s": "is not one",
		"10min": "no unit `min`", "1H": "no unit `H`", "5us": "no unit `us`", "30m1h": "longest unit", "1s1s": "longest unit",
		"3651d": "longer than 3650d", "99999999999999999999d": "longer than", "3650d1ms": "longer than", "s": "is not one",
	} {
		if got, err := syntax.ParseDuration(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v (%v), want an error with %q", text, got, err, want)
		}
	}
}

func TestDurationsPrintAsTheyParse(t *testing.T) {
	for _, text := range []string{"0s", "1ms", "90d", "1d1h1m1s1ms", "23h59m"} {
		d, err := syntax.ParseDuration(text)
		if err != nil || syntax.FormatDuration(d) != text {
			t.Errorf("%s prints as %s (%v)", text, syntax.FormatDuration(d), err)
		}
	}
}
