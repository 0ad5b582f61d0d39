package task

import (
	"fmt"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
	"github.com/caltrop/caltrop/engine/early"
	"github.com/caltrop/caltrop/sinks/alert"
)

// A books holds the books of one rule name, by key: what was sent early, and
// the suppression periods. They outlive the revision that began them. Alerts on
// trial have books of their own, see Mode.Of.
type books struct {
	slot  uint32
	wheel uint32
	book  early.Book // the one open
	buf   []byte
	out   []alert.Alert
}

// openBooks makes sure that a rule that is early or suppresses has its books.
func (t *Task) openBooks(g *group, s *slot) {
	name := s.mode(t.epoch).Of(s.rule.Name)
	if s.rule.Suppress == 0 && !s.rule.Early || t.books[name] != nil {
		return
	}
	t.slotIDs++
	t.books[name] = &books{slot: t.slotIDs, wheel: g.id}
	t.cfg.State.Open(Slot{ID: t.slotIDs, Wheel: g.id})
}

// open reads the book of a key.
func (t *Task) open(b *books, key []byte) *early.Book {
	if err := b.book.Decode(t.cfg.State.Get(b.slot, key)); err != nil {
		panic(fmt.Sprintf("task: opening a book: %v", err)) // close wrote it
	}
	return &b.book
}

// close stores the open book, whose deadline was timer when it was opened, and
// sends what is in b.out.
func (t *Task) close(b *books, key []byte, timer int64) {
	if b.book.Empty() {
		t.cfg.State.Put(b.slot, key, nil, Never)
	} else {
		b.buf = b.book.AppendTo(b.buf[:0])
		t.cfg.State.Put(b.slot, key, b.buf, b.book.Dies(Never))
	}
	if d := b.book.Deadline(); d != timer {
		t.timers++
		t.cfg.State.SetTimer(b.slot, key, d)
	}
	for i := range b.out {
		t.send(&b.out[i])
	}
	clear(b.out)
}

// raise makes final alerts of what an evaluator found and sends them, unless
// the rule is silent for this key; ev is the event that it found them at, nil
// at a deadline.
func (t *Task) raise(s *slot, key []byte, ev *event.Event, found []match.Found) {
	mode := s.mode(t.since)
	b := t.books[mode.Of(s.rule.Name)]
	for i := range found {
		if b == nil {
			a := t.alertOf(s, key, &found[i])
			t.send(&a)
			t.publish(s, &a)
			s.counts.Raised++
			continue
		}
		findings := t.findings(nil, s, key, ev, found[i:i+1])
		t.write(s, mode, key, early.Scope{At: &findings[0].Place, Final: true}, findings, t.now)
	}
}

// endPeriod sends the next versions of the alerts whose periods end: they tell
// how many were suppressed.
func (t *Task) endPeriod(b *books, key []byte, at int64) {
	b.out = t.open(b, key).EndPeriods(at, b.out[:0])
	t.close(b, key, 0)
}
