// Package api is Caltrop's REST interface: documents, alerts, jobs, health and
// metrics over HTTP. It owns routing, limits, problem documents and the
// OpenAPI description; it decides nothing about rules and stores nothing. cmd
// makes it; what it reads it is given through the interfaces in this file.
package api

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/caltrop/caltrop/docs/schema"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/sinks/alert"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
)

// History answers for alerts of the past. Both calls return JSON objects of
// language §7.
type History interface {
	// Alerts returns one page of a query that is always time-boxed.
	Alerts(ctx context.Context, q alert.Query) (alert.Page, error)
	// Alert returns the newest version of an alert; an error that matches
	// alert.ErrUnknown when there is none.
	Alert(ctx context.Context, id alert.ID) ([]byte, error)
}

// Jobs tells what the engine is doing.
type Jobs interface {
	Jobs(ctx context.Context) ([]Job, error)
	// HotKeys returns the keys that bring much of a task's traffic, the hottest
	// first.
	HotKeys(ctx context.Context) ([]HotKey, error)
}

// A HotKey is a key that brings much of one partition's traffic.
type HotKey struct {
	Stream    string  `json:"stream"`
	Partition int32   `json:"partition"`
	Key       string  `json:"key"`
	Share     float64 `json:"share"` // from 0 to 1
	Over      float64 `json:"over"`  // by how much the share may be too large
	Advice    string  `json:"advice"`
}

// A Job is one set of tasks that run the live rules.
type Job struct {
	Name     string   `json:"name"`
	Instance string   `json:"instance"` // the process that answers; it knows its own tasks only
	Rules    []string `json:"rules"`
	Paths    []Path   `json:"paths"`             // of the rules, in the same order
	Rescale  *Rescale `json:"rescale,omitempty"` // the last one; nil: there was none
	Missing  []string `json:"missing_topics"`    // of streams; they are read once they exist
	Tasks    []Task   `json:"tasks"`
}

// A Path says where a rule runs.
type Path struct {
	Rule    string   `json:"rule"`
	State   string   `json:"state"`             // live, paused, or shadow: then the rule of the name may be there twice
	Input   string   `json:"input"`             // the stream of a direct rule, else keyed.KEY
	First   string   `json:"first,omitempty"`   // of a rule in two stages: the log of the first, keyed.KEY..saltsN
	Because []string `json:"because,omitempty"` // why it is not direct
}

// A Task is one partition of one input at this instance.
type Task struct {
	Input           string       `json:"input"`  // the topic
	Role            string       `json:"role"`   // direct: it matches a stream's own partition; route: it brings events to keyed logs; keyed: it matches one
	Stream          string       `json:"stream"` // or keyed.KEY
	Partition       int32        `json:"partition"`
	State           string       `json:"state"`           // e.g. restoring, live, halted
	Error           string       `json:"error,omitempty"` // why it is not live
	Position        Position     `json:"position"`
	Lag             int64        `json:"lag"`                 // records to read, as last seen
	Watermark       string       `json:"watermark,omitempty"` // RFC 3339; "" before the first event
	Rules           int64        `json:"rules_version"`       // Set.Version that the task runs
	Counts          Counts       `json:"counts"`
	HeldBytes       int64        `json:"held_bytes"` // of events that wait for the watermark
	Running         []RuleAtWork `json:"rules,omitempty"`
	Warming         *WarmUp      `json:"warming,omitempty"`                  // nil: no rule is on its way in
	Misplaced       *Misplaced   `json:"misplaced,omitempty"`                // nil: no record is
	Checkpoint      string       `json:"last_checkpoint,omitempty"`          // RFC 3339, wall clock; "" when there is none yet
	CheckpointError string       `json:"checkpoint_error,omitempty"`         // of the last attempt
	CheckpointFails string       `json:"checkpoint_failing_since,omitempty"` // RFC 3339; "" when the last attempt went well
}

