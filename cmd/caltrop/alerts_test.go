package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/sinks"
	"github.com/caltrop/caltrop/sinks/alert"
	"github.com/caltrop/caltrop/sinks/pebble"
)

func listed(t *testing.T, args ...string) (out string, err error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	err = run(t.Context(), append([]string{"alerts", "ls"}, args...), environ{in: strings.NewReader(""), out: &stdout, err: &stderr})
	return stdout.String() + stderr.String(), err
}

const oneAlert = `{"id":"a%d","version":1,"status":"raised","rule":"probe","severity":"high","key":"c1","at":"2026-03-01T12:00:00.000000Z","summary":"2 probes","evidence":{"small":[{},{}],"large":[{}]}}`

func TestAlertsAreListedPageByPage(t *testing.T) {
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RawQuery)
		next := ""
		if len(asked) == 1 {
			next = "two"
		}
		fmt.Fprintf(w, `{"alerts":[`+oneAlert+`],"next":%q}`, len(asked), next)
	}))
	defer server.Close()
	out, err := listed(t, "--api", server.URL, "--rule", "probe", "--limit", "5")
	if err != nil {
		t.Fatal(err)
	}
	line := "2026-03-01T12:00:00.000000Z  high     raised       probe  key \"c1\"  2 probes  [large×1 small×2]\n"
	if out != line+line {
		t.Errorf("got\n%s\nwant twice\n%s", out, line)
	}
	if strings.Join(asked, " ") != "limit=5&rule=probe after=two&limit=4&rule=probe" {
		t.Errorf("asked %q", asked)
	}
	if out, err = listed(t, "--api", server.URL, "--json", "--limit", "1"); err != nil || out != fmt.Sprintf(oneAlert, 3)+"\n" {
		t.Errorf("as JSON: %s, %v", out, err)
	}
}

func TestAlertsThatCannotBeListed(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"status":400,"detail":"from is not a time"}`)
	}))
	defer server.Close()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--api", server.URL, "--from", "x"}, "400 Bad Request: from is not a time"},
		{[]string{"--limit", "0"}, "--limit 0 is less than 1"},
		{[]string{"--rule", "a", "--rule", "b"}, "--rule may be given once with --api"},
		{[]string{"--history", t.TempDir()}, "--history needs --rule or --key"},
		{[]string{"--history", filepath.Join(t.TempDir(), "none"), "--key", "c1"}, "no such file or directory"},
		{[]string{"--history", t.TempDir(), "--key", "c1", "--status", "rised"}, "--status rised is none of raised, changed, retracted"},
		{[]string{"--history", t.TempDir(), "--key", "c1", "--from", "2026-03-02T00:00:00Z", "--to", "2026-03-01T00:00:00Z"}, "is not before"},
		{[]string{"--api", "localhost", "--key", "c1"}, "--api localhost is no address"},
		{[]string{"--history", t.TempDir(), "--key", "c1", "--from", "yesterday"}, "--from yesterday is not a time"},
	} {
		out, err := listed(t, c.args...)
		if exitCode(err) != exitFailure || !strings.Contains(out, c.want) {
			t.Errorf("alerts ls %v: exit %d, %s; want 1 and %q", c.args, exitCode(err), out, c.want)
		}
	}
}

// An early alert that is corrected is listed as it stands, with its version.
func TestCorrectionsAreListed(t *testing.T) {
	dir := t.TempDir()
	h, err := pebble.Open(dir, pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, versions := range [][]alert.Status{{alert.Raised}, {alert.Raised, alert.Changed}, {alert.Raised, alert.Changed, alert.Retracted}} {
		for v, status := range versions {
			a := alert.Alert{ID: alert.ID{byte(i)}, Version: v + 1, Status: status, Rule: "probe", Mode: "live", Severity: "high",
				Key: []event.Value{event.StringOf("c1")}, At: int64(1+i) * 1e6, Summary: fmt.Sprintf("version %d", v+1)}
			record, err := sinks.ParseRecord(a.AppendJSON(nil))
			if err != nil {
				t.Fatal(err)
			}
			if err := h.Write(t.Context(), []sinks.Record{record}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	box := []string{"--history", dir, "--key", "c1", "--from", "1970-01-01T00:00:00Z", "--to", "1970-01-02T00:00:00Z"}
	lines := []string{
		"1970-01-01T00:00:03.000000Z  high     retracted v3 probe  key \"c1\"  version 3  []\n",
		"1970-01-01T00:00:02.000000Z  high     changed v2   probe  key \"c1\"  version 2  []\n",
		"1970-01-01T00:00:01.000000Z  high     raised       probe  key \"c1\"  version 1  []\n",
	}
	if out, err := listed(t, box...); err != nil || out != strings.Join(lines, "") {
		t.Errorf("got\n%s%v, want\n%s", out, err, strings.Join(lines, ""))
	}
	if out, err := listed(t, append(box, "--status", "retracted")...); err != nil || out != lines[0] {
		t.Errorf("retracted are\n%s%v, want\n%s", out, err, lines[0])
	}
}

func TestAnEmptyHistoryHasNoAlerts(t *testing.T) {
	if out, err := listed(t, "--history", t.TempDir(), "--rule", "probe"); err != nil || out != "" {
		t.Errorf("got %q, %v; want nothing", out, err)
	}
}
