package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/caltrop/caltrop/engine/checkpoint"
	"github.com/caltrop/caltrop/engine/route"
	"github.com/caltrop/caltrop/rules"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// savepointsEvery is how often a process looks for savepoints to take part in.
const savepointsEvery = 5 * time.Second

// lookForSavepoints finds out, until ctx ends, which savepoints are wanted of
// which tasks. A store that does not answer is asked again.
func (e *Engine) lookForSavepoints(ctx context.Context) {
	if e.opts.Savepoints == nil {
		return
	}
	known, ends := map[string]bool{}, map[string]map[string]int64{}
	for quiet := false; ctx.Err() == nil; pause(ctx, savepointsEvery) {
		wanted, err := e.opts.Savepoints.Wanted(time.Now(), known)
		if err == nil {
			err = e.handedTo(ctx, wanted, ends)
		}
		if err != nil {
			if !quiet {
				e.cluster.opts.Log.Warn("savepoints not looked for", "error", err)
			}
			quiet = true
			continue
		}
		quiet = false
		e.mu.Lock()
		e.mu.wanted = wanted
		e.mu.Unlock()
	}
}

// handedTo notes, of second stages, where their logs end now that all first ones have
// stored their parts. ends has what is known, by savepoint and topic.
func (e *Engine) handedTo(ctx context.Context, wanted map[string][]checkpoint.Want, ends map[string]map[string]int64) error {
	for part, wants := range wanted {
		for i := range wants {
			w := &wants[i]
			if !w.Fed {
				continue
			}
			input := part[:strings.LastIndexByte(part, '.')]
			topic := e.cluster.Topics().Keyed(input, w.Generation)
			at := w.Savepoint + " " + topic
			if ends[at] == nil {
				found, err := e.endsNow(ctx, topic, input)
				if err != nil {
					return err
				}
				ends[at] = found
			}
			w.Until = max(w.Until, ends[at][part])
		}
	}
	return nil
}

// endsNow returns where the partitions of an input's log end, by part.
func (e *Engine) endsNow(ctx context.Context, topic, input string) (map[string]int64, error) {
	n, err := e.cluster.Partitions(topic)
	if err != nil {
		return nil, err
	}
	var parts []string
	for p := range int32(n) {
		parts = append(parts, TaskID{Input: input, Partition: p}.Part())
	}
	ends := map[string]int64{}
	return ends, e.cluster.endsOf(ctx, map[string][]string{topic: parts}, ends)
}

// wanted returns the parts of savepoints that the task is to make.
func (e *Engine) wanted(id TaskID) []checkpoint.Want {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.mu.wanted[id.Part()]
}

// ErrNoSavepoint is matched by errors that say why the job cannot have a savepoint
// now.
var ErrNoSavepoint = errors.New("no savepoint can be made now")

// Scope returns what a savepoint of the job is of now: its tasks at all its
// processes, and where those that route are. It asks the cluster.
func (e *Engine) Scope(ctx context.Context) (checkpoint.Scope, error) {
	set := e.rules.Current()
	if err := e.savable(set); err != nil {
		return checkpoint.Scope{}, err
	}
	scope := checkpoint.Scope{Routes: map[string][]byte{}, Until: map[string]int64{}, After: map[string][]string{}}
	for _, l := range set.KeyedLogs() {
		for _, r := range set.Relays(l.Input) {
			scope.After[r.Input] = append(scope.After[r.Input], l.Input)
		}
	}
	var routes []TaskID
	logs := map[string][]string{} // parts by the topic of a keyed log, by partition
	for topic, inputs := range e.inputs() {
		n, err := e.cluster.Partitions(topic)
		if err != nil || n == 0 {
			return scope, errors.Join(fmt.Errorf("counting the tasks on topic %s: it does not exist, or kafka is away", topic), err)
		}
		for _, in := range inputs {
			for p := range int32(n) {
				id := e.task(in, p)
				if _, is := id.routed(); is {
					routes = append(routes, id) // it has no state
				} else if scope.Tasks = append(scope.Tasks, id.Part()); rules.IsKeyed(in.input) {
					scope.Generation = in.generation
					logs[topic] = append(logs[topic], id.Part())
				}
			}
		}
	}
	if err := e.routedTo(ctx, routes, scope.Routes); err != nil {
		return scope, err
	}
	return scope, e.cluster.endsOf(ctx, logs, scope.Until)
}

