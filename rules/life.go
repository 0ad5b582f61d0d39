package rules

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/caltrop/caltrop/cep/syntax"
)

// moves are the states that a revision of a rule may go to (language §8).
var moves = map[State][]State{
	Draft:   {Shadow, Live, Retired},
	Shadow:  {Draft, Live, Retired},
	Live:    {Paused, Retired},
	Paused:  {Live, Retired},
	Retired: {},
}

// A Move asks for another state of a rule.
type Move struct {
	Name string
	To   State
	// Revision is the one meant; 0 is the trial where there is one and the state can be
	// meant for it, else the rule's own.
	Revision int
	If       Condition
}

// A MoveError is a change of state that a rule does not make.
type MoveError struct {
	Name     string
	Revision int   // 0: no revision is the one meant
	From, To State // of the revision
	Why      string
	Hint     string // what can be done; "" when nothing can
}

// Error names the revision and the two states.
func (e *MoveError) Error() string {
	if e.Revision == 0 {
		return fmt.Sprintf("rule %s cannot become %s: %s", e.Name, e.To, e.Why)
	}
	return fmt.Sprintf("revision %d of rule %s is %s and cannot become %s: %s", e.Revision, e.Name, e.From, e.To, e.Why)
}

// revisions are those that a document has at the moment: its own, then the one on
// trial; none when it is deleted.
func (h *head) revisions() []trial {
	if h == nil || h.State == Deleted {
		return nil
	}
	all := []trial{{h.Revision, h.State}}
	if h.Trial != nil {
		all = append(all, *h.Trial)
	}
	return all
}

// put gives a revision its state. A draft or shadow stands beside a revision that is
// live or paused, and in the place of any other.
func (h *head) put(revision int, to State) {
	own := h.State == Live || h.State == Paused
	switch {
	case to == Retired:
		h.State, h.Trial = Retired, nil
	case own && (to == Draft || to == Shadow):
		h.Trial = &trial{revision, to}
	default:
		h.Revision, h.State = revision, to
		if h.Trial != nil && h.Trial.Revision == revision {
			h.Trial = nil
		}
	}
}

// Move brings a rule to another state and returns it as it is then; a rule that is
// there already is left as it is. A revision that begins to run is checked as Put
// does. It returns when this process has applied the write. Errors: *MoveError, those of
// Put, and ErrNotFound.
func (r *Registry) Move(ctx context.Context, m Move) (*Document, error) {
	err := r.commit(ctx, func(s *state) ([]Record, error) {
		if !s.live() {
			return nil, fmt.Errorf("%s %s: %w", KindRule, m.Name, ErrNotFound)
		}
		if err := s.holds(Change{Kind: KindRule, Name: m.Name, If: m.If}); err != nil {
			return nil, err
		}
		at, err := s.head.meant(&m)
		if err != nil || at.State == m.To {
			return nil, err
		}
		if err := s.mayMove(&m, at, r.revisionOf(KindRule, m.Name, at.Revision).Text); err != nil {
			return nil, err
		}
		h := *s.head
		h.put(at.Revision, m.To)
		h.Time = r.now().UTC().Truncate(time.Microsecond).UnixMicro()
		return []Record{h.record(KindRule, m.Name)}, nil
	}, KindRule, m.Name)
	if err != nil {
		return nil, err
	}
	return r.Get(KindRule, m.Name)
}

// meant finds the revision that a move is for.
func (h *head) meant(m *Move) (trial, error) {
	all := h.revisions()
	wrong := func(why, hint string) error { return &MoveError{Name: m.Name, To: m.To, Why: why, Hint: hint} }
	if m.Revision > 0 {
		at := slices.IndexFunc(all, func(t trial) bool { return t.Revision == m.Revision })
		if at < 0 {
			return trial{}, wrong(fmt.Sprintf("it has no revision %d that is at work or waits; it has %s", m.Revision, spell(all)),
				"an old text can be stored again, as a new revision")
		}
		return all[at], nil
	}
	if h.Trial == nil || m.To == Paused || m.To == Retired {
		return all[0], nil
	}
	if m.To == Live && h.State == Paused {
		return trial{}, wrong("it has "+spell(all), "say which with revision")
	}
	return *h.Trial, nil
}

