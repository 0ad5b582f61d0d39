// Package route is the first hop of events whose rules are not keyed as their
// topics are: a Router turns the records of one source partition into frames
// for the partitions of keyed logs. It is a function of the records and of the
// stream's revision, and has no clock, goroutine or I/O; package kafka drives
// it and writes its frames and its progress in one transaction. It drops
// nothing by rule: what a stream declares goes to every log that the stream is
// keyed for.
package route

import (
	"errors"
	"slices"

	"github.com/zeebo/xxh3"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/engine/partitioner"
	"github.com/caltrop/caltrop/engine/task"
)

const (
	// FrameBytesMax is when a frame is closed: it holds at most this and one row.
	FrameBytesMax = 64 << 10
	// BeatEvery is the time, in µs, after which a keyed partition that was sent
	// nothing is told how far the source has come.
	BeatEvery = 1_000_000
)

// PartitionOf returns the partition of n that the events of a key lie in.
func PartitionOf(key []byte, n int) int32 { return int32(xxh3.Hash(key) % uint64(n)) }

// A Target is one keyed log that a stream goes to.
type Target struct {
	Name       string
	Partitions int
	// Roles are the key projections under which the stream is read there:
	// positions in its schema. An event goes once to the partition of each key.
	Roles [][]int
	// Salts is by how many salts each key is spread; 0: it is not. The salt is
	// task.SaltOf.
	Salts int
}

// Effects is what one call wants done. The caller resets it between calls.
type Effects struct {
	Frames []Frame
	Late   []task.Rejected // their bytes are the record's
	Dead   []task.Rejected // likewise
}

// A Frame is a record for one partition of a keyed log. It owns its memory.
type Frame struct {
	Target    string
	Partition int32
	Value     []byte // AppendFrame's
}

// Empty reports whether nothing needs to be written.
func (e *Effects) Empty() bool { return len(e.Frames)+len(e.Late)+len(e.Dead) == 0 }

// Reset empties the effects and keeps their space.
func (e *Effects) Reset() {
	clear(e.Frames)
	clear(e.Late)
	clear(e.Dead)
	e.Frames, e.Late, e.Dead = e.Frames[:0], e.Late[:0], e.Dead[:0]
}

// A Router reads one partition of one stream. One goroutine owns it.
type Router struct {
	head    Header
	stream  task.Stream
	logs    []target
	check   *partitioner.Check // nil: there is nothing to compare
	at      Progress
	counts  Counts
	open    bool // some frame has rows
	base    origin
	ev      event.Event
	key     []byte
	row     []byte
	visited []int32
}

// Counts are totals of a router since it was made.
type Counts struct {
	Records uint64
	Routed  uint64 // events that went to at least one log
	Late    uint64
	Dead    uint64
	NoKey   uint64 // events that lack every key of a log, counted once a log
}

// A target is a Target with its frames, by partition.
type target struct {
	Target
	frames []pending
}

// A pending frame has its rows, but no header yet.
type pending struct {
	rows []byte
	n    int
	mark int64 // that was sent last
	sent int64 // when, in µs
}

// NewRouter returns a router of a source of so many partitions that goes on
// after p. Use must follow.
func NewRouter(source task.Source, partitions int, p Progress) *Router {
	return &Router{head: Header{Source: source, Partitions: partitions}, at: p}
}

// Use makes a stream revision and its targets those of the records to come.
// No frame may have rows: Flush comes first.
func (r *Router) Use(ref task.Ref, stream task.Stream, targets []Target) {
	r.stream, r.head.Ref, r.head.Fingerprint = stream, ref, stream.Schema.Fingerprint()
	r.check = partitioner.NewCheck(stream.Doc, stream.Schema, r.head.Partitions)
	was := r.logs
	r.logs = make([]target, len(targets))
	for i := range targets {
		r.logs[i] = target{Target: targets[i], frames: make([]pending, targets[i].Partitions)}
		at := slices.IndexFunc(was, func(w target) bool { return w.Name == targets[i].Name && w.Partitions == targets[i].Partitions })
		if at >= 0 {
			r.logs[i].frames = was[at].frames
		}
	}
}

// Progress is how far the router has read.
func (r *Router) Progress() Progress { return r.at }

// Counts returns the totals.
func (r *Router) Counts() Counts { return r.counts }

// Decoder is that of the stream.
func (r *Router) Decoder() task.Decoder { return r.stream.Decoder }

// Open reports whether events wait in a frame for Flush.
func (r *Router) Open() bool { return r.open }

// Step reads one record: its Offset, Key, Value, and Append or Now. Append, the
// broker's time, counts as now where there is one. A frame that is full is in
// the effects, the others wait for Flush.
func (r *Router) Step(rec *task.Record, out *Effects) {
	r.counts.Records++
	r.at.Next, r.at.Idle = rec.Offset+1, 0
	ev := &r.ev
	if rec.NoSchema {
		r.dead(rec, event.UnknownSchema, "the schema registry has no schema of its id", 0, out)
		return
	}
	if err := r.stream.Decoder.Decode(rec.Value, ev); err != nil {
		r.fault(rec, err, out)
		return
	}
	if r.check != nil {
		r.at.Misplaced.Note(r.head.Ref.Revision, rec.Offset, r.check.Of(r.head.Source.Partition, rec.Key, ev))
	}
	now := rec.Append
	if now == 0 {
		now = rec.Now
	}
	at := ev.Time
	if now != 0 && at > now {
		if at-now > r.stream.Doc.MaxFuture.Microseconds() {
			r.dead(rec, task.Future, "stamped more than max_future ahead of now", at, out)
			return
		}
		at = now
	}
	if r.at.Mark != 0 && ev.Time <= r.at.Mark {
		r.counts.Late++
		out.Late = append(out.Late, rejected(rec, task.LatePartition, "", ev.Time).Shown(r.stream.Doc.Private()))
		return
	}
	if r.at.Mark == 0 {
		r.at.First = r.watermark(at)
	}
	r.at.Mark = max(r.at.Mark, r.watermark(at))
	r.route(rec.Offset, out)
}

