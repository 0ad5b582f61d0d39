package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/sinks/alert"
	"github.com/go-chi/chi/v5"
)

// Bounds of a query for alerts.
const (
	alertsSpanDefault  = 24 * time.Hour
	alertsSpanMax      = 31 * 24 * time.Hour
	alertsLimitDefault = 100
	alertsLimitMax     = 1000
)

// An alertPage is the answer to a query, with the box it was asked in.
type alertPage struct {
	From   string            `json:"from"`
	To     string            `json:"to"`
	Alerts []json.RawMessage `json:"alerts"`
	Next   string            `json:"next,omitempty"` // give it as `after` for the next page
}

func (s *server) listAlerts(w http.ResponseWriter, r *http.Request) error {
	q, err := s.alertQuery(r.URL.Query())
	if err != nil {
		return err
	}
	page := alertPage{From: timeText(q.From), To: timeText(q.To), Alerts: []json.RawMessage{}}
	if q.Key == "" && len(q.Rules) == 0 { // no rule was ever stored
		return encode(w, http.StatusOK, page)
	}
	found, err := s.history.Alerts(r.Context(), q)
	if errors.Is(err, alert.ErrCursor) {
		return badRequest("", "after: %v", err)
	}
	if err != nil {
		return noHistory(err)
	}
	for _, a := range found.Alerts {
		a, err := s.noted(a)
		if err != nil {
			return err
		}
		page.Alerts = append(page.Alerts, a)
	}
	page.Next = found.Next
	return encode(w, http.StatusOK, page)
}

// alertQuery reads the parameters. Without `to` the box ends now, without
// `from` it is alertsSpanDefault long.
func (s *server) alertQuery(v url.Values) (alert.Query, error) {
	q := alert.Query{Key: v.Get("key"), Status: alert.Status(v.Get("status")), After: v.Get("after"), Limit: alertsLimitDefault}
	if q.Status != "" && !q.Status.Known() {
		return q, badRequest("", "status %s is none of raised, changed, retracted", q.Status)
	}
	if text := v.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > alertsLimitMax {
			return q, badRequest("", "limit %s is not between 1 and %d", text, alertsLimitMax)
		}
		q.Limit = n
	}
	if rule := v.Get("rule"); rule != "" {
		q.Rules = []string{rule}
	} else if q.Key == "" {
		q.Rules = s.rules.Names(rules.KindRule)
	}
	switch shadow := v.Get("shadow"); shadow {
	case "", "false":
	case "true":
		q.OnTrial()
	default:
		return q, badRequest("", "shadow is %q, want true for the alerts of rules on trial, or false", shadow)
	}
	return q, s.timeBox(v, &q)
}

func (s *server) timeBox(v url.Values, q *alert.Query) error {
	to, err := timeIn(v, "to", s.now())
	if err != nil {
		return err
	}
	from, err := timeIn(v, "from", to.Add(-alertsSpanDefault))
	if err != nil {
		return err
	}
	switch {
	case !from.Before(to):
		return badRequest("", "from %s is not before to %s", from.Format(time.RFC3339Nano), to.Format(time.RFC3339Nano))
	case to.Sub(from) > alertsSpanMax:
		return badRequest("", "from and to are %s apart, the limit is %s", to.Sub(from), alertsSpanMax)
	}
	q.From, q.To = from.UnixMicro(), to.UnixMicro()
	return nil
}

func timeIn(v url.Values, name string, without time.Time) (time.Time, error) {
	text := v.Get(name)
	if text == "" {
		return without, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return t, badRequest("", "%s %s is not a time as 2026-01-02T15:04:05Z (RFC 3339)", name, text)
	}
	return t, nil
}

func timeText(us int64) string { return string(event.AppendTime(nil, us)) }

func (s *server) getAlert(w http.ResponseWriter, r *http.Request) error {
	unknown := &problem{status: http.StatusNotFound, detail: "there is no alert of this id"}
	id, err := alert.ParseID(chi.URLParam(r, "id"))
	if err != nil {
		return unknown
	}
	body, err := s.history.Alert(r.Context(), id)
	if errors.Is(err, alert.ErrUnknown) {
		return unknown
	}
	if err != nil {
		return noHistory(err)
	}
	if body, err = s.noted(body); err != nil {
		return err
	}
	return encode(w, http.StatusOK, json.RawMessage(body))
}

// noted is an alert of the history with the silences that hold for it.
func (s *server) noted(body []byte) ([]byte, error) {
	set := s.rules.Current()
	if len(set.Silences) == 0 {
		return body, nil
	}
	a, err := alert.ParseJSON(body)
	if err != nil {
		return nil, fmt.Errorf("looking for the silences of an alert: %w", err)
	}
	names := set.Silencing(a)
	if len(names) == 0 {
		return body, nil
	}
	list, err := json.Marshal(names)
	if err != nil {
		return nil, fmt.Errorf("naming the silences of an alert: %w", err)
	}
	head := bytes.TrimSuffix(bytes.TrimSpace(body), []byte("}"))
	return slices.Concat(head, []byte(`,"silenced":`), list, []byte("}")), nil
}

// noHistory says that the history does not answer; matching goes on meanwhile.
func noHistory(err error) error {
	return &problem{status: http.StatusServiceUnavailable, detail: "the alert history does not answer now", cause: err, retry: retrySeconds}
}
