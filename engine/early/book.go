package early

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/caltrop/caltrop/sinks/alert"
)

// A Book is what has been said of one key of one rule, of all revisions.
type Book struct {
	notes   []note     // by place, then as found
	periods []period   // in the order in which their alerts were sent
	hushed  int        // alerts that the last Settle suppressed
	stand   []alert.ID // alerts that it made final and that are sent
	text    []byte     // what it was read from, of which contents are parts
	fresh   []byte     // contents written since
	spare   []note
}

// A note is an alert that is not final, or whose suppression is not.
type note struct {
	slot    uint32 // of the revision that found it
	place   Place  // of the completing event
	id      alert.ID
	version int // the last one sent, 0: none
	status  status
	final   bool
	by      alert.ID // suppressed: the sent alert whose period it is in
	content []byte   // the alert's JSON, without version and status
	pending bool     // while settling: valid, and not sent or suppressed yet
}

type status uint8

const (
	sent       status = 1
	suppressed status = 2
	retracted  status = 3
)

// A period is the time from a sent alert on in which others are suppressed.
type period struct {
	id    alert.ID
	start int64 // µs
	until int64
	count int // of suppressed alerts that are final
	// version and content are those of the sent alert once it is final; before,
	// its note has them.
	version int
	content []byte
}

// A Finding is an alert that the events of a key give now.
type Finding struct {
	Place Place
	Alert *alert.Alert
}

// A Scope says which of a Book's alerts findings are compared with: those of
// the slot that are not final.
type Scope struct {
	Slot     uint32
	At       *Place // only those that are completed there
	From     *Place // only those that are completed there or later
	Final    bool   // nothing can change them any more
	Suppress int64  // µs; 0: none
}

func (s *Scope) covers(n *note) bool {
	return n.slot == s.Slot && !n.final && (s.At == nil || n.place == *s.At) && (s.From == nil || n.place.Compare(*s.From) >= 0)
}

func (n *note) is(f *Finding) bool { return n.id == f.Alert.ID && n.place == f.Place }

// Settle makes the book say what the findings say, and appends the versions
// that are to be sent: retractions, changes, then alerts that are new, valid
// again or no longer suppressed, each in the order of their events. Findings
// are in that order and lie in the scope.
func (b *Book) Settle(s Scope, findings []Finding, out []alert.Alert) []alert.Alert {
	b.hushed, b.stand = 0, b.stand[:0]
	out = b.retract(&s, findings, out)
	for i := range findings {
		out = b.update(&s, &findings[i], out)
	}
	out = b.announce(&s, findings, out)
	if s.Final {
		b.Stand(s)
	}
	return out
}

// Stand makes final what the book says within the scope.
func (b *Book) Stand(s Scope) {
	b.stand = b.stand[:0]
	for i := range b.notes {
		if n := &b.notes[i]; s.covers(n) {
			n.final = true
			if n.status == sent {
				b.stand = append(b.stand, n.id)
			}
		}
	}
	b.sweep()
}

// retract takes back what is no longer found. What the alerts taken back had
// suppressed is pending.
func (b *Book) retract(s *Scope, findings []Finding, out []alert.Alert) []alert.Alert {
	for i := range b.notes {
		n := &b.notes[i]
		if n.status == retracted || !s.covers(n) || slices.ContainsFunc(findings, func(f Finding) bool { return n.is(&f) }) {
			continue
		}
		if n.status == sent {
			n.version++
			out = append(out, *n.alert(alert.Retracted))
			b.release(n.id)
		}
		n.status, n.pending = retracted, false
	}
	b.notes = slices.DeleteFunc(b.notes, func(n note) bool { return n.status == retracted && n.version == 0 })
	return out
}

// release ends the period of an alert that is retracted.
func (b *Book) release(id alert.ID) {
	b.periods = slices.DeleteFunc(b.periods, func(p period) bool { return p.id == id })
	for i := range b.notes {
		if n := &b.notes[i]; n.status == suppressed && n.by == id {
			n.pending = true
		}
	}
}

// update notes a finding; one that was not valid before is pending.
func (b *Book) update(s *Scope, f *Finding, out []alert.Alert) []alert.Alert {
	content := b.content(f.Alert)
	i := slices.IndexFunc(b.notes, func(n note) bool { return n.slot == s.Slot && n.is(f) })
	if i < 0 {
		for i = len(b.notes); i > 0 && b.notes[i-1].place.Compare(f.Place) > 0; {
			i--
		}
		b.notes = slices.Insert(b.notes, i, note{slot: s.Slot, place: f.Place, id: f.Alert.ID, status: retracted})
	}
	n := &b.notes[i]
	same := bytes.Equal(n.content, content)
	n.content = content
	switch {
	case n.status == retracted:
		n.pending = true
	case n.status == sent && !same:
		n.version++
		out = append(out, f.version(n.version, alert.Changed))
	}
	return out
}

// announce sends the pending alerts but for those that lie in a period.
func (b *Book) announce(s *Scope, findings []Finding, out []alert.Alert) []alert.Alert {
	for i := range b.notes {
		n := &b.notes[i]
		if !n.pending {
			continue
		}
		n.pending, n.by = false, alert.ID{}
		if p := b.periodAt(n.place.Time); p != nil {
			n.status, n.by = suppressed, p.id
			b.hushed++
			continue
		}
		n.status = sent
		n.version++
		if f := slices.IndexFunc(findings, func(f Finding) bool { return n.is(&f) }); f >= 0 {
			out = append(out, findings[f].version(n.version, alert.Raised))
		} else {
			out = append(out, *n.alert(alert.Raised))
		}
		if s.Suppress > 0 {
			b.periods = append(b.periods, period{id: n.id, start: n.place.Time, until: n.place.Time + s.Suppress})
		}
	}
	return out
}

