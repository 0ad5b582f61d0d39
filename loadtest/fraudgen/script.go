package fraudgen

import "fmt"

// A script plans the events of one scene, one after the other. Those of a
// guilty one are labelled once its key is known.
type script struct {
	g      *Generator
	name   string
	guilty bool
	at     int64 // event time of the next event, ms
	label  label
	last   string // id of the last event
}

// day and hour in seconds.
const (
	hour = 3_600
	day  = 24 * hour
)

// about names the key of the incident; what follows belongs to it.
func (s *script) about(key string) {
	if s.guilty {
		s.label = s.g.label(s.name, key)
	}
}

// wait lets from lo to hi seconds pass.
func (s *script) wait(lo, hi int64) { s.at += s.g.between(lo, hi) }

// aside plans an event that belongs to no incident.
func (s *script) aside(d draft) {
	d.at = s.at
	s.g.plan(d)
}

// add plans an event of the incident, if there is one.
func (s *script) add(d draft) {
	d.at = s.at
	if s.label.inc == nil {
		s.g.plan(d)
		return
	}
	s.last = s.label.plan(d)
}

// decide tells that the event just added decides the incident.
func (s *script) decide() {
	if s.label.inc != nil {
		s.label.inc.Decisive = s.last
	}
}

// risk adds cents to what the incident puts at risk.
func (s *script) risk(cents int64) {
	if s.label.inc != nil {
		s.label.inc.AtRisk += float64(cents) / 100
	}
}

// pick is one of two numbers: the first if guilty.
func (s *script) pick(guilty, innocent int64) int64 {
	if s.guilty {
		return guilty
	}
	return innocent
}

// some is a number from lo to hi.
func (s *script) some(lo, hi int64) int64 { return lo + s.g.rng.Int64N(hi-lo+1) }

// note is an event of a kind with further members, e.g. `"action":"ended"`.
func note(k kind, who uint64, format string, args ...any) draft {
	return draft{kind: k, who: who, more: "," + fmt.Sprintf(format, args...)}
}

// money is an amount as an event holds it.
func money(cents int64) string { return string(appendCents(nil, cents)) }

// act is an event of a user, of one of the kinds that hold an action.
func act(k kind, who uint64, action string) draft { return note(k, who, `"action":%q`, action) }

// moved is a transfer from one account to another, ordered by a user of the
// payer's number.
func moved(from, to uint64, cents int64) draft {
	return note(transfer, from, `"payee":%q,"amount":%s,"user_id":%q`, keyOf(transfer, to), money(cents), keyOf(login, from))
}

// bought is an approved purchase of a card.
func (s *script) bought(card uint64, cents int64, format string, args ...any) draft {
	d := s.g.purchase(s.at, card)
	d.cents = cents
	if format != "" {
		d.more = "," + fmt.Sprintf(format, args...)
	}
	return d
}

// entered is a login from home; strange gives it an unknown device.
func (s *script) entered(user uint64, strange bool, more string) draft {
	d := s.g.homeLogin(s.at, user)
	d.more = more
	if strange {
		d.device = s.g.rng.Uint64() % 10_000_000
	}
	return d
}

// known gives a user a login from home, and lets time pass.
func (s *script) known(user uint64) {
	s.aside(s.entered(user, false, ""))
	s.wait(2*hour, 8*hour)
}
