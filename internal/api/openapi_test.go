package api_test

import (
	"bytes"
	"flag"
	"net/http"
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
	doc, err := openapi3.NewLoader().LoadFromData(g.want(http.StatusOK, "GET", "/v1/openapi.json", "").Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Errorf("the description is no OpenAPI: %v", err)
	}
	var described, served []string
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			described = append(described, method+" "+path)
		}
	}
	err = chi.Walk(g.handler.(chi.Routes), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
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
