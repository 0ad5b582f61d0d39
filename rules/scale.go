package rules

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// kindJob begins the keys of what the log says of jobs: job/JOB/BASE. It is no
// kind of document.
const kindJob Kind = "job"

// A Scale is the newest generation of a job's keyed logs, and where it came from.
type Scale struct {
	Job        string    `json:"job"`
	Base       int       `json:"base"`       // the generation that the job is configured with
	Before     int       `json:"before"`     // the generation of the logs that are left
	Generation int       `json:"generation"` // that of the logs that are written to
	Partitions int       `json:"partitions"` // of each of those
	Asked      time.Time `json:"asked"`
	Done       time.Time `json:"done,omitzero"` // when all tasks had moved; zero: not yet
	Moves      []LogMove `json:"moves"`         // by log; others begin in Generation
}

// A LogMove is one keyed log that goes to another generation.
type LogMove struct {
	Log     string   `json:"log"`
	From    int      `json:"from"`    // partitions of the log that is left
	Writers []Writer `json:"writers"` // all that write to it, by stream
}

// A Writer is a stream that is routed to a log, with its topic's partitions.
type Writer struct {
	Stream     string `json:"stream"`
	Partitions int    `json:"partitions"`
}

// Move returns what moves of a log, nil when it begins in the new generation.
func (s *Scale) Move(log string) *LogMove {
	for i := range s.Moves {
		if s.Moves[i].Log == log {
			return &s.Moves[i]
		}
	}
	return nil
}

type scaleRecord struct {
	Format int `json:"format"`
	Scale
}

func (s *Scale) key() string {
	return string(kindJob) + "/" + s.Job + "/" + strconv.Itoa(s.Base)
}

func decodeScale(key string, value []byte) (*Scale, error) {
	r := scaleRecord{}
	if err := json.Unmarshal(value, &r); err != nil {
		return nil, fmt.Errorf("decoding %s: %w", key, err)
	}
	if r.Format != recordFormat || r.key() != key || r.Before < r.Base || r.Generation <= r.Before || r.Partitions < 1 {
		return nil, fmt.Errorf("decoding %s: format %d, generation %d after %d are not of this build", key, r.Format, r.Generation, r.Before)
	}
	for _, m := range r.Moves {
		if m.From < 1 || r.Partitions%m.From != 0 {
			return nil, fmt.Errorf("decoding %s: %d partitions of %s do not divide into %d", key, m.From, m.Log, r.Partitions)
		}
	}
	return &r.Scale, nil
}

// Scale returns the scale of a job that is configured with generation base; nil
// when its keyed logs are of that generation still.
func (s *Set) Scale(job string, base int) *Scale {
	return s.scales[(&Scale{Job: job, Base: base}).key()]
}

// Taken returns the scale of another base whose generations reach over this one,
// nil when there is none.
func (s *Set) Taken(job string, base int) *Scale {
	for _, key := range slices.Sorted(maps.Keys(s.scales)) {
		if sc := s.scales[key]; sc.Job == job && sc.Base < base && base <= sc.Generation {
			return sc
		}
	}
	return nil
}

// Rescale writes what decide makes of the newest set: a scale, of whose job and
// base it becomes the newest; nil writes nothing. decide may be asked again when
// others write meanwhile. It returns when this process has applied the write.
// Errors: decide's, ErrNotReady, ErrBusy, ErrUnavailable.
func (r *Registry) Rescale(ctx context.Context, job string, decide func(*Set) (*Scale, error)) error {
	return r.commit(ctx, func(s *state) ([]Record, error) {
		next, err := decide(s.set)
		if err != nil || next == nil {
			return nil, err
		}
		return []Record{{Key: next.key(), Value: encode(scaleRecord{recordFormat, *next})}}, nil
	}, kindJob, job)
}

// applyScale takes a scale into the state. Called with mu held.
func (r *Registry) applyScale(e Entry) error {
	s, err := decodeScale(e.Key, e.Value)
	if err != nil {
		return err
	}
	r.mu.scales[e.Key], r.mu.offset = s, e.Offset
	return r.changed()
}

func isScale(key string) bool { return strings.HasPrefix(key, string(kindJob)+"/") }
