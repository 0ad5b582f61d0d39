package kafka

import (
	"context"
	"time"

	"github.com/caltrop/caltrop/cep/window"
	"github.com/caltrop/caltrop/engine/route"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/rules"
)

// relaying is the side of a task that runs first stages of salted rules: what they
// hand over goes to the keyed logs of the second stages, in the task's transactions.
type relaying struct {
	relay *route.Relay
	fx    route.Effects
	beat  time.Time // the last
}

// openRelays makes the keyed logs of the second stages the targets of what the
// first ones of the live rules hand over; those that are missing are created.
func (t *tenure) openRelays(ctx context.Context, set *rules.Set) error {
	if err := t.sendParts(); err != nil {
		return err
	}
	var streams []string
	for _, r := range set.Relays(t.id.Input) {
		ref := task.Ref{Name: r.Parts.Doc.Name, Revision: r.Parts.Revision}
		live, err := t.rules.Resolve(task.Set{Streams: []task.Ref{ref}})
		if err != nil {
			return err
		}
		n, err := t.cluster.ensureCurrent(ctx, set, r.Input)
		if err != nil {
			return err
		}
		t.parts.relay.Use(ref, live.Streams[0], route.Target{Name: t.cluster.CurrentLog(set, r.Input), Partitions: n, Roles: [][]int{{window.PartKey}}})
		streams = append(streams, ref.Name)
	}
	t.parts.relay.Keep(streams)
	return nil
}

// relayDue writes what waits long enough, and tells the second stages now and then
// how far the first have come.
func (t *tenure) relayDue(silent bool, now time.Time) error {
	if t.parts.relay.Open() && (silent || now.Sub(t.opened) >= frameEvery) {
		if err := t.sendParts(); err != nil {
			return err
		}
	}
	if now.Sub(t.parts.beat) < beatEvery {
		return nil
	}
	t.parts.beat = now
	t.parts.relay.Reach(t.task.Reaches())
	t.parts.relay.Beat(t.cluster.clock.micros(now), &t.parts.fx)
	return t.writeParts()
}

// hand files what a step of the task has handed over.
func (t *tenure) hand(now time.Time) error {
	if !t.parts.relay.Open() {
		t.opened = now
	}
	t.parts.relay.Take(t.fx.Parts, &t.parts.fx)
	return t.writeParts()
}

// sendParts writes all that was handed over to the open transaction.
func (t *tenure) sendParts() error {
	if !t.parts.relay.Open() {
		return nil
	}
	t.parts.relay.Reach(t.task.Reaches())
	t.parts.relay.Flush(&t.parts.fx)
	return t.writeParts()
}

func (t *tenure) writeParts() error {
	defer t.parts.fx.Reset()
	for i := range t.parts.fx.Frames {
		f := &t.parts.fx.Frames[i]
		if err := t.producer.send(record(f.Target, f.Partition, nil, f.Value)); err != nil {
			return err
		}
	}
	return nil
}
