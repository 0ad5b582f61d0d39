package avro

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
)

// A rig is a registry and what it was asked.
type rig struct {
	fake  *srfake.Registry
	asked int
	fail  http.HandlerFunc // answers in the registry's place
	now   time.Time
	*Registry
}

func newRig(t *testing.T, opts ...srfake.Option) *rig {
	t.Helper()
	r := &rig{fake: srfake.New(opts...), now: time.Unix(0, 0)}
	t.Cleanup(r.fake.Close)
	r.fake.Intercept(func(w http.ResponseWriter, req *http.Request) bool {
		r.asked++
		if r.fail != nil {
			r.fail(w, req)
		}
		return r.fail != nil
	})
	var err error
	if r.Registry, err = New(Options{URLs: []string{r.fake.URL()}}); err != nil {
		t.Fatal(err)
	}
	r.Registry.now = func() time.Time { return r.now }
	return r
}

const cardSchema = `{"type":"record","name":"card","fields":[{"name":"pan","type":"string"}]}`

func TestAKnownSchemaIsAskedForOnce(t *testing.T) {
	r := newRig(t)
	r.fake.SeedSchema("card", 1, 5, sr.Schema{Schema: cardSchema})
	for range 3 {
		s, err := r.Schema(t.Context(), 5)
		if err != nil || s.Schema == nil || s.Schema.Kind != event.AvroRecord || s.Schema.Fields[0].Name != "pan" {
			t.Fatalf("schema %+v, %v", s, err)
		}
	}
	if r.asked != 1 {
		t.Errorf("asked %d times, want once", r.asked)
	}
}

func TestAnUnknownSchemaIsAskedForAgainLater(t *testing.T) {
	r := newRig(t)
	for range 3 {
		if _, err := r.Schema(t.Context(), 5); !errors.Is(err, ErrUnknown) {
			t.Fatalf("got %v, want ErrUnknown", err)
		}
	}
	if r.asked != 1 {
		t.Errorf("asked %d times within the time that it is remembered, want once", r.asked)
	}
	r.fake.SeedSchema("card", 1, 5, sr.Schema{Schema: cardSchema})
	r.now = r.now.Add(unknownFor)
	if s, err := r.Schema(t.Context(), 5); err != nil || s.Schema == nil {
		t.Errorf("once it is there: %+v, %v", s, err)
	}
}

// Whatever goes wrong between here and the registry says nothing about the schema.
func TestTroubleIsNoUnknownSchema(t *testing.T) {
	r := newRig(t)
	r.fake.SeedSchema("card", 1, 5, sr.Schema{Schema: cardSchema})
	for name, fail := range map[string]http.HandlerFunc{
		"an internal error": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, `{"error_code":50001}`, 500) },
		"a wrong address":   func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "not here", 404) },
		"no right": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, `{"error_code":40101}`, http.StatusUnauthorized)
		},
		"no JSON":                    func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"an answer without a schema": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"status":"up"}`) },
		"no schema in the answer":    func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"schema":"<html>"}`) },
		"a long page": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, strings.Repeat("sorry", answerBytesMax), http.StatusBadGateway)
		},
		"a long page that is not there": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, strings.Repeat("sorry", answerBytesMax), 404)
		},
		"half an answer": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, `{"schema":`)
		},
	} {
		r.fail = fail
		_, err := r.Schema(t.Context(), 5)
		if err == nil || errors.Is(err, ErrUnknown) {
			t.Errorf("%s: got %v, want an error to try again after", name, err)
		} else if len(err.Error()) > 2*errorBytesMax {
			t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
		}
	}
	r.fail = nil
	if s, err := r.Schema(t.Context(), 5); err != nil || s.Schema == nil {
		t.Errorf("afterwards: %+v, %v", s, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Schema(ctx, 6); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// References are asked for too: garbage there is no reason to refuse the schema.
func TestTroubleWithAReferenceIsTrouble(t *testing.T) {
	r := newRig(t)
	r.fail = func(w http.ResponseWriter, req *http.Request) {
		if strings.Contains(req.URL.Path, "/ids/") {
			fmt.Fprint(w, `{"schema":"{\"type\":\"array\",\"items\":\"card\"}","references":[{"name":"card","subject":"card","version":9}]}`)
			return
		}
		fmt.Fprint(w, `{"status":"up"}`)
	}
	if s, err := r.Schema(t.Context(), 5); err == nil || errors.Is(err, ErrUnknown) {
		t.Errorf("got %+v, %v; want an error to try again after", s, err)
	}
}

// An address that answers nothing but errors does not stand in the way of the next.
func TestTheNextAddressIsAskedAfterAnError(t *testing.T) {
	sick := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "starting", http.StatusServiceUnavailable) }))
	defer sick.Close()
	fake := srfake.New()
	defer fake.Close()
	fake.SeedSchema("card", 1, 5, sr.Schema{Schema: cardSchema})
	r, err := New(Options{URLs: []string{sick.URL, fake.URL()}})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := r.Schema(t.Context(), 5); err != nil || s.Schema == nil {
		t.Errorf("got %+v, %v", s, err)
	}
}

