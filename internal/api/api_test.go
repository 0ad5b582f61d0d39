package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caltrop/caltrop/docs/schema"
	"github.com/caltrop/caltrop/engine/backtest"
	"github.com/caltrop/caltrop/internal/api"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/sinks/alert"
)

const stream = `apiVersion: caltrop/v1
kind: Stream
name: payment
source: {topic: payments}
time: {field: ts, unit: ms}
partition_key: card_id
fields: {card_id: string, amount: double}
`

const rule = `apiVersion: caltrop/v1
kind: Rule
name: probe
key: card_id
within: 10m
pattern: small{2,} -> large
steps:
  small: {stream: payment, where: amount < 5}
  large: {stream: payment, where: amount > 500}
tests:
  - name: fires
    events: |
      +0s  payment {card_id: c1, amount: 1.0}
      +5s  payment {card_id: c1, amount: 2.0}
      +60s payment {card_id: c1, amount: 900.0}
    alerts: [{at: +60s, key: c1}]
  - name: expects too much
    events: |
      +0s  payment {card_id: c1, amount: 1.0}
    alerts: [{at: +1m30s, key: c1}]
`

// A history answers with what a test gives it and remembers what it was asked.
type history struct {
	asked alert.Query
	page  alert.Page
	one   map[alert.ID]string
	err   error
}

func (h *history) Alerts(_ context.Context, q alert.Query) (alert.Page, error) {
	h.asked = q
	return h.page, h.err
}

func (h *history) Alert(_ context.Context, id alert.ID) ([]byte, error) {
	if text, ok := h.one[id]; ok {
		return []byte(text), h.err
	}
	return nil, fmt.Errorf("looking for %s: %w", id, alert.ErrUnknown)
}

// A process that cannot run a stored rule is not ready: an older build beside a
// newer one.
func TestFaultsMakeUnready(t *testing.T) {
	g := newRig(t)
	changed := g.registry.Changed()
	if _, err := g.entries.Append(t.Context(), -1, []rules.Record{
		{Key: "rule/later/1", Value: []byte(`{"format":1,"text":"kind: Rule","time":1}`)},
		{Key: "rule/later", Value: []byte(`{"format":1,"next":2,"revision":1,"state":"live","time":1}`)},
	}); err != nil {
		t.Fatal(err)
	}
	<-changed
	if w := g.want(http.StatusServiceUnavailable, "GET", "/readyz", ""); !strings.Contains(w.Body.String(), "rule/later/1") {
		t.Errorf("readiness says %s", w.Body)
	}
}

// oneJob is an engine with one task.
type oneJob struct{}

func (oneJob) HotKeys(context.Context) ([]api.HotKey, error) {
	return []api.HotKey{{Stream: "payment", Partition: 3, Key: "c1", Share: 0.9, Over: 0.01, Advice: "exclude it"}}, nil
}

func (oneJob) Jobs(context.Context) ([]api.Job, error) {
	return []api.Job{{Name: "job", Instance: "a", Rules: []string{"probe"}, Paths: []api.Path{{Rule: "probe", State: "live", Input: "payment"}}, Missing: []string{"logins"}, Tasks: []api.Task{{
		Input: "payments", Role: "direct", Stream: "payment", Partition: 3, State: "live", Position: api.Position{Offset: 7, Seq: 2}, Lag: 5,
		Watermark: "2026-03-01T11:00:00Z", Rules: 4, Counts: api.Counts{Records: 7, Accepted: 6, Late: 1},
		Running: []api.RuleAtWork{{Name: "probe", Revision: 2, Mode: "live", Covered: "2026-03-01T10:00:00Z"}}, Warming: &api.WarmUp{Rules: []string{"storm/1"}, Read: 10, Left: 3},
	}}}}, nil
}

