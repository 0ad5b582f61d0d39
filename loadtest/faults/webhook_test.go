//go:build e2e

package faults

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"

	"github.com/caltrop/caltrop/sinks/alert"
	"github.com/caltrop/caltrop/sinks/webhook"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

const webhookSecret = "what requests are signed with"

// A receiver takes the alerts of one rule by webhook. Of its answers some are
// a 503, and some are lost when it has taken the alert.
type receiver struct {
	rig  *rig
	rule string
	url  string

	mu    sync.Mutex
	asked int
	got   map[string]string // by Idempotency-Key
	again int               // deliveries of what it has
	wrong []string          // what no request may be
}

// newReceiver starts a receiver, and lets the rig's processes call it.
func (r *rig) newReceiver(rule string) *receiver {
	r.t.Helper()
	secret := filepath.Join(r.Dir, "pager.key")
	if err := os.WriteFile(secret, []byte(webhookSecret), 0o600); err != nil {
		r.t.Fatal(err)
	}
	r.Webhooks = fmt.Sprintf("{secrets: {pager: {file: %q}}, allow: [127.0.0.0/8]}", secret)
	h := &receiver{rig: r, rule: rule, got: map[string]string{}}
	server := httptest.NewServer(h)
	r.t.Cleanup(server.Close)
	h.url = server.URL
	return h
}

func (h *receiver) document() []byte {
	return fmt.Appendf(nil, "apiVersion: caltrop/v1\nkind: Sink\nname: pager\ntype: webhook\nmatch: {rule: %s}\noptions: {url: '%s/in', secret: pager, timeout: 5s}\n", h.rule, h.url)
}

// ServeHTTP implements http.Handler.
func (h *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // a process that was killed
	}
	mac := hmac.New(sha256.New, []byte(webhookSecret))
	fmt.Fprintf(mac, "%s.%s", req.Header.Get(webhook.HeaderTime), body)
	key := req.Header.Get(webhook.HeaderKey)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked++
	if got, want := req.Header.Get(webhook.HeaderSignature), "v1="+hex.EncodeToString(mac.Sum(nil)); got != want {
		h.wrong = append(h.wrong, fmt.Sprintf("signed %q, want %q", got, want))
	}
	if h.asked%50 == 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if before, known := h.got[key]; known {
		h.again++
		if before != string(body) {
			h.wrong = append(h.wrong, fmt.Sprintf("%s again, as another: %s", key, body))
		}
	}
	h.got[key] = string(body)
	if h.asked%70 == 0 {
		panic(http.ErrAbortHandler) // no answer
	}
}

// lacks tells what of the alerts topic has not come, or should not have.
func (h *receiver) lacks() string {
	want := map[string]string{}
	h.rig.readAlerts(func(m *ck.Message) {
		a, err := alert.ParseJSON(m.Value)
		if err != nil {
			h.rig.t.Fatalf("reading alert %s: %v", m.Value, err)
		}
		if a.Rule == h.rule {
			want[fmt.Sprintf("%s.%d", a.ID, a.Version)] = string(m.Value)
		}
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	lost := 0
	for key, text := range want {
		if h.got[key] == "" {
			lost++
		} else if h.got[key] != text {
			h.wrong = append(h.wrong, fmt.Sprintf("%s is %s, want %s", key, h.got[key], text))
		}
	}
	if len(h.wrong) > 0 || len(h.got) > len(want) {
		h.rig.t.Fatalf("%d alerts came, %d are wanted; %d wrong ones, the first: %s", len(h.got), len(want), len(h.wrong), h.wrong[:min(1, len(h.wrong))])
	}
	if lost > 0 {
		return fmt.Sprintf("%d of %d alerts have not come to the webhook", lost, len(want))
	}
	return ""
}

func (h *receiver) report() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rig.t.Logf("the webhook has %d alerts by %d requests, %d of them for what it had", len(h.got), h.asked, h.again)
}
