package task

import (
	"errors"
	"fmt"
	"slices"

	"github.com/caltrop/caltrop/cep/event"
)

// A Frame is one record of a keyed log: what one source partition sent to it,
// and how far that partition has come. Of one source partition, frames come in
// the order of the source.
type Frame struct {
	Source     Source
	Partitions int            // of the source's topic: the stream's watermark waits for all of them
	Events     []*event.Event // by offset, of any revision of the stream; the task owns them
	// Mark is the source partition's watermark after the events, in µs; 0: it
	// has shown no event.
	Mark int64
	// Idle is the watermark that the clock of the partition's reader gives, in
	// µs, where the reader has seen nothing at the partition's end for the
	// stream's idle time; else 0. It holds until the next frame: only the reader
	// of a partition declares it idle, and one that is down says nothing.
	Idle int64
	// Last says that the source partition sends nothing more to this log: it is
	// the barrier behind which it writes to another generation of it.
	Last bool
}

// ErrOrder is the error of a keyed log that has events of one source partition
// not in the order of their offsets: some came twice, or were overtaken.
var ErrOrder = errors.New("offsets of a source partition go back")

// acceptFrame judges the events of a frame, then moves the watermarks. The
// reader of the source has judged them against the partition's watermark.
func (t *Task) acceptFrame(f *Frame) error {
	at := t.join(f)
	src := &t.sources[at]
	st := &t.streams[src.stream]
	if src.left {
		return fmt.Errorf("%w: %s/%d has left the log and comes again", ErrOrder, src.Stream, src.Partition)
	}
	src.left = f.Last
	for _, ev := range f.Events {
		switch {
		case src.again && t.has(src, ev):
			t.recycle(ev)
			continue
		case ev.Offset >= src.next:
			src.again = false
		default:
			return fmt.Errorf("%w: %s/%d has %d after %d", ErrOrder, src.Stream, src.Partition, ev.Offset, src.next-1)
		}
		src.next = ev.Offset + 1
		t.counts.Records++
		t.acceptRow(at, st, ev)
	}
	src.mark, src.idle = max(src.mark, f.markOr(unset)), f.Idle
	t.raiseStream(st, t.leastSource(st))
	return nil
}

// has reports whether an event of a source that begins again was read before.
func (t *Task) has(src *source, ev *event.Event) bool {
	return ev.Offset < src.next || ev.Time <= src.mark && t.isOfParts(src.stream)
}

func (f *Frame) markOr(none int64) int64 {
	if f.Mark == 0 {
		return none
	}
	return f.Mark
}

// reach is how far the source lets the stream's watermark come.
func (s *source) reach() int64 {
	if s.idle != 0 {
		return max(s.mark, s.idle)
	}
	return s.mark
}

// acceptRow judges one event of a frame, as accept does one record.
func (t *Task) acceptRow(at int, st *stream, ev *event.Event) {
	if st.live == nil { // no rule of the task reads the stream
		t.recycle(ev)
		return
	}
	ev.Cluster, ev.Partition = t.sources[at].Cluster, t.sources[at].Partition
	if ev.Schema != st.live.Schema {
		ev.Recast(st.live.Schema)
	}
	if st.live.Doc.ID != nil && st.seen.repeats(ev, st.keyFields, st.mark) {
		t.counts.Duplicates++
		t.recycle(ev)
		return
	}
	if ev.Time <= st.mark {
		t.counts.Late++
		t.effect.Late = append(t.effect.Late, Rejected{Reason: LateStream, Source: at, Offset: ev.Offset, Time: ev.Time, Value: appendRow(nil, ev)}.Shown(st.private))
		t.recycle(ev)
		return
	}
	if st.live.Doc.ID != nil {
		st.seen.add(ev.Time)
	}
	t.counts.Accepted++
	st.hot.add(ev, st.hotFields)
	t.hold(st, ev)
	if t.heldBytes > t.heldMax {
		t.hasten()
	}
}

// appendRow appends the fields of an event as one JSON object: what is left of
// the source's record.
func appendRow(dst []byte, ev *event.Event) []byte {
	dst = append(dst, '{')
	for i, v := range ev.Values {
		if !v.Present() {
			continue
		}
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(event.AppendQuoted(dst, ev.Schema.Fields[i].Name), ':')
		dst = v.AppendJSON(dst)
	}
	return append(dst, '}')
}

// join returns the position of a frame's source. The first frame of a stream
// brings all its partitions, so that its watermark waits for each.
func (t *Task) join(f *Frame) int {
	si := t.streamOf(f.Source.Stream)
	is := func(i int) bool {
		return t.sources[i].Partition == f.Source.Partition && t.sources[i].Cluster == f.Source.Cluster
	}
	if p := int(f.Source.Partition); p < len(t.streams[si].sources) && is(t.streams[si].sources[p]) {
		if f.Partitions <= len(t.streams[si].sources) {
			return t.streams[si].sources[p]
		}
	}
	for p := range max(f.Partitions, int(f.Source.Partition)+1) {
		src := f.Source
		src.Partition = int32(p)
		known := func(i int) bool {
			return t.sources[i].Partition == src.Partition && t.sources[i].Cluster == src.Cluster
		}
		if !slices.ContainsFunc(t.streams[si].sources, known) {
			t.streams[si].sources = append(t.streams[si].sources, len(t.sources))
			t.sources = append(t.sources, source{Source: src, stream: si, mark: unset})
		}
	}
	return t.streams[si].sources[slices.IndexFunc(t.streams[si].sources, is)]
}

// streamOf returns the position of a stream, which it adds where it is new.
func (t *Task) streamOf(name string) int {
	for i := range t.streams {
		if t.streams[i].name == name {
			return i
		}
	}
	t.streams = append(t.streams, stream{name: name, mark: unset})
	return len(t.streams) - 1
}

// rejoin makes the streams and sources that a snapshot of a keyed task has.
func (t *Task) rejoin(h *header) {
	for i, name := range h.Names {
		if si := t.streamOf(name); i < len(h.Begun) {
			t.streams[si].begun = h.Begun[i]
		}
	}
	for _, s := range h.Sources {
		si := t.streamOf(s.Source.Stream)
		t.streams[si].sources = append(t.streams[si].sources, len(t.sources))
		t.sources = append(t.sources, source{Source: s.Source, stream: si, mark: unset})
	}
}

// Heard reports whether a source has shown an event.
func (t *Task) Heard() bool {
	return slices.ContainsFunc(t.sources, func(s source) bool { return s.mark != unset })
}

// HasLeft reports whether a source partition has said that it sends nothing more
// to the log.
func (t *Task) HasLeft(stream string, partition int32) bool {
	return slices.ContainsFunc(t.sources, func(s source) bool { return s.Stream == stream && s.Partition == partition && s.left })
}

// Source returns the source that Rejected.Source numbers.
func (t *Task) Source(i int) Source { return t.sources[i].Source }