// watermark is that of a partition whose greatest event time is at.
func (r *Router) watermark(at int64) int64 { return at - r.stream.Doc.Lateness.Microseconds() - 1 }

func (r *Router) fault(rec *task.Record, err error, out *Effects) {
	var fault *event.Fault
	if !errors.As(err, &fault) {
		r.dead(rec, task.Undecodable, err.Error(), 0, out)
		return
	}
	r.dead(rec, fault.Reason, fault.Text(), 0, out)
}

func (r *Router) dead(rec *task.Record, reason event.Reason, detail string, at int64, out *Effects) {
	r.counts.Dead++
	out.Dead = append(out.Dead, rejected(rec, reason, detail, at).Shown(r.stream.Doc.Private()))
}

func rejected(rec *task.Record, reason event.Reason, detail string, at int64) task.Rejected {
	return task.Rejected{Reason: reason, Detail: detail, Offset: rec.Offset, Time: at, Key: rec.Key, Value: rec.Value}
}

// route files the event under each of its keys.
func (r *Router) route(offset int64, out *Effects) {
	if !r.open {
		r.base = origin{time: r.ev.Time, offset: offset}
	}
	r.row = r.row[:0]
	routed := false
	for i := range r.logs {
		to := &r.logs[i]
		r.visited = r.visited[:0]
		for _, fields := range to.Roles {
			key, ok := task.AppendKey(r.key[:0], &r.ev, fields)
			r.key = key
			if !ok {
				continue
			}
			if to.Salts > 0 {
				key = append(key, task.SaltOf(&r.ev, offset, to.Salts))
				r.key = key
			}
			if p := PartitionOf(key, to.Partitions); !slices.Contains(r.visited, p) {
				r.visited = append(r.visited, p)
				r.file(to, p, offset, out)
			}
		}
		if len(r.visited) == 0 {
			r.counts.NoKey++
		}
		routed = routed || len(r.visited) > 0
	}
	if routed {
		r.counts.Routed++
	}
}

// file adds the event to one frame, which it closes when it is full.
func (r *Router) file(to *target, partition int32, offset int64, out *Effects) {
	if len(r.row) == 0 {
		r.row = appendRow(r.row, &r.ev, offset, r.base)
	}
	f := &to.frames[partition]
	f.rows = append(f.rows, r.row...)
	f.n++
	r.open = true
	if len(f.rows) >= FrameBytesMax {
		r.close(to, partition, 0, out)
	}
}

// close makes a frame of what waits for a keyed partition, and of how far the
// source has come.
func (r *Router) close(to *target, partition int32, idle int64, out *Effects) {
	f := &to.frames[partition]
	r.head.Mark, r.head.Idle = r.at.Mark, idle
	value := appendFrame(make([]byte, 0, headerBytes+len(f.rows)), &r.head, r.base, f.n, f.rows)
	out.Frames = append(out.Frames, Frame{Target: to.Name, Partition: partition, Value: value})
	f.rows, f.n, f.mark = f.rows[:0], 0, r.at.Mark
	f.sent = 0
}

// Leave tells every partition of keyed logs that the source sends nothing more
// to them: the barrier behind which the generation of the number given begins.
// The caller commits it together with the progress, which has that number, and
// with Use makes the logs of that generation the targets. No frame may have
// rows: Flush comes first.
func (r *Router) Leave(logs []Target, generation int, out *Effects) {
	head := r.head
	head.Mark, head.Idle, head.Last = r.at.Mark, 0, true
	for i := range logs {
		for p := range logs[i].Partitions {
			value := appendFrame(make([]byte, 0, headerBytes), &head, origin{}, 0, nil)
			out.Frames = append(out.Frames, Frame{Target: logs[i].Name, Partition: int32(p), Value: value})
		}
	}
	r.at.Generation = generation
}

// Flush closes all frames that have rows.
func (r *Router) Flush(out *Effects) {
	for i := range r.logs {
		for p := range r.logs[i].frames {
			if r.logs[i].frames[p].n > 0 {
				r.close(&r.logs[i], int32(p), 0, out)
			}
		}
	}
	r.open = false
}

// Beat tells, at a time in µs, the keyed partitions that were sent nothing for
// BeatEvery how far the source has come, where they do not know. With idle, the
// partition has been silent at its end for the stream's idle time: all are
// told, and that the clock counts. Events that wait go with it.
func (r *Router) Beat(now int64, idle bool, out *Effects) {
	by := int64(0)
	if idle {
		by = r.watermark(now)
		r.at.Idle = by
	}
	for i := range r.logs {
		for p := range r.logs[i].frames {
			f := &r.logs[i].frames[p]
			if f.sent == 0 {
				f.sent = now
			}
			if idle || f.mark < r.at.Mark && now-f.sent >= BeatEvery {
				r.close(&r.logs[i], int32(p), by, out)
				f.sent = now
			}
		}
	}
	if idle {
		r.open = false
	}
}
