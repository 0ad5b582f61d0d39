package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/caltrop/caltrop/sinks/sinktest"
	"github.com/caltrop/caltrop/sinks/webhook"
)

const hookCanary = "canary-hook-4711"

// A hook is a receiver: what it has said yes to, by idempotency key.
type hook struct {
	mu    sync.Mutex
	got   map[string]int
	calls int
	down  bool
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls++
	switch {
	case h.down || r.Header.Get(webhook.HeaderSignature) != webhook.Sign(hookCanary, r.Header.Get(webhook.HeaderTime), body):
		w.WriteHeader(http.StatusServiceUnavailable)
	case bytes.Contains(body, []byte(`"rule":"poison"`)):
		w.WriteHeader(http.StatusUnprocessableEntity)
	default:
		h.got[r.Header.Get(webhook.HeaderKey)]++
	}
}

func (h *hook) set(down bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = down
}

func (h *hook) has(keys ...string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !slices.ContainsFunc(keys, func(k string) bool { return h.got[k] == 0 })
}

// TestSinksOfANode: a webhook and a topic, as documents of a process over a
// broker. While the receiver is down the topic gets its alerts all the same, and
// the receiver gets its own once it is back; what is silenced goes to neither,
// what the receiver answers no to is a dead letter. With E2E_KAFKA in the environment
// the broker is a real one.
func TestSinksOfANode(t *testing.T) {
	prefix := fmt.Sprintf("sinks-%d", os.Getpid())
	broker := os.Getenv("E2E_KAFKA")
	if broker == "" {
		fake, err := kfake.NewCluster(kfake.NumBrokers(1))
		if err != nil {
			t.Fatal(err)
		}
		defer fake.Close()
		broker = fake.ListenAddrs()[0]
	}
	h := &hook{got: map[string]int{}, down: true}
	receiver := httptest.NewServer(h)
	defer receiver.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	written, address, ended := runNode(ctx, t, fmt.Sprintf("kafka: {brokers: [%q], prefix: %s}\nhttp: {address: '127.0.0.1:0'}\ndata: %q\nwebhooks: {secrets: {pager: {file: %q}}, allow: [127.0.0.1/32]}\n",
		broker, prefix, t.TempDir(), secretFile(t, hookCanary)))
	address += "/v1/"
	const head = "apiVersion: caltrop/v1, "
	putDocument(ctx, t, address+"silences/quiet", "{"+head+"kind: Silence, name: quiet, match: {key: quiet}, reason: a test, owner: ops, from: 2020-01-01T00:00:00Z, until: 2040-01-01T00:00:00Z}")
	putDocument(ctx, t, address+"sinks/pager", "{"+head+"kind: Sink, name: pager, type: webhook, timing: early, options: {url: '"+receiver.URL+"/token-"+hookCanary+"', secret: pager, attempts: 2}}")
	putDocument(ctx, t, address+"sinks/cases", "{"+head+"kind: Sink, name: cases, type: kafka, timing: early, match: {rule: wanted}, options: {topic: "+prefix+"-cases}}")
	putDocument(ctx, t, address+"sinks/lost", "{"+head+"kind: Sink, name: lost, type: webhook, options: {url: 'https://example.com', secret: none}}")

	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.AllowAutoTopicCreation(), kgo.ConsumeTopics(prefix+"-cases", prefix+".dlq"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	later := time.Now().Add(time.Hour).UnixMicro() // since the sinks were stored
	key := map[string]string{}
	for _, name := range []string{"one", "two", "other", "quiet", "poison"} {
		a := sinktest.Alert{Name: prefix + name, Rule: map[string]string{"other": "another", "poison": "poison"}[name], Key: name}
		if a.Rule == "" {
			a.Rule = "wanted"
		}
		value := bytes.Replace(a.Record().JSON, []byte(`"summary"`), fmt.Appendf(nil, `"detected_at":%q,"summary"`, time.UnixMicro(later).UTC().Format("2006-01-02T15:04:05.000000Z")), 1)
		key[name] = a.ID().String() + ".1"
		if err := client.ProduceSync(ctx, &kgo.Record{Topic: prefix + ".alerts", Key: []byte(name), Value: value}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	status := func(name string) (d struct {
		State, Error                       string
		Delivered, Rejected, Silenced, Lag int
	}) {
		var doc struct{ Delivery any }
		doc.Delivery = &d
		if err := getJSON(ctx, address+"sinks/"+name, &doc); err != nil && ctx.Err() == nil {
			t.Fatal(err)
		}
		return d
	}
	until := func(what string, ok func() bool) {
		t.Helper()
		for !ok() {
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
				t.Fatalf("%s: never; pager %+v, cases %+v, lost %+v\n%s", what, status("pager"), status("cases"), status("lost"), written)
			}
		}
	}
	until("the pager is tried again", func() bool { s := status("pager"); return s.State == "retrying" && s.Error != "" })
	until("the topic has its alerts meanwhile", func() bool { return status("cases").Delivered == 2 })
	if s := status("pager"); s.Delivered != 0 || s.Rejected != 0 {
		t.Errorf("the receiver is down: %+v", s)
	}
	until("a sink without its secret says so", func() bool {
		s := status("lost")
		return s.State == "stopped" && strings.Contains(s.Error, "webhooks.secrets of the configuration has no none")
	})
	h.set(false)
	until("the receiver has what it missed", func() bool { return h.has(key["one"], key["two"], key["other"]) })
	until("what it refuses is set aside", func() bool {
		s := status("pager")
		return s.State == "delivering" && s.Delivered == 3 && s.Rejected == 1 && s.Silenced == 1
	})
	until("nothing is left of the topic", func() bool { return status("pager").Lag == 0 && status("cases").Lag == 0 })

	var cases, letters []string
	for len(cases) < 2 || len(letters) < 1 {
		fetched := client.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("%v in the topic and %v among the dead letters", cases, letters)
		}
		fetched.EachRecord(func(r *kgo.Record) {
			if r.Topic == prefix+"-cases" {
				cases = append(cases, string(r.Key)+" "+headerOf(r, "alert")+"."+headerOf(r, "version"))
				return
			}
			letters = append(letters, string(r.Key)+" "+headerOf(r, "reason")+" "+headerOf(r, "topic")+" "+headerOf(r, "detail"))
		})
	}
	slices.Sort(cases)
	if want := []string{"one " + key["one"], "two " + key["two"]}; !slices.Equal(cases, want) {
		t.Errorf("the topic has %v, want %v", cases, want)
	}
	if want := []string{"poison sink_refused " + prefix + ".alerts sink pager: the receiver answers 422, 2 times"}; !slices.Equal(letters, want) {
		t.Errorf("the dead letters are %v, want %v", letters, want)
	}
	if h.has(key["quiet"]) {
		t.Error("a silenced alert was sent")
	}
	cancel()
	<-ended
	if strings.Contains(written.String(), hookCanary) {
		t.Errorf("the log has the secret, or the address:\n%s", written)
	}
}

func headerOf(r *kgo.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}
