package route

import (
	"slices"

	"github.com/caltrop/caltrop/engine/task"
)

// A Relay sends what the first stages of a task hand over to the keyed logs of
// their second stages, in frames as a Router does: one for each stream of parts,
// whose source partitions are the task's and its siblings. One goroutine owns it.
// What it has taken goes into the transaction of the task's progress.
type Relay struct {
	partition  int32
	partitions int
	origin     string
	routers    []*Router
}

// NewRelay returns the relay of the task of a partition, of so many, of a topic.
func NewRelay(partition int32, partitions int, origin string) *Relay {
	return &Relay{partition: partition, partitions: partitions, origin: origin}
}

// Use makes a target that of a stream of parts. Flush comes first.
func (r *Relay) Use(ref task.Ref, stream task.Stream, to Target) {
	router := r.router(ref.Name)
	if router == nil {
		router = NewRouter(task.Source{Stream: ref.Name, Partition: r.partition, Origin: r.origin}, r.partitions, Progress{})
		r.routers = append(r.routers, router)
	}
	router.Use(ref, stream, []Target{to})
}

// Keep forgets the streams of parts that are not among those named.
func (r *Relay) Keep(streams []string) {
	r.routers = slices.DeleteFunc(r.routers, func(x *Router) bool { return !slices.Contains(streams, x.head.Source.Stream) })
}

func (r *Relay) router(stream string) *Router {
	i := slices.IndexFunc(r.routers, func(x *Router) bool { return x.head.Source.Stream == stream })
	if i < 0 {
		return nil
	}
	return r.routers[i]
}

// Take files what a step of the task has handed over. Parts of a rule that is not
// live any more go nowhere.
func (r *Relay) Take(parts []task.Part, out *Effects) {
	for i := range parts {
		if router := r.router(parts[i].Stream); router != nil {
			router.ev = *parts[i].Event
			router.route(parts[i].Event.Offset, out)
		}
	}
}

// Reach says how far the task has come after what was taken.
func (r *Relay) Reach(all []task.Reach) {
	for _, at := range all {
		if router := r.router(at.Stream); router != nil {
			router.at.Mark = max(router.at.Mark, at.Mark)
		}
	}
}

// Open reports whether parts wait in a frame for Flush.
func (r *Relay) Open() bool {
	return slices.ContainsFunc(r.routers, func(x *Router) bool { return x.open })
}

// Flush closes all frames that have rows.
func (r *Relay) Flush(out *Effects) {
	for _, x := range r.routers {
		x.Flush(out)
	}
}

// Beat tells, at a time in µs, the partitions that were sent nothing for BeatEvery
// how far the task has come.
func (r *Relay) Beat(now int64, out *Effects) {
	for _, x := range r.routers {
		x.Beat(now, false, out)
	}
}