// A rig is a server over an in-memory log.
type rig struct {
	t        *testing.T
	handler  http.Handler
	registry *rules.Registry
	history  *history
	entries  *rules.MemoryLog
	ready    error
	degraded []api.Degraded
	log      bytes.Buffer

	backtests  *backtest.Operations
	savepoints savepoints
	rescaler   rescaler
	sessions   sessions

	described *description // what every answer is held against
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newRig(t *testing.T) *rig {
	t.Helper()
	g := &rig{t: t, history: &history{one: map[alert.ID]string{}}, entries: &rules.MemoryLog{}}
	g.backtests = startBacktests(t)
	g.registry = rules.NewRegistry(rules.Options{Log: g.entries, Now: func() time.Time { return noon }})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- g.registry.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	<-g.registry.Ready()
	var err error
	g.handler, err = api.New(api.Options{
		Registry: g.registry, History: g.history, Jobs: oneJob{}, Backtests: g.backtests, Savepoints: &g.savepoints, Rescaler: &g.rescaler, Sessions: &g.sessions,
		Ready: func() error { return g.ready }, Degraded: func() []api.Degraded { return g.degraded },
		Log: slog.New(slog.NewTextHandler(&g.log, nil)),
		Now: func() time.Time { return noon },
	})
	if err != nil {
		t.Fatal(err)
	}
	g.described = describe(t, g.handler)
	return g
}

// call sends one request; headers are given as name, value pairs.
func (g *rig) call(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	g.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/yaml")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	g.handler.ServeHTTP(w, r)
	g.described.check(g.t, r, w)
	return w
}

// want calls and checks the status.
func (g *rig) want(status int, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	g.t.Helper()
	w := g.call(method, target, body, headers...)
	if w.Code != status {
		g.t.Fatalf("%s %s = %d, want %d\n%s", method, target, w.Code, status, w.Body)
	}
	return w
}

func read[T any](t *testing.T, w *httptest.ResponseRecorder) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v in\n%s", err, w.Body)
	}
	return v
}

type problemDocument struct {
	Type, Title, Detail string
	Status              int
	Errors              []struct {
		Pointer, Detail string
		Line, Column    int
	}
}

func TestRuleLifeOverREST(t *testing.T) {
	g := newRig(t)
	g.want(http.StatusCreated, "PUT", "/v1/streams/payment", stream)
	w := g.want(http.StatusCreated, "PUT", "/v1/rules/probe?state=live", rule)
	if tag := w.Header().Get("ETag"); tag != `"1"` {
		t.Errorf("ETag %s, want \"1\"", tag)
	}
	second := strings.Replace(rule, "within: 10m", "within: 20m", 1)
	g.want(http.StatusOK, "PUT", "/v1/rules/probe?state=live", second, "If-Match", `"1"`)
	g.want(http.StatusPreconditionFailed, "PUT", "/v1/rules/probe?state=live", rule, "If-Match", `"1"`)
	g.want(http.StatusPreconditionFailed, "PUT", "/v1/rules/probe?state=live", rule, "If-None-Match", "*")
	g.want(http.StatusPreconditionFailed, "PUT", "/v1/rules/probe?state=live", rule, "If-Match", `W/"2"`)
	g.want(http.StatusPreconditionFailed, "DELETE", "/v1/rules/probe", "", "If-Match", `"1"`)

	got := g.want(http.StatusOK, "GET", "/v1/rules/probe", "", "Accept", "application/yaml")
	if got.Body.String() != second {
		t.Errorf("GET as YAML gives\n%s\nwant the text that was put", got.Body)
	}
	g.want(http.StatusNotModified, "GET", "/v1/rules/probe", "", "If-None-Match", `"2"`)
	revs := read[struct{ Revisions []struct{ Revision int } }](t, g.want(http.StatusOK, "GET", "/v1/rules/probe/revisions", ""))
	if len(revs.Revisions) != 2 {
		t.Errorf("%d revisions, want 2", len(revs.Revisions))
	}
	g.want(http.StatusConflict, "DELETE", "/v1/streams/payment", "")
	g.want(http.StatusNoContent, "DELETE", "/v1/rules/probe", "", "If-Match", `"2"`)
	g.want(http.StatusNotFound, "GET", "/v1/rules/probe", "")
	g.want(http.StatusNoContent, "DELETE", "/v1/streams/payment", "")
	again := read[struct{ Revision int }](t, g.want(http.StatusCreated, "PUT", "/v1/streams/payment", stream))
	if again.Revision != 2 {
		t.Errorf("revision %d after delete and create, want 2", again.Revision)
	}
}

