package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"unicode/utf8"

	"github.com/caltrop/caltrop/rules"
	"github.com/go-chi/chi/v5"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// entryBytesMax bounds the value of an entry in an address.
const entryBytesMax = 1024

// An entry is one entry of a list as clients see it.
type entry struct {
	List       string         `json:"list"`
	Value      string         `json:"value"`
	Attributes map[string]any `json:"attributes"`
	Revision   int            `json:"revision"` // of the list
}

// A listSource is how the topic of a list is read.
type listSource struct {
	Topic   string `json:"topic"`
	Read    bool   `json:"read"`    // to its end, once
	Offset  int64  `json:"offset"`  // behind the last record read
	Lag     int64  `json:"lag"`     // records to read
	Version int64  `json:"version"` // the offset of what rules read
	Entries int    `json:"entries"` // of that
	Bytes   int64  `json:"bytes"`
	Skipped uint64 `json:"skipped"` // records that were no entries
	Skip    string `json:"last_skipped,omitempty"`
	Warning string `json:"warning,omitempty"`
	Error   string `json:"error,omitempty"`
}

// sourceOf returns nil for a list without a topic.
func (s *server) sourceOf(list string) *listSource {
	st, ok := s.rules.ListStatus(list)
	if !ok {
		return nil
	}
	return &listSource{Topic: st.Topic, Read: st.Read, Offset: st.Offset, Lag: st.Lag, Version: st.Version, Entries: st.Entries,
		Bytes: st.Bytes, Skipped: st.Skipped, Skip: st.Skip, Warning: st.Warning, Error: st.Error}
}

// observeLists shows how the lists from topics are read.
func observeLists(m *Metrics, r *rules.Registry) error {
	meter := m.Meter("github.com/caltrop/caltrop/rules")
	figures := []struct {
		name, desc string
		of         func(*rules.ListStatus) float64
	}{
		{"caltrop_list_lag_records", "records of a list's topic that are to be read", func(s *rules.ListStatus) float64 { return float64(s.Lag) }},
		{"caltrop_list_entries", "entries of the version of a list that rules read", func(s *rules.ListStatus) float64 { return float64(s.Entries) }},
		{"caltrop_list_skipped", "records of a list's topic that were no entries, since reading began", func(s *rules.ListStatus) float64 { return float64(s.Skipped) }},
		{"caltrop_list_up", "1 for a list from a topic that was read to its end and is kept up", func(s *rules.ListStatus) float64 {
			if s.Read && s.Error == "" {
				return 1
			}
			return 0
		}},
	}
	for _, f := range figures {
		_, err := meter.Float64ObservableGauge(f.name, metric.WithDescription(f.desc), metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
			for _, s := range r.ListStatuses() {
				o.Observe(f.of(&s), metric.WithAttributes(attribute.String("list", s.List)))
			}
			return nil
		}))
		if err != nil {
			return fmt.Errorf("registering %s: %w", f.name, err)
		}
	}
	return nil
}

func entryOf(list string, e *rules.ListEntry, rev *rules.Revision) entry {
	attributes := e.Attributes
	if attributes == nil {
		attributes = map[string]any{}
	}
	return entry{List: list, Value: e.Value, Attributes: attributes, Revision: rev.Revision}
}

// entryIn returns the list and the value in the address. An entry that no list
// can have is not found.
func entryIn(r *http.Request) (list, value string, err error) {
	if list, err = nameIn(r); err != nil {
		return "", "", err
	}
	value = chi.URLParam(r, "value")
	if r.URL.RawPath != "" { // chi has read this one, in which nothing is decoded
		value, err = url.PathUnescape(value)
	}
	if err != nil || len(value) > entryBytesMax || !utf8.ValidString(value) {
		return "", "", &problem{status: http.StatusNotFound, detail: fmt.Sprintf("no entry can have this value: it is UTF-8 of at most %d bytes", entryBytesMax)}
	}
	return list, value, nil
}

func (s *server) getEntry(w http.ResponseWriter, r *http.Request) error {
	list, value, err := entryIn(r)
	if err != nil {
		return err
	}
	e, rev, err := s.rules.Entry(list, value)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", rev.ETag())
	return encode(w, http.StatusOK, entryOf(list, e, rev))
}

func (s *server) putEntry(w http.ResponseWriter, r *http.Request) error {
	list, value, err := entryIn(r)
	if err != nil {
		return err
	}
	cond, err := condition(r)
	if err != nil {
		return err
	}
	body, err := readDocuments(w, r)
	if err != nil {
		return err
	}
	attributes, err := rules.ReadAttributes(body)
	if err != nil {
		return badRequest("", "%v", err)
	}
	e := rules.ListEntry{Value: value, Attributes: attributes}
	rev, created, err := s.rules.PutEntry(r.Context(), list, e, cond)
	if err != nil {
		return err
	}
	return written(w, rev, created, entryOf(list, &e, rev))
}

func (s *server) deleteEntry(w http.ResponseWriter, r *http.Request) error {
	list, value, err := entryIn(r)
	if err != nil {
		return err
	}
	return remove(w, r, func(c rules.Condition) error { return s.rules.DeleteEntry(r.Context(), list, value, c) })
}
