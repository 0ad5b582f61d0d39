package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strconv"

	"github.com/caltrop/caltrop/cep/syntax"
	"github.com/caltrop/caltrop/rules"
)

// A problem is an error with a public face. The face goes to the client as an
// RFC 9457 document, the cause to the log; they never mix.
type problem struct {
	status int
	detail string
	errors []fault
	cause  error
	retry  int // seconds of Retry-After; 0 leaves it out
}

// Error returns the public detail.
func (p *problem) Error() string { return p.detail }

// A fault is one element of a problem document's errors: where, and what.
type fault struct {
	Pointer string `json:"pointer"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Detail  string `json:"detail"`
	Hint    string `json:"hint,omitempty"`
	Source  string `json:"source,omitempty"`
}

// problemDocument is the RFC 9457 form.
type problemDocument struct {
	Type   string  `json:"type"`
	Title  string  `json:"title"`
	Status int     `json:"status"`
	Detail string  `json:"detail"`
	Errors []fault `json:"errors,omitempty"`
}

func badRequest(pointer, format string, args ...any) *problem {
	detail := fmt.Sprintf(format, args...)
	return &problem{status: http.StatusBadRequest, detail: detail, errors: []fault{{Pointer: pointer, Detail: detail}}}
}

// A handler does one request's work. It writes a response and returns nil, or
// writes nothing and returns an error.
type handler func(http.ResponseWriter, *http.Request) error

// handle makes an http.Handler of h for requests with these parameters.
func (s *server) handle(h handler, parameters ...string) http.HandlerFunc {
	return s.answer(func(w http.ResponseWriter, r *http.Request) error {
		if err := checkParameters(r, parameters); err != nil {
			return err
		}
		return h(w, r)
	})
}

// answer makes an http.Handler of h: the one place that turns errors into
// responses.
func (s *server) answer(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := h(w, r)
		if err == nil {
			return
		}
		p := problemOf(err)
		if p.cause != nil {
			s.log.ErrorContext(r.Context(), "request failed", slog.String("method", r.Method), slog.String("path", r.URL.Path),
				slog.Int("status", p.status), slog.Any("error", p.cause))
		}
		writeProblem(w, p)
	}
}

func writeProblem(w http.ResponseWriter, p *problem) {
	doc := problemDocument{Type: "about:blank", Title: http.StatusText(p.status), Status: p.status, Detail: p.detail, Errors: p.errors}
	body, err := marshal(doc)
	if err != nil {
		body = []byte(`{"title":"Internal Server Error","status":500}` + "\n")
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	if p.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(p.retry))
	}
	w.WriteHeader(p.status)
	w.Write(body) // the client is gone when this fails: nobody is left to tell
}

// retrySeconds is what a client is asked to wait when the server is not ready.
const retrySeconds = 1

// problemOf decides what a client is told of an error. Everything unknown is a
// 500 without detail.
func problemOf(err error) *problem {
	var (
		known    *problem
		invalid  *rules.InvalidError
		inUse    *rules.InUseError
		move     *rules.MoveError
		tooLarge *http.MaxBytesError
	)
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &invalid):
		return &problem{status: http.StatusUnprocessableEntity, detail: invalid.Error(), errors: faultsOf(invalid.Problems)}
	case errors.As(err, &inUse):
		return &problem{status: http.StatusConflict, detail: inUse.Error()}
	case errors.As(err, &move):
		return &problem{status: http.StatusConflict, detail: move.Error(), errors: []fault{{Detail: move.Error(), Hint: move.Hint}}}
	case errors.As(err, &tooLarge):
		return &problem{status: http.StatusRequestEntityTooLarge, detail: fmt.Sprintf("the body is over the limit of %d bytes", tooLarge.Limit)}
	case errors.Is(err, rules.ErrNotFound):
		return &problem{status: http.StatusNotFound, detail: err.Error()}
	case errors.Is(err, rules.ErrStale):
		return &problem{status: http.StatusPreconditionFailed, detail: err.Error()}
	case errors.Is(err, rules.ErrNotReady), errors.Is(err, rules.ErrBusy):
		return &problem{status: http.StatusServiceUnavailable, detail: err.Error(), retry: retrySeconds}
	case errors.Is(err, rules.ErrUnavailable):
		return &problem{status: http.StatusServiceUnavailable, detail: rules.ErrUnavailable.Error(), cause: err, retry: retrySeconds}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &problem{status: http.StatusRequestTimeout, detail: "the body did not arrive in time"}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &problem{status: http.StatusServiceUnavailable, detail: "the request took too long; a write may or may not have happened", cause: err, retry: retrySeconds}
	}
	return &problem{status: http.StatusInternalServerError, detail: "an internal error; the server's log has the cause", cause: err}
}

// faultsOf turns the problems of a document into elements of errors. Warnings
// are left out.
func faultsOf(problems []syntax.Problem) []fault {
	faults := []fault{}
	for _, p := range problems {
		if !p.Warning {
			faults = append(faults, faultOf(p))
		}
	}
	return faults
}

// sourceBytesMax bounds the source line of a fault: a longer one is left out,
// or an answer could be many times as long as the document.
const sourceBytesMax = 512

func faultOf(p syntax.Problem) fault {
	f := fault{Pointer: p.Pointer, Line: p.Line, Column: p.Col, Detail: p.Detail, Hint: p.Hint}
	if len(p.Source) <= sourceBytesMax {
		f.Source = p.Source
	}
	return f
}

func warningsOf(problems []syntax.Problem) []fault {
	warnings := []fault{}
	for _, p := range problems {
		if p.Warning {
			warnings = append(warnings, faultOf(p))
		}
	}
	return warnings
}

// encode writes v as JSON under a status.
func encode(w http.ResponseWriter, status int, v any) error {
	body, err := marshal(v)
	if err != nil {
		return fmt.Errorf("encoding a response: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(body) // the client is gone when this fails: nobody is left to tell
	return nil
}

// marshal returns JSON and a line end. Texts of documents stay readable: < and
// > are not escaped, as no answer is HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return b.Bytes(), err
}
