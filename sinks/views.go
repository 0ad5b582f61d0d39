package sinks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caltrop/caltrop/sinks/view"
)

// A ViewRecord is one update of a view as a sink stores it. Times are µs since
// the Unix epoch.
type ViewRecord struct {
	View    string
	Key     string // the text of the key
	Status  view.Status
	Version int64 // of the view and key: the greater one is newer
	At      int64
	Start   int64 // of the window; 0 when empty
	End     int64 // when it ends, or empties, if no other event comes; 0 when empty
	Events  int
	To      []string
	JSON    []byte // the update
}

// A ViewWriter stores updates of views. Writing an update again, or one older
// than what is stored of its view and key (of its window, where every window is
// kept), changes nothing. The error is as that of Writer.
type ViewWriter interface {
	WriteViews(ctx context.Context, updates []ViewRecord) error
}

// Targets reports whether the view names a sink among its targets.
func (r *ViewRecord) Targets(sink string) bool { return slices.Contains(r.To, sink) }

// updateJSON is what sinks read of an update.
type updateJSON struct {
	View    string          `json:"view"`
	Key     json.RawMessage `json:"key"`
	Status  view.Status     `json:"status"`
	Version int64           `json:"version"`
	At      time.Time       `json:"at"`
	Start   *time.Time      `json:"start"`
	End     *time.Time      `json:"end"`
	Events  int             `json:"events"`
	To      []string        `json:"to"`
}

var errNoUpdate = errors.New("it is no update of a view")

// ParseViewRecord reads the value of a record of the views topic. The record
// shares its bytes.
func ParseViewRecord(value []byte) (ViewRecord, error) {
	var u updateJSON
	if err := json.Unmarshal(value, &u); err != nil {
		return ViewRecord{}, fmt.Errorf("reading an update of a view: %w", err)
	}
	if u.View == "" || len(u.Key) == 0 || !u.Status.Known() || u.At.IsZero() || u.Version == 0 {
		return ViewRecord{}, fmt.Errorf("reading an update of a view: %w", errNoUpdate)
	}
	r := ViewRecord{View: u.View, Key: string(u.Key), Status: u.Status, Version: u.Version, At: u.At.UnixMicro(), Events: u.Events, To: u.To, JSON: value}
	if u.Key[0] == '"' {
		if err := json.Unmarshal(u.Key, &r.Key); err != nil {
			return ViewRecord{}, fmt.Errorf("reading an update of a view: %w", err)
		}
	}
	if u.Start != nil {
		r.Start = u.Start.UnixMicro()
	}
	if u.End != nil {
		r.End = u.End.UnixMicro()
	}
	return r, nil
}
