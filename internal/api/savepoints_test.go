package api_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/internal/api"
)

// savepoints are in memory.
type savepoints struct {
	all []api.Savepoint
	err error
}

func (s *savepoints) Ask(_ context.Context, name string) (api.Savepoint, error) {
	if s.err != nil {
		return api.Savepoint{}, s.err
	}
	if strings.ToLower(name) != name {
		return api.Savepoint{}, api.ErrSavepointName
	}
	for _, p := range s.all {
		if p.Name == name {
			return p, api.ErrSavepointTaken
		}
	}
	p := api.Savepoint{Name: name, Job: "main", State: "running", Asked: "2026-03-01T12:00:00Z", Tasks: []string{"payment.0"}, Done: []string{}}
	s.all = append(s.all, p)
	return p, nil
}

func (s *savepoints) All(context.Context) ([]api.Savepoint, error) { return s.all, s.err }

func (s *savepoints) Get(_ context.Context, name string) (api.Savepoint, error) {
	for _, p := range s.all {
		if p.Name == name {
			return p, s.err
		}
	}
	return api.Savepoint{}, errors.Join(s.err, api.ErrSavepointUnknown)
}

func TestSavepoints(t *testing.T) {
	g := newRig(t)
	const at = "/v1/jobs/job/savepoints"
	if body := g.want(http.StatusOK, "GET", at, "").Body.String(); !strings.Contains(body, `"savepoints":[]`) {
		t.Errorf("at first: %s", body)
	}
	w := g.want(http.StatusAccepted, "POST", at+"?name=before", "")
	if where := w.Header().Get("Location"); where != at+"/before" {
		t.Errorf("it is said to be at %s", where)
	}
	g.want(http.StatusConflict, "POST", at+"?name=before", "")
	g.want(http.StatusBadRequest, "POST", at+"?name=Before", "")
	w = g.want(http.StatusAccepted, "POST", at, "")
	if where := w.Header().Get("Location"); where != at+"/sp-20260301t120000z" {
		t.Errorf("without a name it is at %s", where)
	}
	g.want(http.StatusOK, "GET", at+"/before", "")
	g.want(http.StatusNotFound, "GET", at+"/after", "")
	if body := g.want(http.StatusOK, "GET", at, "").Body.String(); strings.Count(body, `"state":"running"`) != 2 {
		t.Errorf("two are running: %s", body)
	}
	g.want(http.StatusNotFound, "POST", "/v1/jobs/other/savepoints", "")
	g.savepoints.err = api.SavepointRefused("a rescale is under way")
	if body := g.want(http.StatusConflict, "POST", at+"?name=later", "").Body.String(); !strings.Contains(body, "a rescale is under way") {
		t.Errorf("it is not said why: %s", body)
	}
	g.savepoints.err = errors.New("the store is away")
	g.want(http.StatusServiceUnavailable, "POST", at+"?name=later", "")
	g.want(http.StatusServiceUnavailable, "GET", at, "")
}