// TestRuleStatesOverREST takes a rule through its states, and asks for what is not
// possible.
func TestRuleStatesOverREST(t *testing.T) {
	g := newRig(t)
	type stored struct {
		Revision int
		State    string
		Trial    *struct {
			Revision int
			State    string
		}
	}
	type refusal struct {
		Detail string
		Errors []struct{ Hint string }
	}
	g.want(http.StatusCreated, "PUT", "/v1/streams/payment", stream)
	g.want(http.StatusCreated, "PUT", "/v1/rules/probe?state=draft", rule)
	no := read[refusal](t, g.want(http.StatusConflict, "POST", "/v1/rules/probe/state?to=paused", ""))
	if !strings.Contains(no.Detail, "from draft a rule goes to shadow, live or retired") || len(no.Errors) != 1 || no.Errors[0].Hint == "" {
		t.Errorf("refused with %+v", no)
	}
	g.want(http.StatusOK, "POST", "/v1/rules/probe/state?to=live", "", "If-Match", `"1"`)
	second := strings.Replace(rule, "within: 10m", "within: 20m", 1)
	g.want(http.StatusOK, "PUT", "/v1/rules/probe?state=shadow", second, "If-Match", `"1"`)
	got := read[stored](t, g.want(http.StatusOK, "GET", "/v1/rules/probe", ""))
	if got.Revision != 1 || got.State != "live" || got.Trial == nil || got.Trial.Revision != 2 || got.Trial.State != "shadow" {
		t.Errorf("GET gives %+v, want revision 1, live, beside 2, on trial", got)
	}
	g.want(http.StatusPreconditionFailed, "POST", "/v1/rules/probe/state?to=live", "", "If-Match", `"3"`)
	got = read[stored](t, g.want(http.StatusOK, "POST", "/v1/rules/probe/state?to=live", "", "If-Match", `"2"`))
	if got.Revision != 2 || got.State != "live" || got.Trial != nil {
		t.Errorf("promoted: %+v", got)
	}
	g.want(http.StatusOK, "POST", "/v1/rules/probe/state?to=paused", "")
	g.want(http.StatusOK, "POST", "/v1/rules/probe/state?to=retired", "")
	g.want(http.StatusConflict, "PUT", "/v1/rules/probe?state=live", rule)
	g.want(http.StatusOK, "GET", "/v1/alerts?rule=probe&shadow=true", "")
	if q := g.history.asked; len(q.Rules) != 1 || q.Rules[0] == "probe" {
		t.Errorf("the history was asked for %q", q.Rules)
	}
}

const trusted = `apiVersion: caltrop/v1
kind: List
name: trusted
attributes: {country: string}
entries:
  a: {country: BR}
`

func TestListLifeOverREST(t *testing.T) {
	g := newRig(t)
	reads := strings.Replace(rule, "amount > 500", `'amount > 500 && !in_list("trusted", card_id)'`, 1)
	g.want(http.StatusCreated, "PUT", "/v1/streams/payment", stream)
	g.want(http.StatusUnprocessableEntity, "PUT", "/v1/rules/probe?state=live", reads)
	g.want(http.StatusCreated, "PUT", "/v1/lists/trusted", trusted)
	g.want(http.StatusCreated, "PUT", "/v1/rules/probe?state=live", reads)
	g.want(http.StatusConflict, "DELETE", "/v1/lists/trusted", "")
	g.want(http.StatusConflict, "PUT", "/v1/lists/trusted", strings.Replace(trusted, "country: string", "country: string, city: string", 1))

	type entry struct {
		Value      string
		Attributes map[string]any
		Revision   int
	}
	got := read[entry](t, g.want(http.StatusCreated, "PUT", "/v1/lists/trusted/entries/b%20c", `{"country": "US"}`, "Content-Type", "application/json"))
	if got.Value != "b c" || got.Revision != 2 {
		t.Errorf("put %+v, want value b c at revision 2", got)
	}
	g.want(http.StatusUnprocessableEntity, "PUT", "/v1/lists/trusted/entries/d", `{"country": 7}`, "Content-Type", "application/json")
	g.want(http.StatusUnprocessableEntity, "PUT", "/v1/lists/trusted/entries/d", `{"county": "US"}`, "Content-Type", "application/json")
	for _, body := range []string{"[1]", "null", "{} {}", "{"} {
		w := g.want(http.StatusBadRequest, "PUT", "/v1/lists/trusted/entries/d", body, "Content-Type", "application/json")
		if p := read[problemDocument](t, w); !strings.HasPrefix(p.Detail, "the body is no JSON object") {
			t.Errorf("body %s: %s", body, p.Detail)
		}
	}
	g.want(http.StatusPreconditionFailed, "PUT", "/v1/lists/trusted/entries/d", `{}`, "Content-Type", "application/json", "If-Match", `"1"`)
	g.want(http.StatusOK, "PUT", "/v1/lists/trusted/entries/a", `{}`, "Content-Type", "application/json", "If-Match", `"2"`)
	got = read[entry](t, g.want(http.StatusOK, "GET", "/v1/lists/trusted/entries/b%20c", ""))
	if got.Attributes["country"] != "US" || got.Revision != 3 {
		t.Errorf("got %+v, want country US at revision 3", got)
	}
	g.want(http.StatusNoContent, "DELETE", "/v1/lists/trusted/entries/b%20c", "")
	g.want(http.StatusNotFound, "DELETE", "/v1/lists/trusted/entries/b%20c", "")
	g.want(http.StatusNotFound, "GET", "/v1/lists/trusted/entries/b%20c", "")
	g.want(http.StatusNotFound, "PUT", "/v1/lists/other/entries/a", `{}`, "Content-Type", "application/json")
	g.want(http.StatusOK, "PUT", "/v1/lists/trusted", trusted)
	for _, address := range []string{"50%25", "a%2Fb", "%2541", "a%2Fb%2541"} {
		value, err := url.PathUnescape(address)
		if err != nil {
			t.Fatal(err)
		}
		got = read[entry](t, g.want(http.StatusCreated, "PUT", "/v1/lists/trusted/entries/"+address, `{}`, "Content-Type", "application/json", "If-None-Match", "*"))
		if got.Value != value {
			t.Errorf("at %s there is the entry %q, want %q", address, got.Value, value)
		}
		g.want(http.StatusPreconditionFailed, "PUT", "/v1/lists/trusted/entries/"+address, `{}`, "Content-Type", "application/json", "If-None-Match", "*")
	}
	g.want(http.StatusNotFound, "PUT", "/v1/lists/trusted/entries/%ff", `{}`, "Content-Type", "application/json")
	g.want(http.StatusNoContent, "DELETE", "/v1/rules/probe", "")
	g.want(http.StatusNoContent, "DELETE", "/v1/lists/trusted", "")
}

