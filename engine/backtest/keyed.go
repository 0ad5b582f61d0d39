package backtest

import (
	"github.com/caltrop/caltrop/engine/route"
	"github.com/caltrop/caltrop/engine/task"
)

// A keyed lane is a keyed log of one partition that is written and read in the
// same breath: a router for each source partition, as live, and one task.

// frames is what lies between the routers and the task.
type frames struct {
	routed  route.Effects
	decoder route.Decoder
	frame   task.Frame
	beatAt  int64 // µs; when silence is looked for next
	began   int64 // µs; of the first record
}

func (in *input) source() task.Source {
	return task.Source{Stream: in.stream, Partition: in.Partition, Origin: in.Topic}
}

// route gives an input its router.
func (r *run) route(in *input) error {
	st := r.set.Stream(in.stream)
	ref := task.Ref{Name: in.stream, Revision: st.Revision}
	live, err := r.set.Resolve(task.Set{Streams: []task.Ref{ref}})
	if err != nil {
		return err
	}
	log := r.set.KeyedLog(r.name)
	for _, s := range log.Streams {
		if s.Stream == st {
			in.router = route.NewRouter(in.source(), in.of, route.Progress{Next: in.span.From})
			in.router.Use(ref, live.Streams[0], []route.Target{{Name: r.name, Partitions: 1, Roles: s.Roles}})
		}
	}
	return nil
}

func (r *run) stepRouter(in *input, unknown bool) error {
	rec := &in.next
	r.record = task.Record{Offset: rec.Offset, SourceOffset: rec.Offset, Key: rec.Key, Value: rec.Value, Append: rec.Time, NoSchema: unknown}
	before := in.router.Counts()
	in.router.Step(&r.record, &r.frames.routed)
	after := in.router.Counts()
	in.Late += after.Late - before.Late
	in.Dead += after.Dead - before.Dead
	r.done(in)
	return r.deliver(in)
}

// flush lets the task read what the input's router holds.
func (r *run) flush(in *input) error {
	if !r.keyed {
		return nil
	}
	in.router.Flush(&r.frames.routed)
	return r.deliver(in)
}

// deliver hands the task the frames that are made.
func (r *run) deliver(in *input) error {
	defer r.frames.routed.Reset()
	for i := range r.frames.routed.Frames {
		if err := r.frames.decoder.Decode(r.frames.routed.Frames[i].Value, &r.frames.frame); err != nil {
			return err
		}
		before := r.task.Counts()
		r.effects.Reset()
		if err := r.task.Step(&task.Record{Offset: r.offset, Frame: &r.frames.frame}, &r.effects); err != nil {
			return err
		}
		r.offset++
		in.count(&before, r.task.Counts())
		if err := r.collect(); err != nil {
			return err
		}
	}
	return nil
}

// beat declares the partitions idle that had no record for their stream's idle
// time, once a second of the records' time.
func (r *run) beat(until int64) error {
	f := &r.frames
	if f.began == 0 {
		f.began, f.beatAt = until, until
	}
	if until < f.beatAt {
		return nil
	}
	f.beatAt = until - (until-f.beatAt)%tickEvery + tickEvery
	now := f.beatAt - tickEvery
	for _, in := range r.inputs {
		idle := r.set.Stream(in.stream).Doc.Idle.Microseconds()
		if idle == 0 || now-max(in.seen, f.began) <= idle {
			continue
		}
		in.router.Beat(now, true, &f.routed)
		if err := r.deliver(in); err != nil {
			return err
		}
	}
	return nil
}

// endRouters lets event time reach a moment.
func (r *run) endRouters(to int64) error {
	for _, in := range r.inputs {
		lateness := r.set.Stream(in.stream).Doc.Lateness.Microseconds()
		in.router.Beat(to+lateness, true, &r.frames.routed)
		if err := r.deliver(in); err != nil {
			return err
		}
	}
	return nil
}
