package offline_test

import (
	"strings"
	"testing"

	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/rules/offline"
)

// Over events that end nobody reads a topic: an empty list in its place would
// make other alerts without a word.
func TestAListFromATopicIsRefused(t *testing.T) {
	set, problems := rules.Check(nil, rules.Source{Name: "stolen", Text: []byte("apiVersion: caltrop/v1\nkind: List\nname: stolen\ntopic: stolen-cards\n")})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	_, err := offline.New(set, offline.Options{})
	if want := "list stolen is read from topic stolen-cards"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a run of it begins with %v, want %q", err, want)
	}
}
