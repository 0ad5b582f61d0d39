package rules_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/rules"
)

const cardProfile = `apiVersion: caltrop/v1
kind: Profile
name: card-habits
key: card_id
stream: payment
keep: 30d
values: {daily: sum(amount) / 30}
`

// TestProfilesInTheLog: a profile is stored before the rules that read it,
// journaled with them, changes as far as they compile, and is not deleted while they
// are live.
func TestProfilesInTheLog(t *testing.T) {
	r := start(t, &rules.MemoryLog{})
	putStream(t, r, "payment", paymentStream)
	put := func(text string) error {
		_, _, err := r.Put(t.Context(), rules.Change{Kind: rules.KindProfile, Name: "card-habits", Text: []byte(text)})
		return err
	}
	rule := strings.Replace(probeRule(5), "amount > 500", "amount > 5 * profile.card_habits.daily", 1)
	var invalid *rules.InvalidError
	if _, _, err := putRule(r, rule, rules.Condition{}); !errors.As(err, &invalid) || invalid.Problems[0].Detail != "unknown profile card_habits" {
		t.Errorf("a rule before its profile: %v", err)
	}
	if err := put(cardProfile); err != nil {
		t.Fatal(err)
	}
	if err := put(strings.Replace(cardProfile, "30d", "60d", 1)); err != nil {
		t.Errorf("a change without rules: %v", err)
	}
	if _, _, err := putRule(r, rule, rules.Condition{}); err != nil {
		t.Fatal(err)
	}
	names := r.Current().Restrict("payment").Names()
	if want := []task.Ref{{Name: "card-habits", Revision: 2}}; !reflect.DeepEqual(names.Profiles, want) {
		t.Errorf("profiles of the switch: %v, want %v", names.Profiles, want)
	}
	if live, err := r.Resolve(names); err != nil || len(live.Rules) != 1 || live.Rules[0].Rule.Profiles[0].Panes != 60 {
		t.Errorf("the switch resolves to %+v, %v", live, err)
	}
	inUse := func(what string, err error) {
		t.Helper()
		var e *rules.InUseError
		if !errors.As(err, &e) {
			t.Errorf("%s under a live rule: %v", what, err)
		}
	}
	if err := put(strings.Replace(cardProfile, "daily:", "weekly:", 1)); !errors.As(err, &invalid) || !strings.Contains(err.Error(), "rule probe, which is live, would not compile") {
		t.Errorf("a change that the live rule cannot go along with: %v", err)
	}
	if err := put(cardProfile); err != nil {
		t.Errorf("a change under a live rule: %v", err)
	}
	inUse("a deletion", r.Delete(t.Context(), rules.KindProfile, "card-habits", rules.Condition{}))
	if err := r.Delete(t.Context(), rules.KindRule, "probe", rules.Condition{}); err != nil {
		t.Fatal(err)
	}
	inUse("the deletion of its stream", r.Delete(t.Context(), rules.KindStream, "payment", rules.Condition{}))
	if err := r.Delete(t.Context(), rules.KindProfile, "card-habits", rules.Condition{}); err != nil {
		t.Errorf("a deletion without rules: %v", err)
	}
}
