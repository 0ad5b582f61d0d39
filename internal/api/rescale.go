package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
)

// A Rescaler moves the keyed logs of the job of this process to more partitions.
type Rescaler interface {
	// Rescale asks all processes of the job for it. The error is a *RescaleError
	// where it cannot be.
	Rescale(ctx context.Context, partitions int) (Rescale, error)
}

// A RescaleError is a rescale that cannot be, told as it is.
type RescaleError struct {
	Why error
	Bad bool // the number of partitions is the cause; else the job is as it is now
}

// Error is Why's.
func (e *RescaleError) Error() string { return e.Why.Error() }

// A Rescale is how far the newest generation of a job's keyed logs is.
type Rescale struct {
	State      string   `json:"state"` // leaving, moving, done
	Generation int      `json:"generation"`
	Partitions int      `json:"partitions"` // of each keyed log
	Asked      string   `json:"asked"`
	Done       string   `json:"done,omitempty"`
	Barriers   Progress `json:"barriers"` // source partitions that have left the earlier logs, by log
	Sealed     Progress `json:"sealed"`   // tasks of the earlier logs that have left their state
	Moved      Progress `json:"moved"`    // tasks of the new logs that have a checkpoint of their own
	Error      string   `json:"error,omitempty"`
}

// Progress is how many of all.
type Progress struct {
	Done int `json:"done"`
	Of   int `json:"of"`
}

func (s *server) askRescale(w http.ResponseWriter, r *http.Request) error {
	if err := s.job(r); err != nil {
		return err
	}
	text := r.URL.Query().Get("partitions")
	n, err := strconv.Atoi(text)
	if err != nil {
		return badRequest("", "partitions=%q is no number of partitions", text)
	}
	asked, err := s.rescaler.Rescale(r.Context(), n)
	refused, is := errors.AsType[*RescaleError](err)
	switch {
	case is && refused.Bad:
		return badRequest("", "%s", refused)
	case is:
		return &problem{status: http.StatusConflict, detail: refused.Error()}
	case err != nil:
		return savepointsAway(err)
	}
	return encode(w, http.StatusAccepted, asked)
}
