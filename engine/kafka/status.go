package kafka

import (
	"errors"
	"fmt"
	"time"

	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/engine/partitioner"
	"github.com/caltrop/caltrop/engine/task"
)

// HotShare is the part of a task's traffic from which on a key is told as hot.
const HotShare = 0.05

// A State is what a task is doing.
type State string

// The states of a task, in the order it passes through them.
const (
	StateAcquiring State = "acquiring" // fencing the previous owner
	StateRestoring State = "restoring" // opening the newest checkpoint
	StateReplaying State = "replaying" // repeating what was committed since, in silence
	StateLive      State = "live"
	StatePaused    State = "paused"   // live, but not reading: there is no room for its state, no schema, or it is too far ahead
	StateWaiting   State = "waiting"  // for a task of the generation before to be sealed
	StateSealed    State = "sealed"   // its log is left and its state stored: another generation goes on
	StateRetrying  State = "retrying" // waiting to start over after an error
	StateHalted    State = "halted"   // stopped until someone acts
)

// A TaskStatus is how one task of this process is doing.
type TaskStatus struct {
	ID              TaskID
	Topic           string
	State           State
	Reason          string    // of StatePaused, StateRetrying and StateHalted
	Entered         time.Time // the state
	Position        task.Position
	Lag             int64 // records between the position and the end of the partition, as last seen
	Watermark       int64 // µs; 0 when the stream has shown no event
	Counts          task.Counts
	Misplaced       partitioner.Misplaced // records that their stream's partitioner puts elsewhere
	HeldBytes       int64                 // of the events that wait for the watermark
	Hot             []task.HotKey         // that bring at least HotShare of their stream's traffic here
	Since           time.Time             // when it last went live; zero: it has not
	Checkpoint      time.Time             // when the last one was made by this owner; zero: none yet
	CheckpointAt    task.Position         // where the task was when it was known to be made
	CheckpointError string                // of the last attempt; "" when it went well
	CheckpointFails time.Time             // when the first attempt since one that went well failed
	RulesVersion    int64                 // of the rule set that is live in the task
	Rules           []task.RuleStatus     // at work; nil of a routing task
	Warming         *WarmUp               // rules on their way in; nil: none
}

// say tells the engine what the task is doing.
func (t *tenure) say(state State, reason string) {
	if state == StateLive && t.status.Since.IsZero() {
		t.status.Since = time.Now()
	}
	if t.status.State != state {
		t.status.Entered = time.Now()
	}
	t.status.State, t.status.Reason = state, reason
	t.publish(time.Now())
}

// publishAt publishes when the last time is long enough ago.
func (t *tenure) publishAt(now time.Time) {
	if now.Sub(t.published) >= publishEvery {
		t.publish(now)
	}
}

func (t *tenure) publish(now time.Time) {
	t.published = now
	t.status.ID, t.status.Topic = t.id, t.topic
	if t.task != nil {
		t.status.Position, t.status.Counts, t.status.HeldBytes = t.task.Position(), t.task.Counts(), t.task.HeldBytes()
		t.misplaced(t.task.Misplaced())
		t.status.Hot = t.task.HotKeys(HotShare)
		t.countHastened(t.status.Counts.Hastened)
		t.countTotals()
		t.status.Watermark = t.watermark()
		t.status.Rules, t.status.Warming = t.task.Rules(), t.warmUp()
	}
	if t.reader != nil && *t.reader.place.Topic == t.topic { // else it reads what is the task's own
		t.status.Lag = t.reader.lag(t.status.Position.Offset)
	}
	t.report(t.status)
}

// watermark is the least of the task's streams; 0 while one has shown nothing.
func (t *tenure) watermark() int64 {
	least := int64(0)
	for i, ref := range t.task.Set().Streams {
		at, ok := t.task.Watermark(ref.Name)
		if ref.Name == prog.AlertsStream {
			continue
		}
		if !ok {
			return 0
		}
		if i == 0 || at < least {
			least = at
		}
	}
	return least
}

// end makes the end of the tenure known.
func (t *tenure) end(state State, err error) {
	t.task, t.reader = nil, nil // closed; the last published position stands
	t.say(state, err.Error())
}

// countHastened counts what came since the task went live: a replay repeats
// what was counted before.
func (t *tenure) countHastened(now uint64) {
	if t.status.State != StateLive && t.status.State != StatePaused {
		return
	}
	if t.live.hastened != nil {
		t.opts.Metrics.hasten(t.id.Input, now-*t.live.hastened)
	}
	t.live.hastened = &now
}

// A Status is how the engine of this process is doing.
type Status struct {
	Reachable bool      // a broker answered when last asked
	Silent    time.Time // since when the group has not said which partitions are this process's; zero: it has
	Err       error     // why not, else why there are no tasks yet
	Missing   []string  // topics of streams that do not exist, in order
	Tasks     []TaskStatus
}

// silentMax is how long the group may take to give partitions, or none.
const silentMax = 15 * time.Second

// Ready returns nil when the engine reaches Kafka, has its part of the partitions,
// and no task of it is waiting after an error or halted, else why it is not ready.
func (s *Status) Ready() error {
	if s.Err != nil {
		return s.Err
	}
	if !s.Reachable {
		return errors.New("kafka has not answered yet")
	}
	if !s.Silent.IsZero() && time.Since(s.Silent) > silentMax {
		return fmt.Errorf("the consumer group has given this process no partitions since %s", s.Silent.UTC().Format(time.RFC3339))
	}
	for _, t := range s.Tasks {
		if t.State == StateRetrying || t.State == StateHalted {
			return fmt.Errorf("task %s is %s: %s", t.ID, t.State, t.Reason)
		}
	}
	return nil
}