// A Degraded is a part of the process that does not do what it should, while the
// process goes on matching.
type Degraded struct {
	Part   string `json:"part"` // a task, or the delivery to a store
	Reason string `json:"reason"`
	Since  string `json:"since"` // RFC 3339
}

// A Misplaced tells of records that their stream's declared partitioner puts
// into another partition. They are events all the same, but rules that are direct
// on the stream may miss what belongs together.
type Misplaced struct {
	Revision int    `json:"revision"` // of the stream; another one begins anew
	Records  uint64 `json:"records"`
	First    int64  `json:"first_offset"`
	Why      string `json:"why"` // of the first one
}

// A RuleAtWork is a revision of a rule or view at work in a task.
type RuleAtWork struct {
	Name     string `json:"name"`
	Revision int    `json:"revision"`
	View     bool   `json:"view,omitempty"`
	Mode     string `json:"mode"`                    // live, shadow or paused
	Ending   bool   `json:"ending,omitempty"`        // it only finishes what was held when it was replaced
	Covered  string `json:"covered_since,omitempty"` // RFC 3339, event time; "" before the first event
}

// A WarmUp is rules that read a task's log again before they go live.
type WarmUp struct {
	Rules []string `json:"rules"` // NAME/REVISION
	Read  int64    `json:"read"`  // records
	Left  int64    `json:"left"`  // offsets to where the task is, as last seen
	Error string   `json:"error,omitempty"`
}

// A Position is how far a task has read.
type Position struct {
	Offset int64  `json:"offset"`
	Seq    uint64 `json:"seq"`
}

// Counts are totals of a task since it began.
type Counts struct {
	Records    uint64 `json:"records"`
	Accepted   uint64 `json:"accepted"`
	Late       uint64 `json:"late"`
	Dead       uint64 `json:"dead"`
	Duplicates uint64 `json:"duplicates"`
}

// Options are what a server is made of. Registry, History and Jobs are
// required; the rest has defaults.
type Options struct {
	Registry *rules.Registry
	History  History
	Jobs     Jobs
	Ready    func() error // nil error: the process can do its work; nil means always
	// Degraded tells what goes wrong in a process that is ready; nil: nothing is told.
	Degraded func() []Degraded
	// Sessions answers for views; nil: their route answers 404.
	Sessions Sessions
	// Sinks tells how sinks are doing; nil: nothing is told.
	Sinks Sinks
	// Backtests run rules over history; nil: their routes answer 404.
	Backtests Backtests
	// Savepoints of the job; nil: their routes answer 404.
	Savepoints Savepoints
	// Rescaler of the job; nil: its route answers 404.
	Rescaler Rescaler
	Metrics  *Metrics     // nil: a server without /metrics content of its own
	Log      *slog.Logger // nil: slog.Default()
	Now      func() time.Time
}

type server struct {
	rules      *rules.Registry
	history    History
	jobs       Jobs
	backtests  Backtests
	savepoints Savepoints
	rescaler   Rescaler
	sessions   Sessions
	sinks      Sinks
	ready      func() error
	degraded   func() []Degraded
	log        *slog.Logger
	now        func() time.Time
}