// savable says why the job cannot have a savepoint now; nil: it can.
func (e *Engine) savable(set *rules.Set) error {
	if s := e.cluster.scale(set); s != nil && s.Done.IsZero() {
		return fmt.Errorf("%w: a rescale to %d partitions is under way", ErrNoSavepoint, s.Partitions)
	}
	return nil
}

// routedTo notes how far routing tasks have committed; one that never has begins
// anew in a job that starts from the savepoint, as it does in this one.
func (e *Engine) routedTo(ctx context.Context, tasks []TaskID, routes map[string][]byte) error {
	var places []place
	var parts []string
	for _, id := range tasks {
		topic := e.cluster.Topics().Progress(id.Input, id.Generation)
		n, err := e.cluster.Partitions(topic)
		if err != nil {
			return err
		}
		if n > 0 {
			places, parts = append(places, place{topic, id.Partition}), append(parts, id.Part())
		}
	}
	return e.cluster.lastOf(ctx, places, func(i int, m *ck.Message) error { routes[parts[i]] = m.Value; return nil })
}

// endsOf notes where the partitions of topics end, open transactions included, under
// the names that parts has for them.
func (c *Cluster) endsOf(ctx context.Context, parts map[string][]string, ends map[string]int64) error {
	if len(parts) == 0 {
		return nil
	}
	admin, err := c.admin()
	if err != nil {
		return err
	}
	asked := map[ck.TopicPartition]ck.OffsetSpec{}
	for topic, names := range parts {
		for p := range names {
			asked[ck.TopicPartition{Topic: &topic, Partition: int32(p)}] = ck.LatestOffsetSpec
		}
	}
	answer, err := admin.ListOffsets(ctx, asked, ck.SetAdminIsolationLevel(ck.IsolationLevelReadUncommitted))
	if err != nil {
		return fmt.Errorf("asking for the ends of the keyed logs: %w", err)
	}
	for at, end := range answer.ResultInfos {
		if end.Error.Code() != ck.ErrNoError {
			return fmt.Errorf("asking for the end of %s/%d: %w", *at.Topic, at.Partition, end.Error)
		}
		ends[parts[*at.Topic][at.Partition]] = int64(end.Offset)
	}
	return nil
}

// imported is what a task of a keyed log, one of so many, that has no checkpoint takes
// over from the savepoint that the job starts from; nil: nothing.
func (t *tenure) imported(of int) (*checkpoint.Share, error) {
	if !rules.IsKeyed(t.id.Input) {
		return nil, nil
	}
	from, err := t.opts.Keeper.From()
	if err != nil { // the savepoint may be gone, once it is not needed
		if own, failed := t.opts.Keeper.Checkpointed(t.id.String()); failed == nil && own {
			return nil, nil
		}
	}
	if err != nil || from == nil {
		return nil, err
	}
	n := from.Partitions(t.id.Input)
	switch {
	case n == 0:
		return nil, nil
	case of != n && len(from.After) > 0:
		return nil, t.halt("savepoint %s/%s has %d partitions of %s, topic %s has %d: as many are needed, as a rule with hot_keys runs in two stages there (kafka.keyed_partitions of a new job)", from.Job, from.Name, n, t.id.Input, t.topic, of)
	case of%n != 0:
		return nil, t.halt("savepoint %s/%s has %d partitions of %s, topic %s has %d: as many are possible, or a multiple (kafka.keyed_partitions of a new job)", from.Job, from.Name, n, t.id.Input, t.topic, of)
	}
	part := TaskID{Input: t.id.Input, Partition: t.id.Partition % int32(n)}.Part()
	return &checkpoint.Share{Seal: from.Job + "/" + from.Name, Part: part, First: t.id.Partition < int32(n), Again: true}, nil
}

// imported returns where a routing task that has committed nothing begins: where it was
// in the savepoint that the job starts from, as far as it is in one.
func (t *routing) imported() (p route.Progress, ok bool, err error) {
	from, err := t.opts.Keeper.From()
	if err != nil || from == nil || from.Routes[t.id.Part()] == nil {
		return p, false, err
	}
	if p, err = route.DecodeProgress(from.Routes[t.id.Part()]); err != nil {
		return p, false, fmt.Errorf("savepoint %s/%s, task %s: %w", from.Job, from.Name, t.id.Part(), err)
	}
	p.Generation = 0 // the job's first
	return p, true, nil
}
