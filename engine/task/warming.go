package task

import (
	"errors"
	"fmt"
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/prog"
)

// A Warming fills what revisions of rules remember from the past of a task's
// log, beside the task and in silence. Its driver reads the log again from some
// offset on, steps the Warming through the records and the journal, and
// finishes it when it stands where the task does. It is owned by one
// goroutine, which may be another one than the task's but for Warm and Finish.
type Warming struct {
	task    *Task
	rules   []Ref
	from    Begin
	journal []Entry
	eff     Effects
}

// A Begin says what the records that a Warming reads leave out.
type Begin struct {
	// Since: all events stamped later than this, in µs, are among them; 0: all
	// events that the log ever had.
	Since int64
	// Cut: the log does not reach back as far as was asked for. Since does not
	// hold; what is whole begins at the first event read.
	Cut bool
}

// ErrAhead is the error of a Warming whose event time is past the task's: the
// past cannot be judged as the task did.
var ErrAhead = errors.New("the log read again gives a later watermark")

// Warm begins the warm-up of rules for a later Switch of the task: set names them
// with the streams, profiles and lists that they read. state is a new State.
func (t *Task) Warm(state State, set Set, from Begin) (*Warming, error) {
	cfg := t.cfg
	cfg.State = state
	w := &Warming{task: New(cfg), rules: set.Rules, from: from}
	if cfg.Keyed {
		w.task.rejoin(t.header())
	}
	if err := w.task.Apply(Entry{Kind: Switch, Set: set}, &w.eff); err != nil {
		return nil, fmt.Errorf("warming up %d rules: %w", len(set.Rules), err)
	}
	return w, nil
}

// Tell adds an entry of the task's journal, in its order. Before Step reads a
// record it must have been told all entries up to the record.
func (w *Warming) Tell(e Entry) {
	if e.Kind == Tick || e.Kind.ofRecord() {
		w.journal = append(w.journal, e)
	}
}

// Position returns how far it has read.
func (w *Warming) Position() Position { return w.task.pos }

// Task returns the task that it steps, for its decoder and its events.
func (w *Warming) Task() *Task { return w.task }

// Step reads one record as the task has read it.
func (w *Warming) Step(r *Record) error {
	if err := w.apply(r.Offset); err != nil {
		return err
	}
	quiet := *r
	quiet.Now, quiet.NoSchema = 0, false
	w.eff.Reset()
	if err := w.task.Step(&quiet, &w.eff); err != nil {
		return fmt.Errorf("warming up: %w", err)
	}
	return nil
}

// apply applies the journal's entries up to an offset. Those of records that it does
// not read say nothing.
func (w *Warming) apply(offset int64) error {
	for len(w.journal) > 0 && w.journal[0].At <= offset {
		e := w.journal[0]
		w.journal = w.journal[1:]
		if e.Kind.ofRecord() && e.At < offset || !e.Kind.ofRecord() && w.task.streamAt(e.Stream) < 0 {
			continue
		}
		if e.Seq = 0; e.Kind.ofRecord() {
			e.Seq = w.task.pos.Seq + 1
		}
		w.eff.Reset()
		if err := w.task.Apply(e, &w.eff); err != nil {
			return fmt.Errorf("warming up: %w", err)
		}
	}
	return nil
}

// Finish ends the warm-up where the task stands now, and returns the entries to be applied
// before the Switch that starts the rules. Errors: ErrAhead, ErrTooLarge.
func (w *Warming) Finish(t *Task) ([]Entry, error) {
	if w.task.pos.Offset < t.pos.Offset {
		w.task.pos.Offset = t.pos.Offset // what lies between is no record
	}
	if err := w.apply(t.pos.Offset); err != nil {
		return nil, err
	}
	w.eff.Reset()
	w.task.effect = &w.eff
	for i := range w.task.streams {
		st := &w.task.streams[i]
		at := t.streamAt(st.name)
		switch {
		case at < 0:
		case st.mark > t.streams[at].mark:
			return nil, fmt.Errorf("stream %s: %w", st.name, ErrAhead)
		default:
			w.task.raiseStream(st, t.streams[at].mark)
		}
	}
	if err := w.task.finish(); err != nil {
		return nil, err
	}
	return w.exports()
}

