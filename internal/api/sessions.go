package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"unicode/utf8"

	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/sinks/view"
	"github.com/go-chi/chi/v5"
)

// Sessions answers for the current windows of views. It answers within a
// time-out of its own, whatever the store does.
type Sessions interface {
	Current(ctx context.Context, view, key string) (view.Current, error)
}

// A session is the current window of one key of a view as clients see it.
type session struct {
	View     string          `json:"view"`
	Key      string          `json:"key"`
	Found    bool            `json:"found"`
	Update   json.RawMessage `json:"update"` // null when there is none, or it is not to be believed
	Degraded string          `json:"degraded,omitempty"`
}

// What `degraded` says of an answer.
const (
	degradedDown      = "unavailable" // the store does not answer: nothing is known of the key
	degradedStale     = "stale"       // the window should have ended long ago
	degradedOversized = "oversized"   // what is stored is larger than any update
	degradedMalformed = "malformed"   // what is stored is no update of this view and key
)

// keyBytesMax bounds a key in an address.
const keyBytesMax = 4096

// getSession answers with 200 whatever the store does: who decides about a
// payment wants to be told that nothing is known, at once.
func (s *server) getSession(w http.ResponseWriter, r *http.Request) error {
	name, key, err := s.sessionIn(r)
	if err != nil {
		return err
	}
	answer := session{View: name, Key: key, Update: json.RawMessage("null")}
	current, err := s.sessions.Current(r.Context(), name, key)
	switch {
	case err != nil:
		answer.Degraded = degradedDown
		s.log.WarnContext(r.Context(), "a session was asked for and is not known", "view", name, "error", err)
	case current.Oversized:
		answer.Degraded = degradedOversized
	case current.Malformed:
		answer.Degraded = degradedMalformed
	case current.Stale:
		answer.Degraded = degradedStale
	}
	answer.Found = err == nil && current.Found
	if current.Update != nil {
		answer.Update = current.Update
	}
	return encode(w, http.StatusOK, answer)
}

func (s *server) sessionIn(r *http.Request) (name, key string, err error) {
	if s.sessions == nil {
		return "", "", &problem{status: http.StatusNotFound, detail: "this process has no Redis: views are in the views topic"}
	}
	if name, err = nameIn(r); err != nil {
		return "", "", err
	}
	v := s.rules.Current().View(name)
	switch {
	case v == nil:
		return "", "", fmt.Errorf("view %s: %w", name, rules.ErrNotFound)
	case !slices.Contains(v.Doc.To, "redis"):
		return "", "", &problem{status: http.StatusNotFound, detail: "the view " + name + " does not go to redis"}
	}
	key = chi.URLParam(r, "key")
	if r.URL.RawPath != "" { // chi has read this one, in which nothing is decoded
		key, err = url.PathUnescape(key)
	}
	if err != nil || len(key) > keyBytesMax || !utf8.ValidString(key) {
		return "", "", &problem{status: http.StatusNotFound, detail: "no session can have this key", cause: errors.Join(err)}
	}
	return name, key, nil
}
