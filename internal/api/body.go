package api

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/caltrop/caltrop/rules"
)

// Limits of a request.
const (
	bodyBytesMax   = 1 << 20          // of a body: several documents
	bodyTimeMax    = 10 * time.Second // for a body to arrive
	headerBytesMax = 16 << 10
	headerTimeMax  = 5 * time.Second
)

// readDocuments reads a body of YAML or JSON documents.
func readDocuments(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if err := checkMedia(r); err != nil {
		return nil, err
	}
	// A recorder in a test has no deadline; a connection always has.
	if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeMax)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, fmt.Errorf("setting the body's deadline: %w", err)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytesMax))
	if err != nil {
		return nil, fmt.Errorf("reading the body: %w", err)
	}
	if strings.TrimSpace(string(body)) == "" {
		return nil, badRequest("", "the body is empty, want a document")
	}
	return body, nil
}

// checkMedia refuses what is neither YAML nor JSON. YAML is a superset of
// JSON, so both are read the same way.
func checkMedia(r *http.Request) error {
	if enc := r.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return &problem{status: http.StatusUnsupportedMediaType, detail: fmt.Sprintf("Content-Encoding %s is not read, send the body as it is", enc)}
	}
	given := r.Header.Get("Content-Type")
	media, _, err := mime.ParseMediaType(given)
	switch media {
	case "application/yaml", "application/x-yaml", "text/yaml", "application/json":
		if err == nil {
			return nil
		}
	}
	return &problem{status: http.StatusUnsupportedMediaType, detail: fmt.Sprintf("Content-Type %q is not read, want application/yaml or application/json", given)}
}

// checkParameters refuses parameters of the address that are unknown, empty,
// given twice or not UTF-8: what is passed over in silence is taken for done.
func checkParameters(r *http.Request, known []string) error {
	given, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return badRequest("", "the parameters cannot be read: %v", err)
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		values := given[name]
		switch {
		case !slices.Contains(known, name) && len(known) == 0:
			return badRequest("", "parameter %s is unknown: there are none here", name)
		case !slices.Contains(known, name):
			return badRequest("", "parameter %s is unknown: there are %s", name, strings.Join(known, ", "))
		case len(values) > 1:
			return badRequest("", "parameter %s is given %d times, want once", name, len(values))
		case values[0] == "":
			return badRequest("", "parameter %s is empty: give it a value, or leave it out", name)
		case !utf8.ValidString(values[0]):
			return badRequest("", "parameter %s is not UTF-8", name)
		}
	}
	return nil
}

// condition reads If-Match and If-None-Match. Entity tags are the quoted
// revision numbers that the server gave.
func condition(r *http.Request) (rules.Condition, error) {
	var c rules.Condition
	none, err := single(r, "If-None-Match")
	if err != nil {
		return c, err
	}
	match, err := single(r, "If-Match")
	if err != nil {
		return c, err
	}
	if none != "" && none != "*" {
		return c, badRequest("", "If-None-Match: %s is not supported on writes, only *", none)
	}
	c.Absent, c.Present = none == "*", match == "*"
	if match != "" && match != "*" {
		c.Revision, err = revisionOf(match)
	}
	return c, err
}

// single returns the value of a header, "" when there is none. An empty one is
// refused: its writer meant a condition, and has lost it.
func single(r *http.Request, name string) (string, error) {
	switch values := r.Header.Values(name); {
	case len(values) == 0:
		return "", nil
	case len(values) > 1:
		return "", badRequest("", "%s is given %d times, want once", name, len(values))
	case values[0] == "":
		return "", badRequest("", "%s is empty: give it an entity tag or *, or leave it out", name)
	default:
		return values[0], nil
	}
}

// revisionOf reads one entity tag. A tag of another shape, a weak one too, is
// none that this server gave for a write: it cannot match.
func revisionOf(tag string) (int, error) {
	text, ok := strings.CutPrefix(tag, `"`)
	text, closed := strings.CutSuffix(text, `"`)
	n, err := strconv.Atoi(text)
	if !ok || !closed || err != nil || n < 1 {
		return 0, &problem{status: http.StatusPreconditionFailed, detail: fmt.Sprintf("If-Match: %s is no entity tag of this document", tag)}
	}
	return n, nil
}