func TestWhatIsNoAvroIsAnAnswer(t *testing.T) {
	r := newRig(t)
	r.fail = func(w http.ResponseWriter, req *http.Request) {
		switch {
		case strings.HasSuffix(req.URL.Path, "/1"):
			fmt.Fprint(w, `{"schemaType":"PROTOBUF","schema":"message M {}"}`)
		case strings.HasSuffix(req.URL.Path, "/2"):
			fmt.Fprint(w, `{"schema":"{\"type\":\"record\"}"}`)
		case strings.HasSuffix(req.URL.Path, "/3"):
			fmt.Fprintf(w, `{"schema":"\"string\"%s"}`, strings.Repeat(" ", answerBytesMax))
		case strings.HasSuffix(req.URL.Path, "/ids/4"):
			fmt.Fprint(w, `{"schema":"{\"type\":\"array\",\"items\":\"card\"}","references":[{"name":"card","subject":"card","version":9}]}`)
		default:
			w.WriteHeader(404)
			fmt.Fprint(w, `{"error_code":40401,"message":"no such subject"}`)
		}
	}
	for id, want := range map[uint32]string{1: "PROTOBUF", 2: "no Avro schema", 3: "over 1048576 bytes", 4: "version 9 of card"} {
		s, err := r.Schema(t.Context(), id)
		if err != nil || s.Schema != nil || !strings.Contains(s.Problem, want) {
			t.Errorf("schema %d: %+v, %v; want a problem with %q", id, s, err, want)
		}
	}
}

func TestSchemasReferToOthers(t *testing.T) {
	r := newRig(t)
	r.fake.SeedSchema("country", 1, 1, sr.Schema{Schema: `{"type":"enum","name":"x.country","symbols":["BR"]}`})
	r.fake.SeedSchema("card", 1, 2, sr.Schema{Schema: `{"type":"record","name":"x.card","fields":[{"name":"country","type":"country"}]}`,
		References: []sr.SchemaReference{{Name: "x.country", Subject: "country", Version: 1}}})
	r.fake.SeedSchema("payment", 1, 3, sr.Schema{Schema: `{"type":"record","name":"payment","namespace":"y","fields":[{"name":"card","type":"x.card"},{"name":"home","type":"x.country"},{"name":"next","type":["null","payment"]}]}`,
		References: []sr.SchemaReference{{Name: "x.card", Subject: "card", Version: 1}, {Name: "x.country", Subject: "country", Version: 1}}})
	s, err := r.Schema(t.Context(), 3)
	if err != nil || s.Schema == nil {
		t.Fatalf("%+v, %v", s, err)
	}
	f := s.Schema.Fields
	if country := f[0].Schema.Fields[0].Schema; country.Kind != event.AvroEnum || country != f[1].Schema {
		t.Errorf("country is %+v, home %+v; want the one enum", country, f[1].Schema)
	}
	if f[2].Schema.Branches[1] != s.Schema {
		t.Error("a type that contains itself is not one type")
	}
}

func TestTheRegistryRemembersABoundedNumber(t *testing.T) {
	r := newRig(t)
	for id := range uint32(answersMax + 10) {
		r.remember(answer{id: id})
		r.remembered(0) // used again and again
	}
	if n, m := r.mu.recent.Len(), len(r.mu.answers); n != answersMax || m != answersMax {
		t.Errorf("%d and %d answers are remembered, want %d", n, m, answersMax)
	}
	if _, ok := r.remembered(0); !ok {
		t.Error("the one used most was forgotten")
	}
	if _, ok := r.remembered(1); ok {
		t.Error("the one used least is remembered")
	}
}

func TestTheRegistryAsksForAPassword(t *testing.T) {
	r := newRig(t, srfake.WithAuth("Basic dXNlcjpjYW5hcnk="))
	r.fake.SeedSchema("card", 1, 5, sr.Schema{Schema: cardSchema})
	with, err := New(Options{URLs: []string{r.fake.URL()}, Username: "user", Password: "canary"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := with.Schema(t.Context(), 5); err != nil {
		t.Errorf("with the password: %v", err)
	}
	if _, err := r.Schema(t.Context(), 5); err == nil || errors.Is(err, ErrUnknown) {
		t.Errorf("without: %v", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []Options{{}, {URLs: []string{"registry:8081"}}, {URLs: []string{"ftp://x"}}, {URLs: []string{"http://user:canary@x"}}, {URLs: []string{"http://x"}, Password: "canary"}} {
		_, err := New(o)
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%d addresses: %v, want an error without the password", len(o.URLs), err)
		}
	}
}
