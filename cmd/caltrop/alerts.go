package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/caltrop/caltrop/sinks/alert"
	"github.com/caltrop/caltrop/sinks/pebble"
	"github.com/spf13/cobra"
)

func alertsCommand() *cobra.Command {
	return commandGroup("alerts", "Look at alerts of the past", alertsListCommand())
}

// alertsOptions are the flags of `alerts ls`.
type alertsOptions struct {
	api, history string
	rules        []string
	key, status  string
	from, to     string
	limit        int
	json         bool
}

const (
	defaultAPI  = "http://127.0.0.1:8080"
	pageMax     = 1000 // alerts asked for at once
	defaultSpan = 24 * time.Hour
)

func alertsListCommand() *cobra.Command {
	var o alertsOptions
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List alerts, newest first",
		Long: `List alerts of a running Caltrop (--api) or of a history directory that no
process has open (--history), newest first. Without --from and --to: those of
the last day.

Exit codes: 0 it ran (also when there is no alert), 1 it could not.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return listAlerts(cmd.Context(), cmd.OutOrStdout(), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.api, "api", defaultAPI, "address of a running Caltrop")
	f.StringVar(&o.history, "history", "", "directory of an alert history, instead of --api; needs --rule or --key")
	f.StringArrayVar(&o.rules, "rule", nil, "alerts of this rule; with --history it may be given again")
	f.StringVar(&o.key, "key", "", "alerts of this key")
	f.StringVar(&o.status, "status", "", "raised, changed or retracted")
	f.StringVar(&o.from, "from", "", "first event time, RFC 3339; default: a day before --to")
	f.StringVar(&o.to, "to", "", "event time to stop before, RFC 3339; default: now")
	f.IntVar(&o.limit, "limit", 100, "at most so many alerts")
	f.BoolVar(&o.json, "json", false, "print each alert as one line of JSON")
	return cmd
}

func listAlerts(ctx context.Context, w io.Writer, o alertsOptions) error {
	if o.limit < 1 {
		return fmt.Errorf("--limit %d is less than 1", o.limit)
	}
	find, done, err := o.source()
	if err != nil {
		return err
	}
	defer done()
	for left, after := o.limit, ""; left > 0; {
		page, err := find(ctx, min(left, pageMax), after)
		if err != nil {
			return err
		}
		for _, a := range page.Alerts {
			if err := showAlert(w, a, o.json); err != nil {
				return err
			}
		}
		left -= len(page.Alerts)
		if after = page.Next; after == "" {
			return nil
		}
	}
	return nil
}

// A finder returns one page of what the options ask for.
type finder func(ctx context.Context, limit int, after string) (alert.Page, error)

func (o *alertsOptions) source() (find finder, done func(), err error) {
	if o.history == "" {
		if len(o.rules) > 1 {
			return nil, nil, errors.New("--rule may be given once with --api")
		}
		if u, err := url.Parse(o.api); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return nil, nil, fmt.Errorf("--api %s is no address as %s", o.api, defaultAPI)
		}
		return o.remote, func() {}, nil
	}
	if len(o.rules) == 0 && o.key == "" {
		return nil, nil, errors.New("--history needs --rule or --key")
	}
	q := alert.Query{Rules: o.rules, Key: o.key, Status: alert.Status(o.status)}
	if q.Status != "" && !q.Status.Known() {
		return nil, nil, fmt.Errorf("--status %s is none of raised, changed, retracted", o.status)
	}
	if q.From, q.To, err = o.box(time.Now()); err != nil {
		return nil, nil, err
	}
	if _, err := os.Stat(o.history); err != nil { // or it would be made
		return nil, nil, fmt.Errorf("opening the history: %w", err)
	}
	h, err := pebble.Open(o.history, pebble.Options{})
	if err != nil {
		return nil, nil, err
	}
	find = func(ctx context.Context, limit int, after string) (alert.Page, error) {
		q.Limit, q.After = limit, after
		return h.Alerts(ctx, q)
	}
	return find, func() { h.Close() }, nil // only read: nothing is lost when closing fails
}

// box returns the time box in µs.
func (o *alertsOptions) box(now time.Time) (from, to int64, err error) {
	end, err := timeFlag("to", o.to, now)
	if err != nil {
		return 0, 0, err
	}
	begin, err := timeFlag("from", o.from, end.Add(-defaultSpan))
	if err == nil && !begin.Before(end) {
		err = fmt.Errorf("--from %s is not before --to %s", begin.Format(time.RFC3339Nano), end.Format(time.RFC3339Nano))
	}
	return begin.UnixMicro(), end.UnixMicro(), err
}

func timeFlag(name, text string, without time.Time) (time.Time, error) {
	if text == "" {
		return without, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return t, fmt.Errorf("--%s %s is not a time as 2026-01-02T15:04:05Z", name, text)
	}
	return t, nil
}

// remote asks a running Caltrop.
func (o *alertsOptions) remote(ctx context.Context, limit int, after string) (alert.Page, error) {
	v := url.Values{"limit": {strconv.Itoa(limit)}}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	if len(o.rules) > 0 {
		set("rule", o.rules[0])
	}
	set("key", o.key)
	set("status", o.status)
	set("from", o.from)
	set("to", o.to)
	set("after", after)
	var answer struct {
		Alerts []json.RawMessage
		Next   string
	}
	if err := getJSON(ctx, o.api+"/v1/alerts?"+v.Encode(), &answer); err != nil {
		return alert.Page{}, err
	}
	page := alert.Page{Next: answer.Next}
	for _, a := range answer.Alerts {
		page.Alerts = append(page.Alerts, a)
	}
	return page, nil
}

// showAlert prints one alert as it is, or as a line for people.
func showAlert(w io.Writer, body []byte, asJSON bool) error {
	if asJSON {
		_, err := fmt.Fprintf(w, "%s\n", body)
		return err
	}
	var a struct {
		At, Status, Severity, Rule, Summary string
		Version, Suppressed                 int
		Key                                 json.RawMessage
		Evidence                            map[string][]json.RawMessage
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return fmt.Errorf("reading an alert: %w", err)
	}
	var steps []string
	for name, events := range a.Evidence {
		steps = append(steps, fmt.Sprintf("%s×%d", name, len(events)))
	}
	slices.Sort(steps)
	status := a.Status
	if a.Version > 1 {
		status = fmt.Sprintf("%s v%d", a.Status, a.Version)
	}
	if a.Suppressed > 0 {
		a.Summary = fmt.Sprintf("%s (and %d suppressed)", a.Summary, a.Suppressed)
	}
	_, err := fmt.Fprintf(w, "%s  %-8s %-12s %s  key %s  %s  %v\n", a.At, a.Severity, status, a.Rule, a.Key, a.Summary, steps)
	return err
}