func TestBadDocumentsHaveTheirPlaces(t *testing.T) {
	g := newRig(t)
	g.want(http.StatusCreated, "PUT", "/v1/streams/payment", stream)
	bad := strings.Replace(strings.Replace(rule, "within: 10m", "within: 10x", 1), "amount > 500", "amonut > 500", 1)
	w := g.want(http.StatusUnprocessableEntity, "PUT", "/v1/rules/probe?state=live", bad)
	if ct := w.Header().Get("Content-Type"); ct != "application/problem+json" {
		t.Errorf("Content-Type %s", ct)
	}
	p := read[problemDocument](t, w)
	if p.Status != 422 || p.Title == "" || len(p.Errors) == 0 || p.Errors[0].Line != 5 || p.Errors[0].Column == 0 || p.Errors[0].Pointer != "/within" {
		t.Errorf("problem %+v, want an error at line 5, /within", p)
	}
	g.want(http.StatusNotFound, "GET", "/v1/rules/probe", "")
}

// A log that does not answer is a 503, a document that is wrong anyway stays a
// 422, and the cause goes to the server's log only.
func TestUnavailableLog(t *testing.T) {
	log := &brokenLog{}
	registry := rules.NewRegistry(rules.Options{Log: log})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- registry.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	<-registry.Ready()
	g := &rig{t: t, registry: registry}
	var err error
	if g.handler, err = api.New(api.Options{Registry: registry, History: &history{}, Jobs: oneJob{}, Backtests: g.backtests, Log: slog.New(slog.NewTextHandler(&g.log, nil))}); err != nil {
		t.Fatal(err)
	}
	g.described = describe(t, g.handler)
	w := g.want(http.StatusServiceUnavailable, "PUT", "/v1/streams/payment", stream)
	if strings.Contains(w.Body.String(), "sasl") || !strings.Contains(g.log.String(), "sasl") {
		t.Errorf("the client was told\n%s\nthe log\n%s", w.Body, &g.log)
	}
	g.want(http.StatusUnprocessableEntity, "PUT", "/v1/streams/payment", stream+"colour: red\n")
}

// brokenLog can be read, and not be written.
type brokenLog struct{ rules.MemoryLog }

func (*brokenLog) Append(context.Context, int64, []rules.Record) (int64, error) {
	return 0, errors.New("sasl: no connection")
}