func (w *Warming) exports() ([]Entry, error) {
	var entries []Entry
	for _, g := range w.task.groups {
		for _, s := range g.slots {
			if !slices.Contains(w.rules, s.ref) {
				continue
			}
			parts, err := w.export(g, s)
			if err != nil {
				return nil, fmt.Errorf("rule %s: %w", s.ref.Name, err)
			}
			for _, im := range parts {
				entries = append(entries, Entry{Kind: Imported, Import: im})
			}
		}
	}
	return entries, nil
}

// export returns what a slot remembers, in parts.
func (w *Warming) export(g *group, s *slot) ([]*Import, error) {
	p := parts{first: Import{Rule: s.ref, Covered: w.covered(g, s)}}
	p.open(Import{})
	p.records(Import{}, w.task.remembered(s))
	if s.paged() {
		p.records(Import{Space: spacePages}, w.task.recordsOf(s.id|pagesBit))
	}
	for i, h := range s.histories {
		p.records(Import{Space: spaceProfile, Profile: s.profiles[i]}, w.task.recordsOf(h.id))
	}
	for _, h := range g.held.all() {
		ref := w.task.schemas[h.ev.Schema]
		p.event(ImportEvent{Stream: ref, Event: event.AppendEvent(nil, h.ev, event.Packing{})})
	}
	if p.total > ImportBytesMax {
		return nil, fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, p.total, ImportBytesMax)
	}
	return p.all, nil
}

// covered is since when the slot's state is whole. What the log leaves out as it
// begins late, and was held then, the task shows the slot itself.
func (w *Warming) covered(g *group, s *slot) int64 {
	at := s.covered
	switch {
	case at == unset:
		return at
	case w.from.Cut:
		at += s.lateness
	case w.from.Since != 0:
		at = w.from.Since + 1
	}
	for _, i := range g.streams {
		if begun := w.task.streams[i].begun; begun != 0 {
			at = max(at, begun+1)
		}
	}
	return at
}

// parts cuts what a rule remembers into imports of about importBytes.
type parts struct {
	first Import // what all have in common
	all   []*Import
	size  int // of the last
	total int
}

// open begins a part of the space that like names.
func (p *parts) open(like Import) *Import {
	im := p.first
	im.Space, im.Profile = like.Space, like.Profile
	p.all, p.size = append(p.all, &im), 0
	return &im
}

func (p *parts) last(n int, like Import) *Import {
	p.total += n
	im := p.all[len(p.all)-1]
	if p.size+n > importBytes && p.size > 0 || im.Space != like.Space || im.Profile != like.Profile {
		im = p.open(like)
	}
	p.size += n
	return im
}

func (p *parts) records(like Import, records []ImportRecord) {
	for _, r := range records {
		im := p.last(len(r.Key)+len(r.Value), like)
		im.Records = append(im.Records, r)
	}
}

func (p *parts) event(ev ImportEvent) {
	im := p.last(len(ev.Event), Import{})
	im.Held = append(im.Held, ev)
}

// hasRead reports whether the task has read events of all streams of a rule.
func (t *Task) hasRead(r *prog.Rule) bool {
	for _, schema := range schemasOf(r) {
		if i := t.streamAt(schema.Stream); i < 0 || t.streams[i].mark == unset {
			return false
		}
	}
	return true
}

// Past returns how far back in event time a Warming of the rules of a set must read, in
// µs: all that is stamped later than since. Twice the rules' windows: what a window
// raises, and what a match leaves for the next one, depends on what was before it.
// all says that nothing bounds it. needed is false where the task has seen no event
// yet of the streams of each rule.
func (t *Task) Past(set Set) (since int64, all, needed bool, err error) {
	live, err := t.cfg.Resolver.Resolve(set)
	if err != nil {
		return 0, false, false, fmt.Errorf("resolving %d rules: %w", len(set.Rules), err)
	}
	since = ended
	for _, r := range live.Rules {
		if !t.hasRead(r.Rule) {
			continue
		}
		needed = true
		back := 2 * retention(r.Rule)
		if w := r.Rule.Window; w == nil && r.Rule.Within == 0 || w != nil && w.Kind == "session" {
			all, back = true, 0
		}
		kept := int64(0)
		for _, p := range r.Rule.Profiles {
			kept = max(kept, (p.Panes+1)*p.Pane)
		}
		for _, schema := range schemasOf(r.Rule) {
			st := &t.streams[t.streamAt(schema.Stream)]
			since = min(since, st.mark-back-kept-st.lateness)
		}
	}
	return since, all, needed, nil
}
