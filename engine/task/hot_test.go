package task

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
)

// hotOf counts keys and returns those with at least a share.
func hotOf(keys func(i int) string, n int, share float64) (hot map[string]HotKey, h *hotKeys) {
	t := &Task{streams: []stream{{name: "s"}}}
	h = &t.streams[0].hot
	for i := range n {
		h.count([]byte(keys(i)))
	}
	hot = map[string]HotKey{}
	for _, k := range t.HotKeys(share) {
		hot[k.Key] = k
	}
	return hot, h
}

func TestHotKeysAreFoundAmongMany(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	hot, h := hotOf(func(i int) string {
		switch p := r.Float64(); {
		case p < 0.5:
			return "half"
		case p < 0.6:
			return "tenth"
		}
		return fmt.Sprint(r.Uint64())
	}, 100_000, 0.05)
	if len(hot) != 2 {
		t.Fatalf("hot keys %v, want half and tenth", hot)
	}
	for key, want := range map[string]float64{"half": 0.5, "tenth": 0.1} {
		if k := hot[key]; k.Share < want-0.02 || k.Share-k.Over > want+0.02 {
			t.Errorf("%s has a share of %.3f, %.3f of it perhaps not its own; want %g", key, k.Share, k.Over, want)
		}
	}
	if len(h.heap) != hotKeysMax || len(h.at) != hotKeysMax {
		t.Errorf("%d counters, %d keys; want %d", len(h.heap), len(h.at), hotKeysMax)
	}
	for key, c := range h.at {
		if i := c.place; h.heap[i] != c || c.key != key || i > 0 && h.heap[(i-1)/2].count > c.count {
			t.Fatalf("counter %d of %s is out of place", i, key)
		}
	}
}

func TestHotKeysForget(t *testing.T) {
	hot, _ := hotOf(func(i int) string {
		if i < 50_000 {
			return "before"
		}
		return "now"
	}, 150_000, 0.05)
	if _, still := hot["before"]; still || hot["now"].Share < 0.95 {
		t.Errorf("hot keys %v, want now alone", hot)
	}
}

func TestHotKeysOfEvenTrafficAreNone(t *testing.T) {
	if hot, _ := hotOf(func(i int) string { return fmt.Sprint(i % 1000) }, 100_000, 0.05); len(hot) != 0 {
		t.Errorf("hot keys %v, want none", hot)
	}
	if hot, _ := hotOf(func(int) string { return "c" }, 20, 0.05); len(hot) != 0 {
		t.Errorf("hot keys %v of 20 events, want none yet", hot)
	}
}

func TestHotKeysAreWrittenAsInAlerts(t *testing.T) {
	ev := &event.Event{Values: []event.Value{event.StringOf(`a"b`), event.IntOf(7)}}
	for want, fields := range map[string][]int{`a"b`: {0}, "7": {1}, `["a\"b",7]`: {0, 1}} {
		if got := string(appendKeyText(nil, ev, fields)); got != want {
			t.Errorf("key of %v is %s, want %s", fields, got, want)
		}
	}
	var h hotKeys
	ev.Values[0] = event.StringOf(string(make([]byte, hotKeyBytesMax+1)))
	for range 100 {
		h.add(ev, []int{0})
		h.add(ev, nil)
	}
	if len(h.heap) != 0 {
		t.Error("a key over the bound, or none, is counted")
	}
}