// Each way a request can be wrong has its status, and nothing is logged for it.
func TestRefusals(t *testing.T) {
	g := newRig(t)
	g.want(http.StatusCreated, "PUT", "/v1/streams/payment", stream)
	cases := []struct {
		name, method, target, body string
		headers                    []string
		status                     int
	}{
		{"no state", "PUT", "/v1/rules/probe", rule, nil, 400},
		{"a state that is not there", "PUT", "/v1/rules/probe?state=asleep", rule, nil, 400},
		{"a state that no revision begins in", "PUT", "/v1/rules/probe?state=paused", rule, nil, 400},
		{"no state to go to", "POST", "/v1/rules/probe/state", "", nil, 400},
		{"a state to go to that is not there", "POST", "/v1/rules/probe/state?to=asleep", "", nil, 400},
		{"a revision that is no number", "POST", "/v1/rules/probe/state?to=live&revision=x", "", nil, 400},
		{"an unknown rule to move", "POST", "/v1/rules/none/state?to=live", "", nil, 404},
		{"neither true nor false", "GET", "/v1/alerts?shadow=maybe", "", nil, 400},
		{"empty body", "PUT", "/v1/rules/probe?state=live", " ", nil, 400},
		{"another name", "PUT", "/v1/rules/other?state=live", rule, nil, 422},
		{"a name that cannot be", "PUT", "/v1/rules/Probe?state=live", rule, nil, 404},
		{"another media type", "PUT", "/v1/streams/payment", stream, []string{"Content-Type", "text/html"}, 415},
		{"no media type", "PUT", "/v1/streams/payment", stream, []string{"Content-Type", ""}, 415},
		{"a compressed body", "PUT", "/v1/streams/payment", stream, []string{"Content-Encoding", "gzip"}, 415},
		{"a large body", "POST", "/v1/rules:validate", strings.Repeat("#", 2<<20), nil, 413},
		{"deep JSON", "POST", "/v1/rules:validate", strings.Repeat("[", 100_000), []string{"Content-Type", "application/json"}, 422},
		{"not YAML", "POST", "/v1/rules:validate", "\"", nil, 422},
		{"an entity tag that cannot be", "PUT", "/v1/streams/payment", stream, []string{"If-Match", "x"}, 412},
		{"If-None-Match with a tag", "PUT", "/v1/streams/payment", stream, []string{"If-None-Match", `"1"`}, 400},
		{"a method that is not there", "POST", "/v1/streams/payment", stream, nil, 405},
		{"an address that is not there", "GET", "/v1/sessions", "", nil, 404},
		{"an unknown rule", "GET", "/v1/rules/none/revisions", "", nil, 404},
		{"an unknown parameter", "GET", "/v1/rules?nme=probe", "", nil, 400},
		{"an unknown parameter beside state", "PUT", "/v1/rules/probe?state=live&dry_run=true", rule, nil, 400},
		{"two states", "PUT", "/v1/rules/probe?state=live&state=draft", rule, nil, 400},
		{"a parameter twice", "GET", "/v1/alerts?limit=1&limit=2", "", nil, 400},
		{"an empty parameter", "GET", "/v1/alerts?rule=", "", nil, 400},
		{"parameters that cannot be read", "GET", "/v1/alerts?limit=%zz", "", nil, 400},
		{"parameters parted by semicolons", "GET", "/v1/alerts?limit=1;key=a", "", nil, 400},
		{"a key that is no text", "GET", "/v1/alerts?key=%ff", "", nil, 400},
		{"an address that is not there, with parameters", "GET", "/v1/sessions?x=1", "", nil, 404},
		{"an empty entity tag", "PUT", "/v1/streams/payment", stream, []string{"If-Match", ""}, 400},
		{"an alert id that cannot be", "GET", "/v1/alerts/xyz", "", nil, 404},
		{"an unknown alert", "GET", "/v1/alerts/" + strings.Repeat("0", 32), "", nil, 404},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := g.call(c.method, c.target, c.body, c.headers...)
			p := read[problemDocument](t, w)
			if w.Code != c.status || p.Status != c.status || p.Detail == "" {
				t.Errorf("%s %s = %d %+v, want %d", c.method, c.target, w.Code, p, c.status)
			}
		})
	}
	if g.log.Len() > 0 {
		t.Errorf("the log has\n%s", &g.log)
	}
}

