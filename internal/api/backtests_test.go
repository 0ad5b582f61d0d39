package api_test

import (
	"context"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caltrop/caltrop/engine/backtest"
	"github.com/caltrop/caltrop/engine/task"
)

// threePayments is a history of one partition in which the rule of this
// package's tests finds one match.
type threePayments struct{}

func (threePayments) Spans(context.Context, string, time.Time) ([]backtest.Span, error) {
	return []backtest.Span{{To: 3}}, nil
}

func (threePayments) Open(context.Context, string, backtest.Span) (backtest.Reader, error) {
	return &payments{rest: []string{
		`{"ts":1767225600000,"card_id":"c1","amount":1}`,
		`{"ts":1767225630000,"card_id":"c1","amount":1}`,
		`{"ts":1767225660000,"card_id":"c1","amount":900}`,
	}}, nil
}

// noTasks is a job of which nothing is known.
type noTasks struct{ threePayments }

func (noTasks) Tasks(context.Context) ([]backtest.Task, error)                { return nil, nil }
func (noTasks) Journal(context.Context, *backtest.Task) ([]task.Entry, error) { return nil, nil }
func (noTasks) Alerts() []string                                              { return nil }

type payments struct {
	next int64
	rest []string
}

func (p *payments) Next(_ context.Context, r *backtest.Record) error {
	if len(p.rest) == 0 {
		return io.EOF
	}
	*r = backtest.Record{Offset: p.next, Time: 1767225700000000, Value: []byte(p.rest[0])}
	p.next, p.rest = p.next+1, p.rest[1:]
	return nil
}

func (p *payments) Close() {}

func startBacktests(t *testing.T) *backtest.Operations {
	ops := backtest.NewOperations(backtest.OperationsOptions{History: threePayments{}, Live: backtest.Live{Job: noTasks{}}, Dir: filepath.Join(t.TempDir(), "b"), Bytes: 32 << 20,
		Report: func(r *backtest.Result) ([]byte, error) {
			return append(append([]byte(`{"first":`), r.Alerts[0].AppendJSON(nil)...), '}'), nil
		}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); ops.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return ops
}

type backtestAnswer struct {
	ID, State, Error string
	Rules            []string
	Progress         struct{ Read, Total int }
	Report           struct{ First struct{ Rule, Key string } }
}

func TestBacktestsOverREST(t *testing.T) {
	g := newRig(t)
	g.want(http.StatusCreated, "PUT", "/v1/streams/payment", stream)
	g.want(http.StatusUnprocessableEntity, "POST", "/v1/backtests", "")

	w := g.want(http.StatusAccepted, "POST", "/v1/backtests?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z", rule)
	at := w.Header().Get("Location")
	op := read[backtestAnswer](t, w)
	if at != "/v1/backtests/"+op.ID || len(op.Rules) != 1 {
		t.Fatalf("%s, %+v", at, op)
	}
	for op.State == "waiting" || op.State == "running" {
		op = read[backtestAnswer](t, g.want(http.StatusOK, "GET", at, ""))
	}
	if op.State != "done" || op.Report.First.Key != "c1" || op.Progress.Read != 3 {
		t.Errorf("got %+v", op)
	}
	all := g.want(http.StatusOK, "GET", "/v1/backtests", "").Body.String()
	if !strings.Contains(all, op.ID) || strings.Contains(all, "report") {
		t.Errorf("listed\n%s", all)
	}
	if op := read[backtestAnswer](t, g.want(http.StatusOK, "DELETE", at, "")); op.State != "done" {
		t.Errorf("what was done is %s", op.State)
	}
	g.want(http.StatusNotFound, "GET", "/v1/backtests/nothing", "")
	g.want(http.StatusNotFound, "DELETE", "/v1/backtests/nothing", "")
}

func TestBacktestsOfLiveRules(t *testing.T) {
	g := newRig(t)
	g.want(http.StatusCreated, "PUT", "/v1/streams/payment", stream)
	g.want(http.StatusCreated, "PUT", "/v1/rules/probe?state=live", rule)
	for _, target := range []string{"/v1/backtests", "/v1/backtests?rules=probe", "/v1/backtests?source=topics"} {
		if op := read[backtestAnswer](t, g.want(http.StatusAccepted, "POST", target, "")); len(op.Rules) != 1 || op.Rules[0] != "probe" {
			t.Errorf("%s: %+v", target, op)
		}
	}
	for target, want := range map[string]int{
		"/v1/backtests?rules=nothing":                                     http.StatusUnprocessableEntity,
		"/v1/backtests?from=yesterday":                                    http.StatusBadRequest,
		"/v1/backtests?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z": http.StatusBadRequest,
		"/v1/backtests?source=yesterday":                                  http.StatusBadRequest,
		"/v1/backtests?source=journal&rules=probe":                        http.StatusBadRequest,
		"/v1/backtests?until=2026-01-02T00:00:00Z":                        http.StatusBadRequest,
	} {
		g.want(want, "POST", target, "")
	}
	if op := read[backtestAnswer](t, g.want(http.StatusAccepted, "POST", "/v1/backtests?source=journal", "")); len(op.Rules) != 0 {
		t.Errorf("of the journal: %+v", op)
	}
	g.want(http.StatusBadRequest, "POST", "/v1/backtests?rules=probe", rule)
	g.want(http.StatusBadRequest, "POST", "/v1/backtests?source=journal", rule)
	g.want(http.StatusUnprocessableEntity, "POST", "/v1/backtests", "kind: Rule")
}
