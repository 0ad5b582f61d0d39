package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/caltrop/caltrop/cep/syntax"
	"github.com/caltrop/caltrop/engine/backtest"
	"github.com/caltrop/caltrop/rules"
	"github.com/go-chi/chi/v5"
)

// Backtests run rules over history beside the live engine:
// *backtest.Operations.
type Backtests interface {
	Start(backtest.Plan) (backtest.Operation, error)
	All() []backtest.Operation
	Get(id string) (backtest.Operation, bool)
	Cancel(id string) (backtest.Operation, bool)
}

// A backtestAnswer is an operation as clients see it.
type backtestAnswer struct {
	ID       string          `json:"id"`
	State    backtest.State  `json:"state"`
	Error    string          `json:"error,omitempty"`
	Rules    []string        `json:"rules"`
	From     string          `json:"from,omitempty"`
	To       string          `json:"to,omitempty"`
	Begun    string          `json:"begun,omitempty"`
	Ended    string          `json:"ended,omitempty"`
	Progress backtestShare   `json:"progress"`
	Report   json.RawMessage `json:"report,omitempty"`
}

// A backtestShare tells how much is read, in offsets.
type backtestShare struct {
	Read  int64 `json:"read"`
	Total int64 `json:"total"`
}

func backtestOf(op *backtest.Operation) backtestAnswer {
	return backtestAnswer{
		ID: op.ID, State: op.State, Error: op.Error, Rules: op.Rules, From: stamp(op.From), To: stamp(op.To),
		Begun: stamp(op.Begun), Ended: stamp(op.Over), Progress: backtestShare{op.Read, op.Total}, Report: op.Report,
	}
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// startBacktest starts a backtest of the rules in the body, or of live ones
// when there is no body; or of what the live tasks did.
func (s *server) startBacktest(w http.ResponseWriter, r *http.Request) error {
	plan, err := planTimes(r)
	if err != nil {
		return err
	}
	switch source := r.URL.Query().Get("source"); source {
	case "", "topics":
		if plan.Set, err = s.backtestRules(w, r); err != nil {
			return err
		}
	case "journal": // without a set: what the live tasks did
		if r.ContentLength != 0 || r.URL.Query().Get("rules") != "" {
			return badRequest("", "with source=journal the rules are those that ran: give none")
		}
	default:
		return badRequest("", "parameter source is %q, want topics or journal", source)
	}
	op, err := s.backtests.Start(plan)
	if errors.Is(err, backtest.ErrBusy) {
		return &problem{status: http.StatusTooManyRequests, detail: "as many backtests wait as may: cancel one, or come back", retry: backtestRetry}
	}
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/v1/backtests/"+op.ID)
	return encode(w, http.StatusAccepted, backtestOf(&op))
}

// backtestRetry is the Retry-After, in seconds, when too many backtests wait.
const backtestRetry = 30

func planTimes(r *http.Request) (p backtest.Plan, err error) {
	for name, to := range map[string]*time.Time{"from": &p.From, "to": &p.To} {
		text := r.URL.Query().Get(name)
		if text == "" {
			continue
		}
		if *to, err = time.Parse(time.RFC3339, text); err != nil {
			return p, badRequest("", "parameter %s is %q, want a time like 2026-01-31T00:00:00Z", name, text)
		}
	}
	if !p.To.IsZero() && !p.From.Before(p.To) {
		return p, badRequest("", "from is not before to")
	}
	return p, nil
}

func (s *server) backtestRules(w http.ResponseWriter, r *http.Request) (*rules.Set, error) {
	names := r.URL.Query().Get("rules")
	if r.ContentLength == 0 {
		if names == "" {
			return someRules(s.rules.Current().AllLive())
		}
		part, err := s.rules.Trying(strings.Split(names, ",")...)
		if errors.Is(err, rules.ErrNotFound) {
			return nil, &problem{status: http.StatusUnprocessableEntity, detail: err.Error()}
		}
		return part, err
	}
	if names != "" {
		return nil, badRequest("", "give documents in the body or names in rules, not both")
	}
	body, err := readDocuments(w, r)
	if err != nil {
		return nil, err
	}
	set, problems := rules.Check(s.rules.Current(), rules.Source{Name: bodyName, Text: body})
	if syntax.Failed(problems) {
		return nil, &rules.InvalidError{Problems: problems}
	}
	return someRules(set)
}

// someRules refuses a set without rules.
func someRules(set *rules.Set) (*rules.Set, error) {
	if len(set.Rules) == 0 {
		return nil, &problem{status: http.StatusUnprocessableEntity, detail: "there are no rules to run: put their documents in the body"}
	}
	return set, nil
}

func (s *server) listBacktests(w http.ResponseWriter, _ *http.Request) error {
	answers := []backtestAnswer{}
	for _, op := range s.backtests.All() {
		op.Report = nil
		answers = append(answers, backtestOf(&op))
	}
	return encode(w, http.StatusOK, map[string]any{"backtests": answers})
}

func (s *server) getBacktest(w http.ResponseWriter, r *http.Request) error {
	op, ok := s.backtests.Get(chi.URLParam(r, "id"))
	if !ok {
		return errNoBacktest()
	}
	return encode(w, http.StatusOK, backtestOf(&op))
}

func (s *server) cancelBacktest(w http.ResponseWriter, r *http.Request) error {
	op, ok := s.backtests.Cancel(chi.URLParam(r, "id"))
	if !ok {
		return errNoBacktest()
	}
	return encode(w, http.StatusOK, backtestOf(&op))
}

func errNoBacktest() error {
	return &problem{status: http.StatusNotFound, detail: "there is no such backtest at this process: they are forgotten when it ends"}
}
