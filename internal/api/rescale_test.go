package api_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/internal/api"
)

// rescaler refuses with err.
type rescaler struct{ err error }

func (r *rescaler) Rescale(_ context.Context, partitions int) (api.Rescale, error) {
	if r.err != nil {
		return api.Rescale{}, r.err
	}
	return api.Rescale{State: "leaving", Generation: 2, Partitions: partitions, Asked: "2026-03-01T12:00:00Z"}, nil
}

func TestARescaleIsAskedFor(t *testing.T) {
	g := newRig(t)
	const at = "/v1/jobs/job/rescale"
	if body := g.want(http.StatusAccepted, "POST", at+"?partitions=64", "").Body.String(); !strings.Contains(body, `"partitions":64`) {
		t.Errorf("the answer is %s", body)
	}
	g.want(http.StatusNotFound, "POST", "/v1/jobs/other/rescale?partitions=64", "")
	g.want(http.StatusBadRequest, "POST", at+"?partitions=many", "")
	g.want(http.StatusBadRequest, "POST", at, "")
	why := errors.New("not now")
	for _, c := range []struct {
		err    error
		status int
	}{{&api.RescaleError{Why: why, Bad: true}, http.StatusBadRequest}, {&api.RescaleError{Why: why}, http.StatusConflict}, {why, http.StatusServiceUnavailable}} {
		g.rescaler.err = c.err
		g.want(c.status, "POST", at+"?partitions=3", "")
	}
}
