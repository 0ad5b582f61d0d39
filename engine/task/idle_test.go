package task

import (
	"fmt"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/engine/early"
)

// Of views that become empty the latest are kept; one that an event came to
// since is not taken back.
func TestIdleViewsAreBounded(t *testing.T) {
	o := &outlook{views: map[string]*early.View{}}
	ev := &event.Event{}
	var busy []*early.View
	for i := range 3 * idleViewsMax {
		v := o.newView(fmt.Append(nil, i))
		if o.rest(v); i%100 == 0 {
			v.Add(early.Item{Event: ev})
			busy = append(busy, v)
		}
		if most := idleViewsMax + len(busy); len(o.views) > most {
			t.Fatalf("%d views of %d keys, want at most %d", len(o.views), i+1, most)
		}
	}
	for _, v := range busy {
		if o.views[v.Key] != v {
			t.Fatalf("key %s has events and has lost its view", v.Key)
		}
		v.Pop(ev)
		o.rest(v)
	}
	if len(o.views) != idleViewsMax {
		t.Errorf("%d views are kept, want %d", len(o.views), idleViewsMax)
	}
	if last := busy[len(busy)-1]; o.views[last.Key] != last || o.views["0"] != busy[0] {
		t.Error("a view that became empty just now is not kept")
	}
}
