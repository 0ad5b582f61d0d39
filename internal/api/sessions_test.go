package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/sinks/view"
)

// sessions answers what it is told to.
type sessions struct {
	asked   string
	current view.Current
	err     error
}

func (s *sessions) Current(_ context.Context, name, key string) (view.Current, error) {
	s.asked = name + " " + key
	return s.current, s.err
}

const viewText = `apiVersion: caltrop/v1
kind: View
name: card-session
key: card_id
window: {stream: payment, session: 30m}
values: {n: count()}
to: [redis]
`

// TestSessions: the answer tells what is wrong with it, and is 200 whatever the
// store does.
func TestSessions(t *testing.T) {
	g := newRig(t)
	g.want(http.StatusCreated, "PUT", "/v1/streams/payment", stream)
	g.want(http.StatusCreated, "PUT", "/v1/views/card-session", viewText)
	g.want(http.StatusCreated, "PUT", "/v1/views/elsewhere", strings.NewReplacer("card-session", "elsewhere", "redis", "kafka").Replace(viewText))
	const update = `{"view":"card-session","status":"open"}`
	for _, c := range []struct {
		current  view.Current
		err      error
		found    bool
		degraded string
		update   string
	}{
		{view.Current{}, nil, false, "", "null"},
		{view.Current{Found: true, Update: []byte(update)}, nil, true, "", update},
		{view.Current{Found: true, Update: []byte(update), Stale: true}, nil, true, "stale", update},
		{view.Current{Found: true, Oversized: true}, nil, true, "oversized", "null"},
		{view.Current{Found: true, Malformed: true}, nil, true, "malformed", "null"},
		{view.Current{}, errors.New("redis: password=hunter2 refused"), false, "unavailable", "null"},
	} {
		g.sessions.current, g.sessions.err = c.current, c.err
		w := g.want(http.StatusOK, "GET", "/v1/sessions/card-session/c%2F1", "")
		var got struct {
			View, Key, Degraded string
			Found               bool
			Update              json.RawMessage
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if g.sessions.asked != "card-session c/1" || got.Key != "c/1" || got.Found != c.found || got.Degraded != c.degraded || string(got.Update) != c.update {
			t.Errorf("asked for %q, answered %s, want found %v, degraded %q, %s", g.sessions.asked, w.Body, c.found, c.degraded, c.update)
		}
		if strings.Contains(w.Body.String(), "hunter2") {
			t.Errorf("the client was told %s", w.Body)
		}
	}
	g.want(http.StatusNotFound, "GET", "/v1/sessions/nobody/c1", "")
	g.want(http.StatusNotFound, "GET", "/v1/sessions/elsewhere/c1", "")
}