// Before the rules log has been read nothing is said of what it holds.
func TestNothingIsKnownBeforeTheLogIsRead(t *testing.T) {
	var away error
	h, err := api.New(api.Options{Registry: rules.NewRegistry(rules.Options{Log: &rules.MemoryLog{}}), History: &history{}, Jobs: oneJob{},
		Ready: func() error { return away }})
	if err != nil {
		t.Fatal(err)
	}
	g := &rig{t: t, handler: h, described: describe(t, h)}
	for _, target := range []string{"/v1/rules", "/v1/rules/probe", "/v1/rules/probe/revisions", "/v1/streams/payment", "/v1/lists/trusted/entries/a", "/v1/alerts", "/readyz"} {
		if w := g.want(http.StatusServiceUnavailable, "GET", target, ""); w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", target)
		}
	}
	g.want(http.StatusServiceUnavailable, "POST", "/v1/rules:validate", rule)
	g.want(http.StatusServiceUnavailable, "DELETE", "/v1/rules/probe", "")
	g.want(http.StatusOK, "GET", "/healthz", "")
	g.want(http.StatusOK, "GET", "/v1/jobs", "")
	g.want(http.StatusOK, "GET", "/v1/hot-keys", "")
	away = errors.New("waiting for Kafka since noon")
	for _, target := range []string{"/readyz", "/v1/rules"} {
		if w := g.want(http.StatusServiceUnavailable, "GET", target, ""); !strings.Contains(w.Body.String(), "since noon") {
			t.Errorf("%s says %s", target, w.Body)
		}
	}
}

// A method that is not there is told which ones are.
func TestMethods(t *testing.T) {
	g := newRig(t)
	for target, want := range map[string]string{
		"/v1/streams/payment": "GET, HEAD, PUT, DELETE", "/v1/rules:test": "POST", "/healthz": "GET, HEAD",
	} {
		if w := g.want(http.StatusMethodNotAllowed, "PATCH", target, ""); w.Header().Get("Allow") != want {
			t.Errorf("%s allows %q, want %q", target, w.Header().Get("Allow"), want)
		}
	}
	g.want(http.StatusOK, "HEAD", "/readyz", "")
	g.want(http.StatusNotFound, "HEAD", "/v1/streams/payment", "")
}

// A client that sends its body too slowly is told so: the connection's read
// deadline ends the body.
func TestSlowBodies(t *testing.T) {
	g := newRig(t)
	r := httptest.NewRequest("POST", "/v1/rules:validate", io.MultiReader(strings.NewReader("apiVersion"), slowReader{}))
	r.Header.Set("Content-Type", "application/yaml")
	w := httptest.NewRecorder()
	g.handler.ServeHTTP(w, r)
	if w.Code != http.StatusRequestTimeout {
		t.Errorf("status %d, want 408\n%s", w.Code, w.Body)
	}
}

type slowReader struct{}

