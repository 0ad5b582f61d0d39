package expr

import (
	"reflect"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
)

func TestJoins(t *testing.T) {
	sc := where()
	hit := sc.Event
	at := func(name string) int { return hit.Index(name) }
	for src, want := range map[string][]Join{
		`status == hit.status`:                                  {{at("status"), 0, at("status")}},
		`hit.status == status && amount > 5`:                    {{at("status"), 0, at("status")}},
		`status == hit.status || amount > 5`:                    nil,
		`!(status == hit.status)`:                               nil,
		`amount == hit.amount`:                                  nil,
		`status == "a"`:                                         nil,
		`amount > hit.amount && time > hit.time`:                nil,
		`amount > 1 && (status == hit.status && amount < 5)`:    {{at("status"), 0, at("status")}},
		`status == hit.status && status == hit.status + "more"`: {{at("status"), 0, at("status")}},
	} {
		if p := mustCompile(t, src, event.Bool, sc); !reflect.DeepEqual(p.Joins, want) {
			t.Errorf("%s: got %v, want %v", src, p.Joins, want)
		}
	}
}
