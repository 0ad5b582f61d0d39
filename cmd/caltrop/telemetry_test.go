package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What the metrics are goes to a collector too, with the token, at the latest
// when the process ends.
func TestMetricsGoToACollector(t *testing.T) {
	type request struct {
		path, token string
		size        int64
	}
	got := make(chan request, 100)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got <- request{r.URL.Path, r.Header.Get("Authorization"), r.ContentLength}
	}))
	defer collector.Close()
	n := configured(t, fmt.Sprintf("kafka: {brokers: ['127.0.0.1:1']}\ndata: %q\nhttp: {address: '127.0.0.1:0'}\ntelemetry: {otlp: {endpoint: %q, every: 1h, token: {file: %q}}}\n",
		t.TempDir(), collector.URL, secretFile(t, canary)), t.Output())
	counter, err := n.metrics.Meter("test").Int64Counter("counted")
	if err != nil {
		t.Fatal(err)
	}
	counter.Add(t.Context(), 1)
	n.close()
	select {
	case r := <-got:
		if r.path != "/v1/metrics" || r.token != "Bearer "+canary || r.size == 0 {
			t.Errorf("the collector was sent %+v", r)
		}
	default:
		t.Error("the collector was sent nothing")
	}
}

func TestTelemetryIsChecked(t *testing.T) {
	for text, want := range map[string]string{
		"{endpoint: collector}":                         "not as http://collector:4318",
		"{endpoint: 'http://u:" + canary + "@x'}":       "without a user",
		"{endpoint: 'http://x', traces: 1.5}":           "telemetry.otlp.traces is 1.5, want a part from 0 to 1",
		"{endpoint: 'http://x', every: 1ms}":            "want at least 1s",
		"{endpoint: 'https://x', tls: {cert: c}}":       "telemetry.otlp.tls: cert and key go together",
		"{endpoint: 'http://x', token: " + canary + "}": "does not stand in the configuration",
	} {
		_, err := readConfig(writeConfig(t, "kafka: {brokers: [a]}\ndata: d\ntelemetry: {otlp: "+text+"}\n"))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