func spell(all []trial) string {
	text := ""
	for i, t := range all {
		if i > 0 {
			text += " and "
		}
		text += fmt.Sprintf("revision %d, %s", t.Revision, t.State)
	}
	return text
}

// mayMove refuses a move that is not among moves, and one that the other documents
// do not allow.
func (s *state) mayMove(m *Move, at trial, text string) error {
	if !slices.Contains(moves[at.State], m.To) {
		return notAmong(m, at)
	}
	if m.To == Retired {
		if at.Revision != s.head.Revision {
			return &MoveError{Name: m.Name, Revision: at.Revision, From: at.State, To: m.To, Why: "a rule is retired as a whole", Hint: "leave out revision; or let the shadow become draft"}
		}
		return s.set.unneeded(m.Name)
	}
	if at.State == Draft || at.State == Shadow && m.To == Live {
		return s.check(Change{Kind: KindRule, Name: m.Name, Text: []byte(text)})
	}
	return nil
}

func notAmong(m *Move, at trial) error {
	e := &MoveError{Name: m.Name, Revision: at.Revision, From: at.State, To: m.To, Why: fmt.Sprintf("from %s a rule goes to %s", at.State, either(moves[at.State]))}
	switch {
	case at.State == Retired:
		e.Why, e.Hint = "a retired rule stays retired", "store the text under another name, or delete the rule first"
	case m.To == Draft || m.To == Shadow:
		e.Hint = fmt.Sprintf("store the new text with PUT /v1/rules/%s?state=%s: it stands beside this one", m.Name, m.To)
	case m.To == Paused:
		e.Hint = "it raises no live alerts; as draft it runs nowhere"
	}
	return e
}

func either(states []State) string {
	text := ""
	for i, s := range states {
		switch {
		case i > 0 && i == len(states)-1:
			text += " or "
		case i > 0:
			text += ", "
		}
		text += string(s)
	}
	return text
}

// revisionOf is a stored revision of a document.
func (r *Registry) revisionOf(k Kind, name string, revision int) *Revision {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.revisions[Ref{k, name, revision}]
}

// place finds the revision of a text that a change need not store again: one that
// has the state already, or may go to it.
func (r *Registry) place(s *state, c *Change) (at trial, found bool) {
	for _, t := range s.head.revisions() {
		if r.revisionOf(c.Kind, c.Name, t.Revision).Text != string(c.Text) {
			continue
		}
		if t.State == c.State {
			return t, true
		}
		if slices.Contains(moves[t.State], c.State) {
			at, found = t, true
		}
	}
	return at, found
}

// storable refuses a state that a revision cannot begin in.
func storable(c *Change) error {
	if c.Kind != KindRule && c.State != Live || c.State != Draft && c.State != Shadow && c.State != Live {
		return settled{invalid(syntax.Problem{Detail: fmt.Sprintf("a %s is not stored as %s", c.Kind, c.State), Hint: "a rule is stored as draft, shadow or live, any other document as live"})}
	}
	return nil
}

// Trying returns the set that runs the newest revisions of the named rules, whatever their
// states, and of the others those whose alerts they read: what a backtest of them
// runs. Errors: ErrNotFound, and *InvalidError where a revision that does not run could not.
func (r *Registry) Trying(names ...string) (*Set, error) {
	set := r.Current()
	for _, name := range names {
		d, err := r.Get(KindRule, name)
		if err != nil {
			return nil, err
		}
		if d.Trial != nil {
			d = d.Trial
		}
		if has := set.Rule(name); has != nil && has.Revision == d.Revision.Revision {
			continue
		}
		found, problems := Check(set, Source{Name: d.Ref.String(), Text: []byte(d.Text)})
		if syntax.Failed(problems) {
			return nil, &InvalidError{problems}
		}
		rule := found.Rule(name)
		rule.Revision = d.Revision.Revision
		if set = set.beside(rule); found.Alerts != nil {
			set.Alerts = found.Alerts
		}
	}
	return set.Only(names...)
}
