package api_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-chi/chi/v5"
)

var rewrite = flag.Bool("rewrite", false, "rewrite testdata/openapi.json; review the difference as code")

const golden = "testdata/openapi.json"

// The description is an interface: a change of it is to be seen in a review.
func TestOpenAPIIsGolden(t *testing.T) {
	got := newRig(t).want(http.StatusOK, "GET", "/v1/openapi.json", "").Body.Bytes()
	if *rewrite {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("GET /v1/openapi.json differs from testdata/openapi.json; run with -rewrite and review")
	}
}

// Every route is described, and everything described is a route.
func TestOpenAPIAndRoutesAgree(t *testing.T) {
	g := newRig(t)
	doc := g.described.doc
	if err := doc.Validate(t.Context()); err != nil {
		t.Errorf("the description is no OpenAPI: %v", err)
	}
	var described, served []string
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			described = append(described, method+" "+path)
		}
	}
	err := chi.Walk(g.handler.(chi.Routes), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		served = append(served, method+" "+strings.TrimSuffix(route, "/"))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(described)
	slices.Sort(served)
	if !slices.Equal(described, served) {
		t.Errorf("described\n%s\nserved\n%s", strings.Join(described, "\n"), strings.Join(served, "\n"))
	}
}

// A description holds answers against the OpenAPI document that the server
// itself gives.
type description struct {
	doc    *openapi3.T
	routes chi.Routes
}

func describe(t *testing.T, h http.Handler) *description {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/v1/openapi.json", nil))
	doc, err := openapi3.NewLoader().LoadFromData(w.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return &description{doc, h.(chi.Routes)}
}

// check fails the test when the answer to a described route has a status, a
// media type or a body that the description does not have.
func (d *description) check(t *testing.T, r *http.Request, w *httptest.ResponseRecorder) {
	t.Helper()
	item := d.doc.Paths.Value(d.routes.Find(chi.NewRouteContext(), r.Method, r.URL.Path))
	if item == nil || item.GetOperation(r.Method) == nil {
		return // a route that is not there
	}
	responses := item.GetOperation(r.Method).Responses
	response := responses.Status(w.Code)
	if response == nil {
		response = responses.Default()
	}
	if response == nil {
		t.Errorf("%s %s: the status %d is not described", r.Method, r.URL.Path, w.Code)
		return
	}
	if w.Body.Len() == 0 {
		return
	}
	media := response.Value.Content.Get(w.Header().Get("Content-Type"))
	switch {
	case media == nil:
		t.Errorf("%s %s: %d with %s is not described", r.Method, r.URL.Path, w.Code, w.Header().Get("Content-Type"))
	case strings.Contains(w.Header().Get("Content-Type"), "json"):
		var body any
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
			t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
		}
		if err := media.Schema.Value.VisitJSON(body, openapi3.EnableJSONSchema2020()); err != nil {
			t.Errorf("%s %s: %d differs from its description: %v\n%s", r.Method, r.URL.Path, w.Code, err, w.Body)
		}
	}
}
