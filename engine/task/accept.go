package task

import (
	"errors"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/engine/partitioner"
)

// A source is one partition with its watermark.
type source struct {
	Source
	stream int
	mark   int64
	idle   int64 // the watermark that its reader's clock gives while it is silent; 0: it is not
	next   int64 // the least offset that may come next, in a keyed log
	left   bool  // it sends nothing more to the keyed log
	again  bool  // it begins before next: what comes until there was accepted
}

// A stream is what a task knows of one stream.
type stream struct {
	name      string
	sources   []int
	mark      int64 // the watermark, never back
	begun     int64 // where it was when the task's log began: events up to there may not be in the log; 0: all are
	live      *Stream
	ref       Ref
	lateness  int64              // µs
	maxFuture int64              // µs
	keyFields []int              // of the partition key
	check     *partitioner.Check // nil: there is nothing to compare
	readers   []reader
	seen      seen
	private   bool // it has, or had, a policy on personal data
	hot       hotKeys
	hotFields []int // the key whose hot values are counted: of a keyed log, that of a first stage, else none
}

func (s *stream) use(live *Stream, ref Ref, partitions int) {
	s.live, s.ref = live, ref
	s.private = s.private || live.Doc.Private()
	s.check = partitioner.NewCheck(live.Doc, live.Schema, partitions)
	s.lateness = live.Doc.Lateness.Microseconds()
	s.maxFuture = live.Doc.MaxFuture.Microseconds()
	s.keyFields = s.keyFields[:0]
	for _, name := range live.Doc.PartitionKey {
		if i := live.Schema.Index(name); i >= 0 {
			s.keyFields = append(s.keyFields, i)
		}
	}
	s.hotFields = s.keyFields
	s.seen.resize(s.lateness)
}

// accept judges one record: it becomes a held event or is rejected. Only an
// accepted event moves a watermark.
func (t *Task) accept(r *Record) {
	src := &t.sources[r.Source]
	st := &t.streams[src.stream]
	if st.live == nil {
		t.dead(r, event.UnknownStream, "no live rule set declares "+st.name, 0)
		return
	}
	ev := t.decode(r, src, st)
	if ev == nil {
		return
	}
	if st.check != nil {
		t.misplaced.Note(st.ref.Revision, r.SourceOffset, st.check.Of(src.Partition, r.Key, ev))
	}
	capped, ok := t.judge(r, st, ev)
	if !ok {
		t.dead(r, Future, "stamped more than max_future ahead of now", ev.Time)
		return
	}
	if st.live.Doc.ID != nil && st.seen.repeats(ev, st.keyFields, st.mark) {
		t.counts.Duplicates++
		t.recycle(ev)
		return
	}
	if reason := lateness(ev, src, st); reason != "" {
		t.counts.Late++
		t.effect.Late = append(t.effect.Late, rejected(r, reason, "", ev.Time).Shown(st.private))
		t.recycle(ev)
		return
	}
	if st.live.Doc.ID != nil {
		st.seen.add(ev.Time)
	}
	t.counts.Accepted++
	st.hot.add(ev, st.hotFields)
	t.hold(st, ev)
	t.mark(src, st, capped)
	if t.heldBytes > t.heldMax {
		t.hasten()
	}
}

func lateness(ev *event.Event, src *source, st *stream) event.Reason {
	switch {
	case ev.Time <= src.mark:
		return LatePartition
	case ev.Time <= st.mark:
		return LateStream
	}
	return ""
}

func (t *Task) decode(r *Record, src *source, st *stream) *event.Event {
	if t.strange(r) {
		t.dead(r, event.UnknownSchema, "the schema registry has no schema of its id", 0)
		return nil
	}
	ev := r.Event
	if ev == nil {
		ev = t.NewEvent()
		if err := st.live.Decoder.Decode(r.Value, ev); err != nil {
			t.recycle(ev)
			t.fault(r, err)
			return nil
		}
	}
	ev.Cluster, ev.Partition, ev.Offset = src.Cluster, src.Partition, r.SourceOffset
	if ev.ID == "" && st.live.Doc.ID != nil {
		ev.ID = string(src.AppendID(make([]byte, 0, 48), r.SourceOffset))
	}
	return ev
}

