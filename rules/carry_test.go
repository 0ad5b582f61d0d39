package rules_test

import (
	"strings"
	"testing"

	"github.com/caltrop/caltrop/rules"
)

func TestCarryIsRefusedForAnotherAutomaton(t *testing.T) {
	r := start(t, &rules.MemoryLog{})
	putStream(t, r, "payment", paymentStream)
	putStream(t, r, "challenge", challengeStream)
	carry := strings.Replace(probeRule(5), "within: 10m", "state: carry\nwithin: 10m", 1)
	put := func(text string) error {
		_, _, err := putRule(r, text, rules.Condition{})
		return err
	}
	if err := put(carry); err == nil || !strings.Contains(err.Error(), "there is no live revision to carry on from") {
		t.Errorf("carrying from nothing = %v", err)
	}
	if err := put(probeRule(5)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, from, to, want string }{
		{"within", "within: 10m", "within: 11m", "within was 10m0s, is 11m0s"},
		{"a condition", "amount > 500", "amount > 501", "where of step large was `amount > 500`, is `amount > 501`"},
		{"the pattern", "->", ",", "pattern was"},
		{"a gap", "amount > 500}", "amount > 500, gap: 1m}", "gap of step large was 0s, is 1m0s"},
		{"having", "within: 10m", "having: 1 < 2\nwithin: 10m", "having is new"},
		{"a limit", "within: 10m", "limits: {runs_per_key: 3}\nwithin: 10m", "limits was"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(carry, c.from, c.to, 1)
			if text == carry {
				t.Fatalf("the rule has no %q", c.from)
			}
			if err := put(text); err == nil || !strings.Contains(err.Error(), "`state: carry` cannot be kept: "+c.want) {
				t.Errorf("Put = %v, want %q", err, c.want)
			}
		})
	}
	if err := put(strings.Replace(carry, "within: 10m", "severity: high\nalert: {suppress: 1m}\nwithin: 10m", 1)); err != nil {
		t.Errorf("another severity and suppression: %v", err)
	}
}
