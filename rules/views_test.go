package rules_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/rules"
)

const cardView = `apiVersion: caltrop/v1
kind: View
name: card-session
key: card_id
window: {stream: payment, session: 30m}
values: {n: count(), total: sum(amount)}
to: [redis]
`

// TestViewsInTheLog: a view is stored like a rule, journaled by its revision,
// and what it reads is not deleted while it is there.
func TestViewsInTheLog(t *testing.T) {
	r := start(t, &rules.MemoryLog{})
	putStream(t, r, "payment", paymentStream)
	put := func(k rules.Kind, name, text string) error {
		_, _, err := r.Put(t.Context(), rules.Change{Kind: k, Name: name, Text: []byte(text)})
		return err
	}
	if err := put(rules.KindView, "card-session", cardView); err != nil {
		t.Fatal(err)
	}
	inUse := func(what string, err error) {
		t.Helper()
		var e *rules.InUseError
		if !errors.As(err, &e) || !reflect.DeepEqual(e.Views, []string{"card-session"}) {
			t.Errorf("%s under a view: %v", what, err)
		}
	}
	inUse("the deletion of the stream", r.Delete(t.Context(), rules.KindStream, "payment", rules.Condition{}))
	if err := put(rules.KindProfile, "card-habits", cardProfile); err != nil {
		t.Fatal(err)
	}
	with := strings.Replace(cardView, "stream: payment", "stream: payment, where: amount > profile.card_habits.daily", 1)
	if err := put(rules.KindView, "card-session", with); err != nil {
		t.Fatal(err)
	}
	names := r.Current().Restrict("payment").Names()
	if want := []task.Ref{{Name: "card-session", Revision: 2}}; !reflect.DeepEqual(names.Views, want) || len(names.Profiles) != 1 {
		t.Errorf("the switch has views %v and profiles %v, want views %v and the profile that they read", names.Views, names.Profiles, want)
	}
	live, err := r.Resolve(names)
	if err != nil || len(live.Views) != 1 || live.Views[0].Revision != 2 {
		t.Errorf("the switch resolves to %+v, %v", live, err)
	}
	first := names
	first.Views = []task.Ref{{Name: "card-session", Revision: 1}}
	if live, err := r.Resolve(first); err != nil || len(live.Views[0].View.Rule.Profiles) != 0 {
		t.Errorf("the switch before resolves to %+v, %v", live, err)
	}
	if err := put(rules.KindProfile, "card-habits", strings.Replace(cardProfile, "30d", "60d", 1)); err != nil {
		t.Errorf("a change of the profile under a view: %v", err)
	}
	inUse("the deletion of the profile", r.Delete(t.Context(), rules.KindProfile, "card-habits", rules.Condition{}))
	if err := r.Delete(t.Context(), rules.KindView, "card-session", rules.Condition{}); err != nil {
		t.Fatal(err)
	}
	if err := r.Delete(t.Context(), rules.KindProfile, "card-habits", rules.Condition{}); err != nil {
		t.Errorf("a deletion without views: %v", err)
	}
}