func (t *Task) fault(r *Record, err error) {
	var fault *event.Fault
	switch {
	case errors.Is(err, event.ErrSchema):
		t.failed = err
		return
	case !errors.As(err, &fault):
		t.dead(r, Undecodable, err.Error(), 0)
		return
	}
	t.dead(r, fault.Reason, fault.Text(), 0)
}

// judge compares the event's time with now. It returns the time that counts
// for the watermark, and false when the event is quarantined. A judgement by
// the reader's clock is journaled when now matters, so that a replay, which
// has no clock, repeats it.
func (t *Task) judge(r *Record, st *stream, ev *event.Event) (capped int64, ok bool) {
	now := r.Append
	switch {
	case now != 0:
	case t.said.Kind == Clock && t.said.At == r.Offset:
		now = t.said.Now
	case r.Now != 0 && ev.Time > r.Now:
		now = r.Now
		t.say(Entry{At: r.Offset, Kind: Clock, Now: now})
	}
	if now == 0 || ev.Time <= now {
		return ev.Time, true
	}
	if ev.Time-now > st.maxFuture {
		return 0, false
	}
	t.counts.Clamped++
	return now, true
}

// strange reports whether nobody knew the record's schema: its reader says so
// now, or the journal that it did.
func (t *Task) strange(r *Record) bool {
	if t.said.Kind == Strange && t.said.At == r.Offset {
		return true
	}
	if r.NoSchema {
		t.say(Entry{At: r.Offset, Kind: Strange})
	}
	return r.NoSchema
}

// say journals an entry of the record at hand.
func (t *Task) say(e Entry) {
	t.pos.Seq++
	e.Seq = t.pos.Seq
	t.said = e
	t.effect.Journal = append(t.effect.Journal, e)
}

// mark moves the watermarks after an event that counts at time at.
func (t *Task) mark(src *source, st *stream, at int64) {
	if m := at - st.lateness - 1; m > src.mark {
		src.mark = m
		t.raiseStream(st, t.leastSource(st))
	}
}

func (t *Task) leastSource(st *stream) int64 {
	least := int64(ended)
	for _, i := range st.sources {
		least = min(least, t.sources[i].reach())
	}
	return least
}

func (t *Task) raiseStream(st *stream, to int64) {
	if to <= st.mark {
		return
	}
	st.mark = to
	st.seen.forget(to)
	for _, r := range st.readers {
		t.advance(r.group)
	}
	t.advanceReaders()
}

// tick moves the watermark of a silent stream to the clock.
func (t *Task) tick(e *Entry) error {
	for i := range t.streams {
		if st := &t.streams[i]; st.name == e.Stream {
			if st.live != nil {
				t.raiseStream(st, e.Now-st.lateness-1)
			}
			return nil
		}
	}
	return errors.New("a tick of " + e.Stream + ", which the task does not read")
}

func (t *Task) dead(r *Record, reason event.Reason, detail string, at int64) {
	t.counts.Dead++
	private := t.streams[t.sources[r.Source].stream].private
	t.effect.Dead = append(t.effect.Dead, rejected(r, reason, detail, at).Shown(private))
}

func rejected(r *Record, reason event.Reason, detail string, at int64) Rejected {
	return Rejected{Reason: reason, Detail: detail, Source: r.Source, Offset: r.SourceOffset, Time: at, Key: r.Key, Value: r.Value}
}

// sparesMax bounds the events kept for reuse.
const sparesMax = 4096

// NewEvent returns an empty event whose space may have been used before: a
// driver that decodes for itself fills it and hands it back in Record.Event.
func (t *Task) NewEvent() *event.Event {
	if n := len(t.spare); n > 0 {
		ev := t.spare[n-1]
		t.spare = t.spare[:n-1]
		return ev
	}
	return &event.Event{}
}

// recycle takes an event that nothing refers to.
func (t *Task) recycle(ev *event.Event) {
	if len(t.spare) < sparesMax {
		*ev = event.Event{Values: ev.Values[:0]}
		t.spare = append(t.spare, ev)
	}
}