func (f *Finding) version(version int, s alert.Status) alert.Alert {
	a := *f.Alert
	a.Version, a.Status = version, s
	return a
}

// periodAt returns the period that a time lies in: of several the one whose
// alert was sent first.
func (b *Book) periodAt(at int64) *period {
	for i := range b.periods {
		if p := &b.periods[i]; p.start <= at && at < p.until {
			return p
		}
	}
	return nil
}

// sweep drops final notes that nothing can ask for any more: of a suppressed
// alert once the alert that suppresses it is final too.
func (b *Book) sweep() {
	kept := b.spare[:0]
	for i := range b.notes {
		n := &b.notes[i]
		if !n.final || n.status == suppressed && b.open(n.by) {
			kept = append(kept, *n)
			continue
		}
		switch p := b.periodOf(n); {
		case p == nil:
		case n.status == suppressed:
			p.count++
		case n.status == sent:
			p.version, p.content = n.version, n.content
		}
	}
	b.spare, b.notes = b.notes, kept
}

// open reports whether an alert may still change.
func (b *Book) open(id alert.ID) bool {
	return slices.ContainsFunc(b.notes, func(n note) bool { return n.id == id && n.status == sent && !n.final })
}

// periodOf returns the period that a note's alert began, or that suppresses it.
func (b *Book) periodOf(n *note) *period {
	id := n.id
	if n.status == suppressed {
		id = n.by
	}
	for i := range b.periods {
		if b.periods[i].id == id {
			return &b.periods[i]
		}
	}
	return nil
}

// Suppressed returns how many alerts the last Settle has suppressed.
func (b *Book) Suppressed() int { return b.hushed }

// Stands reports whether the last Settle made an alert final that is sent.
func (b *Book) Stands(id alert.ID) bool { return slices.Contains(b.stand, id) }

// held returns how many alerts a period has suppressed.
func (b *Book) held(p *period) int {
	n := p.count
	for i := range b.notes {
		if o := &b.notes[i]; o.status == suppressed && o.by == p.id {
			n++
		}
	}
	return n
}

// EndPeriods ends the periods that are over at a time, and appends the next
// versions of their alerts: they tell how many were suppressed.
func (b *Book) EndPeriods(at int64, out []alert.Alert) []alert.Alert {
	for i := range b.periods {
		p := &b.periods[i]
		count := b.held(p)
		if p.until > at || count == 0 {
			continue
		}
		if n := b.noteOf(p.id); n != nil {
			n.version++
			p.version, p.content = n.version, n.content
		} else {
			p.version++
		}
		a := parse(p.content)
		a.Version, a.Status, a.Suppressed = p.version, alert.Changed, count
		out = append(out, *a)
	}
	b.periods = slices.DeleteFunc(b.periods, func(p period) bool { return p.until <= at })
	b.sweep()
	return out
}

func (b *Book) noteOf(id alert.ID) *note {
	for i := range b.notes {
		if b.notes[i].id == id && b.notes[i].status == sent {
			return &b.notes[i]
		}
	}
	return nil
}

// Forget drops the periods that ended by now, in µs, and have suppressed
// nothing.
func (b *Book) Forget(now int64) {
	b.periods = slices.DeleteFunc(b.periods, func(p period) bool { return p.until <= now && b.held(&p) == 0 })
}

// Deadline returns when a period ends whose alert is to be sent once more, in
// µs; 0: none.
func (b *Book) Deadline() int64 {
	first := int64(0)
	for i := range b.periods {
		if p := &b.periods[i]; b.held(p) > 0 && (first == 0 || p.until < first) {
			first = p.until
		}
	}
	return first
}

// Dies returns from when on the book can be forgotten; never while an alert is
// not final.
func (b *Book) Dies(never int64) int64 {
	if len(b.notes) > 0 {
		return never
	}
	last := int64(0)
	for i := range b.periods {
		last = max(last, b.periods[i].until)
	}
	return last
}

// Empty reports whether the book says nothing.
func (b *Book) Empty() bool { return len(b.notes)+len(b.periods) == 0 }

// Places returns where the alerts of a slot that are not final are completed.
func (b *Book) Places(slot uint32) []Place {
	var places []Place
	for i := range b.notes {
		if n := &b.notes[i]; n.slot == slot && !n.final {
			places = append(places, n.place)
		}
	}
	return places
}

// content writes what a note says of an alert. It is the book's, until Decode.
func (b *Book) content(a *alert.Alert) []byte {
	bare := *a
	bare.Version, bare.Status, bare.Suppressed = 0, "", 0
	from := len(b.fresh)
	b.fresh = bare.AppendJSON(b.fresh)
	return b.fresh[from:len(b.fresh):len(b.fresh)]
}

func (n *note) alert(s alert.Status) *alert.Alert {
	a := parse(n.content)
	a.Version, a.Status = n.version, s
	return a
}

func parse(content []byte) *alert.Alert {
	a, err := alert.ParseJSON(content)
	if err != nil {
		panic(fmt.Sprintf("early: reading an alert of a book: %v", err)) // content wrote it
	}
	return a
}
