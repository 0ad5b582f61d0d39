package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
)

// Savepoints are those of the job of this process.
type Savepoints interface {
	// Ask begins a savepoint of every task of the job, wherever it runs. The error
	// matches ErrSavepointTaken or ErrSavepointName where the name is the cause,
	// is a SavepointRefused where the job is.
	Ask(ctx context.Context, name string) (Savepoint, error)
	// All returns them in order of name.
	All(ctx context.Context) ([]Savepoint, error)
	// Get returns one; the error matches ErrSavepointUnknown.
	Get(ctx context.Context, name string) (Savepoint, error)
}

// Errors of Savepoints.
var (
	ErrSavepointTaken   = errors.New("a savepoint of this name exists")
	ErrSavepointName    = errors.New("a savepoint's name is lower case letters, digits and dashes, a letter first, at most 63")
	ErrSavepointUnknown = errors.New("there is no such savepoint")
)

// A SavepointRefused says why the job can have no savepoint now.
type SavepointRefused string

func (e SavepointRefused) Error() string { return string(e) }

// A Savepoint is one as clients see it.
type Savepoint struct {
	Name  string   `json:"name"`
	Job   string   `json:"job"`
	State string   `json:"state"` // running, complete, failed
	Asked string   `json:"asked"`
	Tasks []string `json:"tasks"` // STREAM.PARTITION
	Done  []string `json:"done"`  // those whose part is stored
}

// job refuses another job than that of this process.
func (s *server) job(r *http.Request) error {
	jobs, err := s.jobs.Jobs(r.Context())
	if err != nil {
		return err
	}
	name := chi.URLParam(r, "job")
	for i := range jobs {
		if jobs[i].Name == name {
			return nil
		}
	}
	return &problem{status: http.StatusNotFound, detail: "this process does not run a job " + name}
}

func (s *server) askSavepoint(w http.ResponseWriter, r *http.Request) error {
	if err := s.job(r); err != nil {
		return err
	}
	name := r.URL.Query().Get("name")
	if name == "" {
		name = strings.ToLower(s.now().UTC().Format("sp-20060102t150405z"))
	}
	p, err := s.savepoints.Ask(r.Context(), name)
	refused, is := errors.AsType[SavepointRefused](err)
	switch {
	case errors.Is(err, ErrSavepointTaken):
		return &problem{status: http.StatusConflict, detail: ErrSavepointTaken.Error(), cause: err}
	case is:
		return &problem{status: http.StatusConflict, detail: refused.Error()}
	case errors.Is(err, ErrSavepointName):
		return badRequest("", "%s", ErrSavepointName)
	case err != nil:
		return savepointsAway(err)
	}
	w.Header().Set("Location", r.URL.Path+"/"+p.Name)
	return encode(w, http.StatusAccepted, p)
}

// savepointRetry is the Retry-After, in seconds, when the store or the cluster
// does not answer.
const savepointRetry = int(30 * time.Second / time.Second)

func savepointsAway(err error) error {
	return &problem{status: http.StatusServiceUnavailable, detail: "the store of checkpoints or Kafka does not answer", cause: err, retry: savepointRetry}
}

func (s *server) listSavepoints(w http.ResponseWriter, r *http.Request) error {
	if err := s.job(r); err != nil {
		return err
	}
	all, err := s.savepoints.All(r.Context())
	if err != nil {
		return savepointsAway(err)
	}
	return encodeAll(w, "savepoints", all)
}

func (s *server) getSavepoint(w http.ResponseWriter, r *http.Request) error {
	if err := s.job(r); err != nil {
		return err
	}
	p, err := s.savepoints.Get(r.Context(), chi.URLParam(r, "name"))
	switch {
	case errors.Is(err, ErrSavepointUnknown):
		return &problem{status: http.StatusNotFound, detail: ErrSavepointUnknown.Error()}
	case err != nil:
		return savepointsAway(err)
	}
	return encode(w, http.StatusOK, p)
}
