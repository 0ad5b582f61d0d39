package api

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/caltrop/caltrop/rules"
	"github.com/go-chi/chi/v5"
)

// A document is a stored document as clients see it.
type document struct {
	Kind     string `json:"kind"`
	Name     string `json:"name"`
	Revision int    `json:"revision"`
	State    string `json:"state,omitempty"`
	ETag     string `json:"etag"`
	Stored   string `json:"stored_at"`
	Author   string `json:"author,omitempty"`
	Text     string `json:"text"` // as it was sent
	// Trial is the draft or shadow beside a rule that is live or paused.
	Trial *document `json:"trial,omitempty"`
	// Warnings say what of it can never happen; in the answer to a PUT only.
	Warnings []fault `json:"warnings,omitempty"`
	// Source says how the topic of a list is read; of one list with a topic only.
	Source *listSource `json:"source,omitempty"`
	// Delivery says how a sink is doing; of one sink only.
	Delivery *Delivery `json:"delivery,omitempty"`
}

func documentOf(rev *rules.Revision, state rules.State) document {
	return document{Kind: string(rev.Kind), Name: rev.Name, Revision: rev.Revision, State: string(state), ETag: rev.ETag(),
		Stored: rev.Time.Format(time.RFC3339Nano), Author: rev.Author, Text: rev.Text}
}

// storedDocument is a document with what stands beside it.
func storedDocument(d *rules.Document) document {
	found := documentOf(d.Revision, d.State)
	if d.Trial != nil {
		beside := documentOf(d.Trial.Revision, d.Trial.State)
		found.Trial = &beside
	}
	return found
}

// documentName is the shape of names (language §1), with a bound on its length.
var documentName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,127}$`)

// nameIn returns the name in the address. A name that no document can have is
// not found.
func nameIn(r *http.Request) (string, error) {
	name := chi.URLParam(r, "name")
	if !documentName.MatchString(name) {
		return "", &problem{status: http.StatusNotFound, detail: "no document can have this name: names are [a-z][a-z0-9-]*"}
	}
	return name, nil
}

func (s *server) listDocuments(k rules.Kind) handler {
	return func(w http.ResponseWriter, _ *http.Request) error {
		list := []document{}
		for _, d := range s.rules.List(k) {
			list = append(list, storedDocument(d))
		}
		return encode(w, http.StatusOK, map[string]any{string(k) + "s": list})
	}
}

func (s *server) getDocument(k rules.Kind) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		name, err := nameIn(r)
		if err != nil {
			return err
		}
		d, err := s.rules.Get(k, name)
		if err != nil {
			return err
		}
		w.Header().Set("ETag", d.ETag())
		if r.Header.Get("If-None-Match") == d.ETag() {
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
		if strings.Contains(r.Header.Get("Accept"), "yaml") {
			return writeText(w, d.Text)
		}
		found := storedDocument(d)
		if k == rules.KindList {
			found.Source = s.sourceOf(name)
		}
		if k == rules.KindSink {
			found.Delivery = s.deliveryOf(name)
		}
		return encode(w, http.StatusOK, found)
	}
}

func writeText(w http.ResponseWriter, text string) error {
	w.Header().Set("Content-Type", "application/yaml")
	w.Write([]byte(text)) // the client is gone when this fails: nobody is left to tell
	return nil
}

// putRule stores a rule. It asks for the state in so many words: nothing goes live
// because a word was left out.
func (s *server) putRule(w http.ResponseWriter, r *http.Request) error {
	const states = "say ?state=draft, which runs nowhere, ?state=shadow, which is on trial, or ?state=live"
	switch state := rules.State(r.URL.Query().Get("state")); state {
	case rules.Draft, rules.Shadow, rules.Live:
		return s.putDocument(rules.KindRule, state)(w, r)
	case rules.Paused, rules.Retired:
		return badRequest("", "a revision is not stored as %s: %s; POST %s/state?to=%s brings a rule there", state, states, r.URL.Path, state)
	case "":
		return badRequest("", "the state is missing: "+states)
	default:
		return badRequest("", "there is no state %s: %s", state, states)
	}
}

// moveRule brings a rule to another state.
func (s *server) moveRule(w http.ResponseWriter, r *http.Request) error {
	name, err := nameIn(r)
	if err != nil {
		return err
	}
	m := rules.Move{Name: name}
	if m.If, err = condition(r); err != nil {
		return err
	}
	switch m.To = rules.State(r.URL.Query().Get("to")); m.To {
	case rules.Draft, rules.Shadow, rules.Live, rules.Paused, rules.Retired:
	case "":
		return badRequest("", "the state is missing: say ?to=draft, shadow, live, paused or retired")
	default:
		return badRequest("", "there is no state %s: say ?to=draft, shadow, live, paused or retired", m.To)
	}
	if text := r.URL.Query().Get("revision"); text != "" {
		if m.Revision, err = strconv.Atoi(text); err != nil || m.Revision < 1 {
			return badRequest("", "revision %s is no number of a revision", text)
		}
	}
	d, err := s.rules.Move(r.Context(), m)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", d.ETag())
	return encode(w, http.StatusOK, storedDocument(d))
}

func (s *server) putDocument(k rules.Kind, state rules.State) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		name, err := nameIn(r)
		if err != nil {
			return err
		}
		cond, err := condition(r)
		if err != nil {
			return err
		}
		body, err := readDocuments(w, r)
		if err != nil {
			return err
		}
		rev, created, err := s.rules.Put(r.Context(), rules.Change{Kind: k, Name: name, Text: body, State: state, If: cond})
		if err != nil {
			return err
		}
		stored := documentOf(rev, state)
		_, problems := rules.Check(s.rules.Current(), rules.Source{Name: bodyName, Text: body})
		stored.Warnings = warningsOf(problems)
		return written(w, rev, created, stored)
	}
}

// written answers a PUT that made rev, or found it made.
func written(w http.ResponseWriter, rev *rules.Revision, created bool, body any) error {
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	w.Header().Set("ETag", rev.ETag())
	return encode(w, status, body)
}

func (s *server) deleteDocument(k rules.Kind) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		name, err := nameIn(r)
		if err != nil {
			return err
		}
		return remove(w, r, func(c rules.Condition) error { return s.rules.Delete(r.Context(), k, name, c) })
	}
}

// remove answers a DELETE: do deletes what the address names, on the request's
// condition.
func remove(w http.ResponseWriter, r *http.Request, do func(rules.Condition) error) error {
	cond, err := condition(r)
	if err != nil {
		return err
	}
	if err := do(cond); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) listRevisions(w http.ResponseWriter, r *http.Request) error {
	name, err := nameIn(r)
	if err != nil {
		return err
	}
	revs, err := s.rules.Revisions(rules.KindRule, name)
	if err != nil {
		return err
	}
	list := make([]document, len(revs))
	for i, rev := range revs {
		list[i] = documentOf(rev, "")
	}
	return encode(w, http.StatusOK, map[string]any{"revisions": list})
}
