package rules_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/rules"
)

const trustedList = `apiVersion: caltrop/v1
kind: List
name: trusted
attributes: {ceiling: decimal(2), tags: list(string)}
entries:
  a: {ceiling: 10.50, tags: [x, y]}
  "7": {}
`

// TestListVersionsAreJournaled: a switch names the versions of the lists that
// its rules read, and an older one is had again for a replay (language §8).
func TestListVersionsAreJournaled(t *testing.T) {
	r := start(t, &rules.MemoryLog{})
	putStream(t, r, "payment", paymentStream)
	put := func(text string) *rules.Revision {
		t.Helper()
		rev, _, err := r.Put(t.Context(), rules.Change{Kind: rules.KindList, Name: "trusted", Text: []byte(text)})
		if err != nil {
			t.Fatal(err)
		}
		return rev
	}
	put(trustedList)
	text := strings.Replace(probeRule(5), "amount > 500", `'!in_list("trusted", card_id)'`, 1)
	if _, _, err := putRule(r, text, rules.Condition{}); err != nil {
		t.Fatal(err)
	}
	before := r.Current().Restrict("payment").Names()
	if want := []task.Ref{{Name: "trusted", Revision: 1}}; !reflect.DeepEqual(before.Lists, want) {
		t.Fatalf("lists of the switch: %v, want %v", before.Lists, want)
	}
	rev, created, err := r.PutEntry(t.Context(), "trusted", rules.ListEntry{Value: "b"}, rules.Condition{})
	if err != nil || !created || rev.Revision != 2 {
		t.Fatalf("put entry: %v, %v, %v", rev, created, err)
	}
	after := r.Current().Restrict("payment").Names()
	for _, c := range []struct {
		set     task.Set
		entries int
	}{{before, 2}, {after, 3}, {before, 2}} {
		live, err := r.Resolve(c.set)
		if err != nil || len(live.Lists) != 1 || live.Lists[0].Len() != c.entries {
			t.Errorf("%v resolves to %v, %v; want a list of %d entries", c.set.Lists, live, err, c.entries)
		}
	}
	if s := r.Current().Restrict("other").Names(); s.Lists != nil {
		t.Errorf("a task without rules has the lists %v", s.Lists)
	}
	before.Lists = nil
	if _, err := r.Resolve(before); err == nil {
		t.Error("a rule is resolved without the list that it reads")
	}
}

// TestEntriesKeepTheirList: editing entries keeps the rest of the document.
func TestEntriesKeepTheirList(t *testing.T) {
	r := start(t, &rules.MemoryLog{})
	for name, text := range map[string]string{"trusted": trustedList,
		"bins": "apiVersion: caltrop/v1\nkind: List\nname: bins\ntitle: Bank numbers\nkey: int\ntags: [cnp]\nentries: [4111, 5222]\n"} {
		if _, _, err := r.Put(t.Context(), rules.Change{Kind: rules.KindList, Name: name, Text: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := r.PutEntry(t.Context(), "bins", rules.ListEntry{Value: "6333"}, rules.Condition{}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.PutEntry(t.Context(), "bins", rules.ListEntry{Value: "x"}, rules.Condition{}); err == nil {
		t.Error("a text is put into a list of numbers")
	}
	if err := r.DeleteEntry(t.Context(), "bins", "4111", rules.Condition{}); err != nil {
		t.Fatal(err)
	}
	if err := r.DeleteEntry(t.Context(), "trusted", "7", rules.Condition{}); err != nil {
		t.Fatal(err)
	}
	bins, trusted := r.Current().List("bins"), r.Current().List("trusted")
	if bins.Doc.Title != "Bank numbers" || bins.Doc.Key != "int" || len(bins.Doc.Tags) != 1 || bins.Table.Len() != 2 || bins.Revision != 3 {
		t.Errorf("bins is %+v of %d entries at revision %d", bins.Doc, bins.Table.Len(), bins.Revision)
	}
	e, _, err := r.Entry("trusted", "a")
	if want := map[string]any{"ceiling": 10.5, "tags": []string{"x", "y"}}; err != nil || !reflect.DeepEqual(e.Attributes, want) || trusted.Table.Len() != 1 {
		t.Errorf("entry a: %v, %v, of %d; want %v", e, err, trusted.Table.Len(), want)
	}
}