func (slowReader) Read([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }

// The answer to a hostile document stays small.
func TestLongLinesAreNotSentBack(t *testing.T) {
	g := newRig(t)
	w := g.want(http.StatusUnprocessableEntity, "POST", "/v1/rules:validate", strings.Repeat("k", 500_000))
	if w.Body.Len() > 10_000 {
		t.Errorf("the answer has %d bytes", w.Body.Len())
	}
}

func TestTheSchemaIsServed(t *testing.T) {
	w := newRig(t).want(http.StatusOK, "GET", "/v1/schema", "")
	if got := w.Header().Get("Content-Type"); got != "application/json" || !bytes.Equal(w.Body.Bytes(), schema.Document()) {
		t.Errorf("%s, %d bytes", got, w.Body.Len())
	}
}

// A rule that can never fire is stored, and its author told.
func TestWarningsAreAnswered(t *testing.T) {
	g := newRig(t)
	type answer struct {
		Warnings []struct {
			Detail string
			Line   int
		}
	}
	senseless := strings.Replace(rule, "amount > 500", "amount > 500 && amount < 5", 1)
	for _, call := range []struct{ method, target, body string }{
		{"POST", "/v1/rules:validate", stream + "---\n" + senseless},
		{"PUT", "/v1/streams/payment", stream},
		{"PUT", "/v1/rules/probe?state=live", senseless},
	} {
		w := g.call(call.method, call.target, call.body)
		a := read[answer](t, w)
		if want := call.body != stream; w.Code/100 != 2 || (len(a.Warnings) > 0) != want {
			t.Errorf("%s %s = %d %s", call.method, call.target, w.Code, w.Body)
		} else if want && (a.Warnings[0].Line == 0 || !strings.Contains(a.Warnings[0].Detail, "never")) {
			t.Errorf("%s %s: warnings %+v", call.method, call.target, a.Warnings)
		}
	}
}

func TestValidateAndTestStoreNothing(t *testing.T) {
	g := newRig(t)
	w := g.want(http.StatusOK, "POST", "/v1/rules:validate", stream+"---\n"+rule)
	v := read[struct {
		Valid bool
		Rules []struct{ Rule, Evaluator, Program string }
	}](t, w)
	if !v.Valid || len(v.Rules) != 1 || v.Rules[0].Evaluator == "" || v.Rules[0].Program == "" {
		t.Errorf("validate gives %+v", v)
	}
	g.want(http.StatusUnprocessableEntity, "POST", "/v1/rules:test", rule) // no stream yet
	g.want(http.StatusCreated, "PUT", "/v1/streams/payment", stream)
	w = g.want(http.StatusOK, "POST", "/v1/rules:test", rule)
	r := read[struct {
		Passed, Failed int
		Results        []struct {
			Test, Diff string
			Passed     bool
		}
	}](t, w)
	if r.Passed != 1 || r.Failed != 1 || !r.Results[0].Passed || !strings.Contains(r.Results[1].Diff, "missing:    at +1m30s, key \"c1\"") {
		t.Errorf("test gives %+v", r)
	}
	g.want(http.StatusNotFound, "GET", "/v1/rules/probe", "")
}

func TestAlertsAreAlwaysTimeBoxed(t *testing.T) {
	g := newRig(t)
	g.want(http.StatusCreated, "PUT", "/v1/streams/payment", stream)
	g.want(http.StatusCreated, "PUT", "/v1/rules/probe?state=live", rule)
	g.history.page = alert.Page{Alerts: [][]byte{[]byte(`{"id":"a","version":1,"status":"raised","rule":"probe","revision":1,"key":"c1","at":"2026-03-01T11:00:00.000000Z"}`)}, Next: "more"}

	w := g.want(http.StatusOK, "GET", "/v1/alerts", "")
	page := read[struct {
		From, To, Next string
		Alerts         []struct{ ID string }
	}](t, w)
	if page.From != "2026-02-28T12:00:00.000000Z" || page.To != "2026-03-01T12:00:00.000000Z" || page.Next != "more" || len(page.Alerts) != 1 {
		t.Errorf("page %+v, want the last day", page)
	}
	if q := g.history.asked; fmt.Sprint(q.Rules) != "[probe]" || q.Limit != 100 || q.To-q.From != (24*time.Hour).Microseconds() {
		t.Errorf("asked %+v", q)
	}
	g.want(http.StatusOK, "GET", "/v1/alerts?key=c1&status=raised&limit=7&after=x&from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00%2B01:00", "")
	if q := g.history.asked; q.Key != "c1" || len(q.Rules) != 0 || q.Status != alert.Raised || q.Limit != 7 || q.After != "x" || q.To-q.From != (23*time.Hour).Microseconds() {
		t.Errorf("asked %+v", q)
	}
	for _, query := range []string{"limit=0", "limit=1001", "limit=x", "from=yesterday", "status=open", "rules=probe",
		"from=2026-01-01T00:00:00Z&to=2026-02-02T00:00:00Z", "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z"} {
		g.want(http.StatusBadRequest, "GET", "/v1/alerts?"+query, "")
	}
	g.history.err = alert.ErrCursor
	g.want(http.StatusBadRequest, "GET", "/v1/alerts?after=nonsense", "")
}

// A cause is for the log, not for the client.
func TestInternalErrorsStayInside(t *testing.T) {
	g := newRig(t)
	g.history.err = errors.New("password=hunter2 was refused")
	w := g.want(http.StatusServiceUnavailable, "GET", "/v1/alerts?rule=probe", "")
	if strings.Contains(w.Body.String(), "hunter2") || !strings.Contains(g.log.String(), "hunter2") {
		t.Errorf("the client was told\n%s\nthe log\n%s", w.Body, &g.log)
	}
}

func TestHealthAndReadiness(t *testing.T) {
	g := newRig(t)
	g.want(http.StatusOK, "GET", "/healthz", "")
	if w := g.want(http.StatusOK, "GET", "/readyz", ""); strings.Contains(w.Body.String(), "degraded") {
		t.Errorf("readiness says %s", w.Body)
	}
	g.degraded = []api.Degraded{{Part: "task main.payment.1.3", Reason: "checkpoint: SlowDown", Since: "2026-03-01T12:00:00Z"}}
	answer := read[struct {
		Status   string
		Degraded []api.Degraded
	}](t, g.want(http.StatusOK, "GET", "/readyz", ""))
	if answer.Status != "ready" || !slices.Equal(answer.Degraded, g.degraded) {
		t.Errorf("readiness says %+v", answer)
	}
	g.ready = errors.New("kafka does not answer")
	w := g.want(http.StatusServiceUnavailable, "GET", "/readyz", "")
	if !strings.Contains(w.Body.String(), "kafka does not answer") || w.Header().Get("Retry-After") == "" {
		t.Errorf("readiness says %s", w.Body)
	}
}

func TestJobsTellPositionsAndLag(t *testing.T) {
	g := newRig(t)
	answer := read[struct {
		Jobs []struct {
			Missing []string `json:"missing_topics"`
			Tasks   []struct {
				Partition, Lag int
				Position       struct{ Offset, Seq int }
			}
		}
	}](t, g.want(http.StatusOK, "GET", "/v1/jobs", ""))
	if task := answer.Jobs[0].Tasks[0]; task.Partition != 3 || task.Lag != 5 || task.Position.Offset != 7 || task.Position.Seq != 2 {
		t.Errorf("task %+v", task)
	}
	if missing := answer.Jobs[0].Missing; len(missing) != 1 || missing[0] != "logins" {
		t.Errorf("missing topics %v, want logins", missing)
	}
}

func TestOneAlertIsFoundByItsID(t *testing.T) {
	g := newRig(t)
	text := `{"id":"000102030405060708090a0b0c0d0e0f","version":2,"status":"changed","rule":"probe","revision":1,"key":["a",7],"at":"2026-03-01T11:00:00.000000Z"}`
	g.history.one[alert.ID{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}] = text
	if got := g.want(http.StatusOK, "GET", "/v1/alerts/000102030405060708090a0b0c0d0e0f", "").Body.String(); got != text+"\n" {
		t.Errorf("got %s, want the history's own text", got)
	}
}

// An alert is answered with the silences of its time, and as the history has it
// where none holds.
func TestAlertsNameTheirSilences(t *testing.T) {
	g := newRig(t)
	const text = `{"id":"000102030405060708090a0b0c0d0e0f","version":1,"status":"raised","rule":"probe","revision":1,"key":"c1","at":"2026-03-01T11:00:00.000000Z"}`
	g.history.one[alert.ID{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}] = text
	const quiet = "apiVersion: caltrop/v1\nkind: Silence\nname: quiet\nmatch: {rule: probe, key: c1}\nreason: a test\nowner: ops\nfrom: 2026-03-01T10:00:00Z\nuntil: "
	get := func() string {
		return strings.TrimSpace(g.want(http.StatusOK, "GET", "/v1/alerts/000102030405060708090a0b0c0d0e0f", "").Body.String())
	}
	g.want(http.StatusCreated, "PUT", "/v1/silences/quiet", quiet+"2026-03-01T11:00:00Z\n", "Content-Type", "application/yaml")
	if got := get(); got != text {
		t.Errorf("after the silence: %s", got)
	}
	g.want(http.StatusOK, "PUT", "/v1/silences/quiet", quiet+"2026-03-01T11:00:01Z\n", "Content-Type", "application/yaml")
	if want := strings.TrimSuffix(text, "}") + `,"silenced":["quiet"]}`; get() != want {
		t.Errorf("silenced: %s, want %s", get(), want)
	}
	g.want(http.StatusNoContent, "DELETE", "/v1/silences/quiet", "")
	if got := get(); got != text {
		t.Errorf("after the silence was deleted: %s", got)
	}
}

func TestMetricsCountRequestsByRoute(t *testing.T) {
	g := newRig(t)
	g.want(http.StatusNotFound, "GET", "/v1/rules/secret-name", "")
	text := g.want(http.StatusOK, "GET", "/metrics", "").Body.String()
	if !strings.Contains(text, `caltrop_http_requests_total{method="GET",route="/v1/rules/{name}",status="404"} 1`) {
		t.Errorf("metrics lack the request:\n%s", grep(text, "caltrop_"))
	}
	if strings.Contains(text, "secret-name") {
		t.Error("a label holds what a client sent")
	}
}

func grep(text, part string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			b.WriteString(line)
		}
	}
	return b.String()
}
