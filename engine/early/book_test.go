package early_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/engine/early"
	"github.com/caltrop/caltrop/sinks/alert"
)

// A desk settles one book, which it stores and reads again before each use.
// An alert is a letter followed by its time, and its content after a colon.
type desk struct {
	t      *testing.T
	stored []byte
	log    []string
}

func (d *desk) settle(at *early.Place, final bool, says ...string) {
	d.t.Helper()
	var b early.Book
	if err := b.Decode(d.stored); err != nil {
		d.t.Fatal(err)
	}
	var findings []early.Finding
	for _, s := range says {
		name, content, _ := strings.Cut(s, ":")
		var time int64
		if _, err := fmt.Sscanf(name[1:], "%d", &time); err != nil {
			d.t.Fatal(err)
		}
		findings = append(findings, early.Finding{Place: place(time), Alert: &alert.Alert{
			ID: alert.ID{name[0]}, At: time, Rule: "r", Mode: "live", Key: []event.Value{event.StringOf("k")}, Summary: content}})
	}
	d.note(b.Settle(early.Scope{Slot: 1, At: at, Final: final, Suppress: 10}, findings, nil))
	d.stored = b.AppendTo(nil)
}

func (d *desk) end(at int64) {
	var b early.Book
	if err := b.Decode(d.stored); err != nil {
		d.t.Fatal(err)
	}
	d.note(b.EndPeriods(at, nil))
	d.stored = b.AppendTo(nil)
}

func (d *desk) note(sent []alert.Alert) {
	for _, a := range sent {
		line := fmt.Sprintf("%c v%d %s", a.ID[0], a.Version, a.Status)
		if a.Summary != "" {
			line += " " + a.Summary
		}
		if a.Suppressed > 0 {
			line += fmt.Sprintf(" suppressed %d", a.Suppressed)
		}
		d.log = append(d.log, line)
	}
}

func (d *desk) expect(want ...string) {
	d.t.Helper()
	if !slices.Equal(d.log, want) {
		d.t.Fatalf("sent %q, want %q", d.log, want)
	}
	d.log = nil
}

func place(at int64) early.Place { return early.Place{Time: at, Stream: "s"} }

func at(time int64) *early.Place {
	p := place(time)
	return &p
}

func TestVersionsFollowWhatTheEventsSay(t *testing.T) {
	d := &desk{t: t}
	d.settle(at(20), false, "a20:one")
	d.expect("a v1 raised one")
	d.settle(nil, false, "a20:two")
	d.expect("a v2 changed two")
	d.settle(nil, false, "a20:two")
	d.expect()
	d.settle(nil, false)
	d.expect("a v3 retracted two")
	d.settle(nil, false, "a20:three")
	d.expect("a v4 raised three")
	d.settle(at(20), true, "a20:three")
	d.expect()
	d.settle(nil, false) // what is final stays
	d.expect()
}

func TestTheEarliestSuppressedAlertTakesTheRetractedOnesPlace(t *testing.T) {
	d := &desk{t: t}
	d.settle(nil, false, "a20")
	d.settle(nil, false, "a20", "c25", "d28")
	d.expect("a v1 raised") // c and d lie in [20, 30)
	d.settle(nil, false, "b24", "c25", "d28")
	d.expect("a v2 retracted", "b v1 raised")
	d.settle(nil, false, "c25", "d28")
	d.expect("b v2 retracted", "c v1 raised")
	for _, time := range []int64{25, 28} {
		d.settle(at(time), true, fmt.Sprintf("%c%d", map[int64]byte{25: 'c', 28: 'd'}[time], time))
	}
	d.end(35)
	d.expect("c v2 changed suppressed 1")
}

func TestASentAlertIsNotWithdrawnForAnEarlierOne(t *testing.T) {
	d := &desk{t: t}
	d.settle(nil, false, "b20")
	d.settle(nil, false, "a15", "b20", "c24", "e30")
	d.expect("b v1 raised", "a v1 raised", "e v1 raised")
	d.settle(nil, false, "a15", "c24", "e30") // the period of a covers c
	d.expect("b v2 retracted")
	d.settle(nil, false, "c24", "e30")
	d.expect("a v2 retracted", "c v1 raised")
}
