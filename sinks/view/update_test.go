package view_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/sinks/view"
)

func update() view.Update {
	return view.Update{View: "card-session", Revision: 2, Key: []event.Value{event.StringOf("c\"1")}, Status: view.Open, Version: 1_767_225_600_000_001,
		At: 1_767_225_600_000_000, Start: 1_767_225_590_000_000, Last: 1_767_225_599_000_000, End: 1_767_225_629_000_000, Events: 3, Approx: true,
		Values: []view.Value{{Name: "n", Value: event.IntOf(3)}, {Name: "shop", Value: event.StringOf("a")}}, To: []string{"redis"}}
}

func TestJSON(t *testing.T) {
	open, empty := update(), view.Update{View: "v", Revision: 1, Key: []event.Value{event.IntOf(7), event.BoolOf(true)}, KeyList: true,
		Status: view.Empty, Version: 2, At: 1_767_225_600_000_000, To: []string{"kafka", "cassandra"}}
	for _, c := range []struct {
		update *view.Update
		key    string
		json   string
	}{
		{&open, `card-session/c"1`, `{"view":"card-session","revision":2,"key":"c\"1","status":"open","version":1767225600000001,"at":"2026-01-01T00:00:00.000000Z",` +
			`"start":"2025-12-31T23:59:50.000000Z","last":"2025-12-31T23:59:59.000000Z","end":"2026-01-01T00:00:29.000000Z","events":3,` +
			`"values":{"n":3,"shop":"a"},"truncated":false,"approximate":true,"to":["redis"]}`},
		{&empty, `v/[7,true]`, `{"view":"v","revision":1,"key":[7,true],"status":"empty","version":2,"at":"2026-01-01T00:00:00.000000Z","events":0,"values":{},` +
			`"truncated":false,"to":["kafka","cassandra"]}`},
	} {
		if got := string(c.update.AppendJSON(nil)); got != c.json {
			t.Errorf("got  %s\nwant %s", got, c.json)
		}
		if got := string(c.update.RecordKey()); got != c.key {
			t.Errorf("record key %s, want %s", got, c.key)
		}
		fitsSchema(t, c.update)
	}
}

func fitsSchema(t *testing.T, u *view.Update) {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile("../../docs/schema/view.v1.json")
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(u.AppendJSON(nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(v); err != nil {
		t.Error(err)
	}
}

// TestFit: the longest values go first, and the update says so.
func TestFit(t *testing.T) {
	u := update()
	u.Values = append(u.Values, view.Value{Name: "long", Value: event.StringOf(strings.Repeat("x", 40_000))},
		view.Value{Name: "longer", Value: event.StringOf(strings.Repeat("\x01", 10_000))})
	shared := u.Values
	u.Fit(view.BytesMax)
	if len(u.Values) != 3 || u.Values[2].Name != "long" || !u.Truncated {
		t.Errorf("%d values are left, truncated %v, want the three shorter ones", len(u.Values), u.Truncated)
	}
	if shared[3].Name != "longer" {
		t.Error("the values of the caller were changed")
	}
	if n := len(u.AppendJSON(nil)); n > view.BytesMax {
		t.Errorf("%d bytes are left", n)
	}
}
