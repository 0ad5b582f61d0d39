package task_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/engine/task"
)

// A diary remembers the ids of a key's events and raises them with each; its
// state ends 5 s after the first.
type diary struct{ runs *[]string }

func (d diary) Event(key []byte, ev *event.Event, _ uint64, s match.Store, out *match.Output) {
	*d.runs = append(*d.runs, ev.ID)
	state := slices.Clone(s.Get(key))
	if len(state) == 0 {
		s.Timer(key, ev.Time+5e6)
	}
	state = append(state, ev.ID...)
	out.Found = append(out.Found, match.Found{At: ev.Time, Event: ev, Summary: string(state)})
	s.Put(key, state)
}

func (d diary) Deadline(key []byte, _ int64, s match.Store, _ *match.Output) {
	s.Put(key, nil)
	s.Timer(key, 0)
}

// early makes an early rule of a diary.
func (r *rig) early(name string, replay int) (ref task.Ref, runs *[]string) {
	runs = &[]string{}
	ref = r.rule(name, 1, behaviour{streams: "a", key: []int{0}})
	rule := r.live[ref]
	rule.Rule.Early, rule.Rule.Limits.Replay = true, replay
	rule.Evaluator = func(*prog.Rule) match.Evaluator { return diary{runs} }
	r.live[ref] = rule
	return ref, runs
}

func TestWhatRanAheadOfTheWatermarkIsNotRunAgain(t *testing.T) {
	r := newRig(t)
	ref, runs := r.early("diary", 1000)
	r.use(ref)
	for i := range 4 { // the watermark is 10 s behind the slower partition
		r.step(fmt.Sprintf("a%d", i), "c1", float64(i), 1)
	}
	r.step("A5", "c2", 3.5, 1)
	r.step("a6", "c2", 13.2, 1)
	r.step("A7", "c2", 13.3, 1)
	r.expect("diary/1 c1 v1 at 0 a0", "diary/1 c1 v1 at 1 a0a1", "diary/1 c1 v1 at 2 a0a1a2", "diary/1 c1 v1 at 3 a0a1a2a3",
		"diary/1 c2 v1 at 3.5 A5", "diary/1 c2 v1 at 13.2 A5a6", "diary/1 c2 v1 at 13.3 A5a6A7")
	if mark, _ := r.task.Watermark("a"); mark < at(3) {
		t.Fatalf("the watermark is at %d", mark)
	}
	if !slices.Equal(*runs, []string{"a0", "a1", "a2", "a3", "A5", "a6", "A7"}) {
		t.Errorf("run were %v", *runs)
	}
}

func TestOnlyWhatComesAfterAStrayIsRunAgain(t *testing.T) {
	r := newRig(t)
	ref, runs := r.early("diary", 1000)
	r.use(ref)
	for _, i := range []int{1, 2, 4, 3} {
		r.step(fmt.Sprintf("a%d", i), "c1", float64(i), 1)
	}
	if !slices.Equal(*runs, []string{"a1", "a2", "a4", "a3", "a4"}) {
		t.Errorf("run were %v", *runs)
	}
	r.expect("diary/1 c1 v1 at 1 a1", "diary/1 c1 v1 at 2 a1a2", "diary/1 c1 v1 at 4 a1a2a4",
		"diary/1 c1 v2 at 4 a1a2a3a4", "diary/1 c1 v1 at 3 a1a2a3")
}

// A deadline that fires between two held events changes what the second finds.
func TestADeadlineBeforeAHeldEventCorrectsIt(t *testing.T) {
	r := newRig(t)
	ref, _ := r.early("diary", 1000)
	r.use(ref)
	r.step("a1", "c1", 1, 1)
	r.step("a2", "c1", 8, 1)
	r.expect("diary/1 c1 v1 at 1 a1", "diary/1 c1 v1 at 8 a1a2")
	r.end()
	r.expect("diary/1 c1 v2 at 8 a2")
}

func TestAKeyWithTooMuchToReplayGoesFinal(t *testing.T) {
	r := newRig(t)
	ref, _ := r.early("diary", 2)
	r.use(ref)
	for i := range 4 {
		r.step(fmt.Sprintf("a%d", i), "c1", float64(i), 1)
	}
	r.step("a9", "c2", 3, 1)
	r.expect("diary/1 c1 v1 at 0 a0", "diary/1 c1 v1 at 1 a0a1", "diary/1 c2 v1 at 3 a9")
	if n := r.task.Rules()[0].Counts.ReplayCapped; n != 1 {
		t.Errorf("%d keys went final, want 1", n)
	}
	r.end()
	r.expect("diary/1 c1 v1 at 2 a0a1a2", "diary/1 c1 v1 at 3 a0a1a2a3")
}
