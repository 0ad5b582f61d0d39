package rules_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/caltrop/caltrop/rules"
)

// A scale is read back by every process, also by one that starts later, and the
// newest one counts.
func TestAScaleIsReadBack(t *testing.T) {
	log := &rules.MemoryLog{}
	r := start(t, log)
	asked := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	scale := rules.Scale{Job: "main", Base: 1, Before: 1, Generation: 2, Partitions: 64, Asked: asked,
		Moves: []rules.LogMove{{Log: "keyed.card", From: 32, Writers: []rules.Writer{{Stream: "payment", Partitions: 8}}}}}
	put := func(s *rules.Scale, refusal error) error {
		return r.Rescale(t.Context(), "main", func(*rules.Set) (*rules.Scale, error) { return s, refusal })
	}
	refusal := errors.New("no")
	if err := put(nil, refusal); !errors.Is(err, refusal) || r.Current().Scale("main", 1) != nil {
		t.Errorf("refused: %v, %v", err, r.Current().Scale("main", 1))
	}
	if err := put(&scale, nil); err != nil {
		t.Fatal(err)
	}
	done := scale
	done.Done = asked.Add(time.Minute)
	if err := put(&done, nil); err != nil {
		t.Fatal(err)
	}
	for _, r := range []*rules.Registry{r, start(t, log)} {
		set := r.Current()
		if got := set.Scale("main", 1); got == nil || !reflect.DeepEqual(*got, done) {
			t.Errorf("read back: %+v", got)
		}
		if set.Scale("main", 2) != nil || set.Scale("other", 1) != nil {
			t.Error("another job, or base, has one")
		}
		if set.Taken("main", 2) == nil || set.Taken("main", 1) != nil || set.Taken("main", 3) != nil {
			t.Error("generation 2, and no other, is taken")
		}
	}
	if got := done.Move("keyed.card"); got == nil || got.From != 32 || done.Move("keyed.user") != nil {
		t.Errorf("the move is %+v", got)
	}
}
