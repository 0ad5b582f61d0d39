package enginetest

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/engine/state"
	"github.com/caltrop/caltrop/engine/task"
)

// Faults 22 and 27: records that cannot become events are dead letters with a
// reason; the offset advances, the watermark does not move, and the honest
// events around them are not late.
func TestT22T27Poison(t *testing.T) {
	const now = int64(scriptStart)
	stamped := func(ts int64) string {
		return fmt.Sprintf(`{"event_id":"x","card":"c1","ts":%d,"amount":1.0,"status":"ok"}`, ts)
	}
	for _, c := range []struct {
		name   string
		value  []byte
		reason event.Reason
	}{
		{"a null value", nil, event.NullValue},
		{"an empty value", []byte{}, event.BadJSON},
		{"invalid UTF-8", []byte("{\"card\":\"\xff\"}"), event.InvalidUTF8},
		{"a value of 10 MB", bytes.Repeat([]byte(" "), 10<<20), event.TooLarge},
		{"a truncated gzip", []byte("\x1f\x8b\x08\x00\x00"), event.InvalidUTF8},
		{"nested too deep", bytes.Repeat([]byte("["), 1000), event.TooDeep},
		{"no object", []byte(`[1]`), event.NotObject},
		{"no key", []byte(fmt.Sprintf(`{"event_id":"x","ts":%d,"amount":1.0,"status":"ok"}`, now)), event.MissingKey},
		{"a wrong type", []byte(fmt.Sprintf(`{"event_id":"x","card":"c1","ts":%d,"amount":"much","status":"ok"}`, now)), event.WrongType},
		{"time 0", []byte(stamped(0)), event.BadTime},
		{"a negative time", []byte(stamped(-now)), event.BadTime},
		{"the greatest time", []byte(stamped(math.MaxInt64)), event.BadTime},
		{"seconds for milliseconds", []byte(stamped(now / 1000)), event.BadTime},
		{"microseconds for milliseconds", []byte(stamped(now * 1000)), event.BadTime},
		{"ten years ahead", []byte(stamped(now + 10*365*24*3600*1000)), task.Future},
	} {
		t.Run(c.name, func(t *testing.T) { poison(t, c.value, c.reason, stamped(now)) })
	}
}

func poison(t *testing.T, value []byte, reason event.Reason, honest string) {
	lib := library(t)
	tk := task.New(task.Config{Resolver: lib, State: state.NewMemory(), Sources: []task.Source{{Stream: "payment"}}})
	var eff task.Effects
	if err := tk.Apply(task.Entry{Kind: task.Switch, Set: lib.Set(task.Ref{Name: "failures", Revision: 1})}, &eff); err != nil {
		t.Fatal(err)
	}
	for i, v := range [][]byte{[]byte(honest), value, bytes.Replace([]byte(honest), []byte(`"x"`), []byte(`"y"`), 1)} {
		r := task.Record{Offset: int64(i), SourceOffset: int64(i), Value: v, Now: scriptStart * 1000}
		if err := tk.Step(&r, &eff); err != nil {
			t.Fatal(err)
		}
	}
	if len(eff.Dead) != 1 || eff.Dead[0].Reason != reason || eff.Dead[0].Offset != 1 {
		t.Errorf("dead letters %+v, want one of %s", eff.Dead, reason)
	}
	if c := tk.Counts(); c.Accepted != 2 || c.Late != 0 || tk.Position().Offset != 3 {
		t.Errorf("%+v at %+v, want both honest events accepted and all three records read", c, tk.Position())
	}
}