// New returns the handler of the whole interface.
func New(o Options) (http.Handler, error) {
	s := &server{rules: o.Registry, history: o.History, jobs: o.Jobs, backtests: o.Backtests, savepoints: o.Savepoints, rescaler: o.Rescaler, sessions: o.Sessions, sinks: o.Sinks, ready: o.Ready, degraded: o.Degraded, log: o.Log, now: o.Now}
	if s.ready == nil {
		s.ready = func() error { return nil }
	}
	if s.degraded == nil {
		s.degraded = func() []Degraded { return nil }
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.now == nil {
		s.now = time.Now
	}
	if o.Metrics == nil {
		m, err := NewMetrics()
		if err != nil {
			return nil, err
		}
		o.Metrics = m
	}
	requests, err := newRequestMetrics(o.Metrics)
	if err != nil {
		return nil, err
	}
	if err := observeLists(o.Metrics, o.Registry); err != nil {
		return nil, err
	}
	description, err := openAPI()
	if err != nil {
		return nil, err
	}
	r := chi.NewRouter()
	r.Use(requests.middleware, s.recoverer, limitTime, middleware.GetHead)
	s.routes(r, o.Metrics.Handler(), description)
	return r, nil
}

// routes is the whole interface on one page, with the parameters of each route.
func (s *server) routes(r chi.Router, metrics http.Handler, description []byte) {
	r.Get("/healthz", s.handle(s.health))
	documents := r.With(s.whenRead)
	r.Get("/readyz", s.handle(s.readiness))
	r.Method(http.MethodGet, "/metrics", metrics)
	r.Get("/v1/openapi.json", s.handle(serveJSON(description)))
	r.Get("/v1/schema", s.handle(serveJSON(schema.Document())))

	for _, k := range []rules.Kind{rules.KindStream, rules.KindList, rules.KindProfile, rules.KindView, rules.KindSilence, rules.KindSink} {
		s.storedRoutes(documents, k, s.handle(s.putDocument(k, rules.Live)))
	}
	documents.Get("/v1/lists/{name}/entries/{value}", s.handle(s.getEntry))
	documents.Put("/v1/lists/{name}/entries/{value}", s.handle(s.putEntry))
	documents.Delete("/v1/lists/{name}/entries/{value}", s.handle(s.deleteEntry))

	s.storedRoutes(documents, rules.KindRule, s.handle(s.putRule, "state"))
	documents.Get("/v1/rules/{name}/revisions", s.handle(s.listRevisions))
	documents.Post("/v1/rules/{name}/state", s.handle(s.moveRule, "to", "revision"))
	documents.Post("/v1/rules:validate", s.handle(s.validate))
	documents.Post("/v1/rules:test", s.handle(s.test))

	documents.Get("/v1/sessions/{name}/{key}", s.handle(s.getSession))

	documents.Get("/v1/alerts", s.handle(s.listAlerts, "rule", "key", "status", "shadow", "from", "to", "after", "limit"))
	r.Get("/v1/alerts/{id}", s.handle(s.getAlert))
	r.Get("/v1/jobs", s.handle(s.listJobs))
	r.Get("/v1/hot-keys", s.handle(s.listHotKeys))

	s.jobRoutes(r)
	if s.backtests != nil {
		documents.Post("/v1/backtests", s.handle(s.startBacktest, "source", "rules", "from", "to"))
		r.Get("/v1/backtests", s.handle(s.listBacktests))
		r.Get("/v1/backtests/{id}", s.handle(s.getBacktest))
		r.Delete("/v1/backtests/{id}", s.handle(s.cancelBacktest))
	}

	r.NotFound(s.answer(notFound))
	r.MethodNotAllowed(s.answer(notAllowed))
}

// storedRoutes are those that documents of every kind have.
func (s *server) storedRoutes(r chi.Router, k rules.Kind, put http.HandlerFunc) {
	all := "/v1/" + string(k) + "s"
	r.Get(all, s.handle(s.listDocuments(k)))
	r.Get(all+"/{name}", s.handle(s.getDocument(k)))
	r.Put(all+"/{name}", put)
	r.Delete(all+"/{name}", s.handle(s.deleteDocument(k)))
}

// jobRoutes are those that act on the job.
func (s *server) jobRoutes(r chi.Router) {
	if s.rescaler != nil {
		r.Post("/v1/jobs/{job}/rescale", s.handle(s.askRescale, "partitions"))
	}
	if s.savepoints != nil {
		r.Post("/v1/jobs/{job}/savepoints", s.handle(s.askSavepoint, "name"))
		r.Get("/v1/jobs/{job}/savepoints", s.handle(s.listSavepoints))
		r.Get("/v1/jobs/{job}/savepoints/{name}", s.handle(s.getSavepoint))
	}
}

func notFound(_ http.ResponseWriter, r *http.Request) error {
	return &problem{status: http.StatusNotFound, detail: "there is nothing at " + r.URL.Path + "; GET /v1/openapi.json tells what there is"}
}

// notAllowed names the methods that the address has.
func notAllowed(w http.ResponseWriter, r *http.Request) error {
	routes, path := chi.RouteContext(r.Context()).Routes, cmp.Or(r.URL.RawPath, r.URL.Path)
	var allowed []string
	for _, m := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete} {
		asked := m
		if m == http.MethodHead { // answered as GET
			asked = http.MethodGet
		}
		if routes.Match(chi.NewRouteContext(), asked, path) {
			allowed = append(allowed, m)
		}
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	return &problem{status: http.StatusMethodNotAllowed, detail: r.Method + " is not possible at " + r.URL.Path}
}

// whenRead answers 503, and what is waited for, until the rules log has been read:
// before, every document would be said not to exist.
func (s *server) whenRead(next http.Handler) http.Handler {
	return s.answer(func(w http.ResponseWriter, r *http.Request) error {
		select {
		case <-s.rules.Ready():
			next.ServeHTTP(w, r)
			return nil
		default:
			return cmp.Or(s.unready(), rules.ErrNotReady)
		}
	})
}

func (s *server) health(w http.ResponseWriter, _ *http.Request) error {
	return encode(w, http.StatusOK, map[string]string{"status": "ok"})
}

func (s *server) readiness(w http.ResponseWriter, _ *http.Request) error {
	if faults := s.rules.Current().Faults; len(faults) > 0 {
		return &problem{status: http.StatusServiceUnavailable, retry: retrySeconds,
			detail: fmt.Sprintf("%d stored documents do not compile in this build and are not run, first %s", len(faults), &faults[0])}
	}
	if err := s.unready(); err != nil {
		return err
	}
	return encode(w, http.StatusOK, struct {
		Status   string     `json:"status"`
		Degraded []Degraded `json:"degraded,omitempty"`
	}{"ready", s.degraded()})
}

// unready says what the process waits for; nil: for nothing.
func (s *server) unready() error {
	if err := s.ready(); err != nil {
		return &problem{status: http.StatusServiceUnavailable, detail: err.Error(), retry: retrySeconds}
	}
	select {
	case <-s.rules.Ready():
		return nil
	default:
		return rules.ErrNotReady
	}
}

func (s *server) listHotKeys(w http.ResponseWriter, r *http.Request) error {
	keys, err := s.jobs.HotKeys(r.Context())
	if err != nil {
		return err
	}
	return encodeAll(w, "hot_keys", keys)
}

func (s *server) listJobs(w http.ResponseWriter, r *http.Request) error {
	jobs, err := s.jobs.Jobs(r.Context())
	if err != nil {
		return err
	}
	return encodeAll(w, "jobs", jobs)
}

// encodeAll answers with a list under its name; none is an empty list.
func encodeAll[T any](w http.ResponseWriter, name string, all []T) error {
	if all == nil {
		all = []T{}
	}
	return encode(w, http.StatusOK, map[string]any{name: all})
}

func serveJSON(body []byte) handler {
	return func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Type", "application/json")
		w.Write(body) // the client is gone when this fails: nobody is left to tell
		return nil
	}
}

// requestTimeMax bounds the work on one request.
const requestTimeMax = 15 * time.Second

// limitTime ends a request's context after requestTimeMax.
func limitTime(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeMax)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// recoverer turns a panic into a 500, so that one broken request does not end
// the engine that runs beside it.
func (s *server) recoverer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if v := recover(); v != nil {
				s.log.ErrorContext(r.Context(), "request panicked", slog.String("path", r.URL.Path), slog.Any("panic", v))
				writeProblem(w, &problem{status: http.StatusInternalServerError, detail: "an internal error; the server's log has the cause"})
			}
		}()
		next.ServeHTTP(w, r)
	})
}
