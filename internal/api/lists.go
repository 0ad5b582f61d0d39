package api

import (
	"fmt"
	"net/http"
	"net/url"
	"unicode/utf8"

	"github.com/caltrop/caltrop/rules"
	"github.com/go-chi/chi/v5"
)

// entryBytesMax bounds the value of an entry in an address.
const entryBytesMax = 1024

// An entry is one entry of a list as clients see it.
type entry struct {
	List       string         `json:"list"`
	Value      string         `json:"value"`
	Attributes map[string]any `json:"attributes"`
	Revision   int            `json:"revision"` // of the list
}

func entryOf(list string, e *rules.ListEntry, rev *rules.Revision) entry {
	attributes := e.Attributes
	if attributes == nil {
		attributes = map[string]any{}
	}
	return entry{List: list, Value: e.Value, Attributes: attributes, Revision: rev.Revision}
}

// entryIn returns the list and the value in the address. An entry that no list
// can have is not found.
func entryIn(r *http.Request) (list, value string, err error) {
	if list, err = nameIn(r); err != nil {
		return "", "", err
	}
	value = chi.URLParam(r, "value")
	if r.URL.RawPath != "" { // chi has read this one, in which nothing is decoded
		value, err = url.PathUnescape(value)
	}
	if err != nil || len(value) > entryBytesMax || !utf8.ValidString(value) {
		return "", "", &problem{status: http.StatusNotFound, detail: fmt.Sprintf("no entry can have this value: it is UTF-8 of at most %d bytes", entryBytesMax)}
	}
	return list, value, nil
}

func (s *server) getEntry(w http.ResponseWriter, r *http.Request) error {
	list, value, err := entryIn(r)
	if err != nil {
		return err
	}
	e, rev, err := s.rules.Entry(list, value)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", rev.ETag())
	return encode(w, http.StatusOK, entryOf(list, e, rev))
}

func (s *server) putEntry(w http.ResponseWriter, r *http.Request) error {
	list, value, err := entryIn(r)
	if err != nil {
		return err
	}
	cond, err := condition(r)
	if err != nil {
		return err
	}
	body, err := readDocuments(w, r)
	if err != nil {
		return err
	}
	attributes, err := rules.ReadAttributes(body)
	if err != nil {
		return badRequest("", "%v", err)
	}
	e := rules.ListEntry{Value: value, Attributes: attributes}
	rev, created, err := s.rules.PutEntry(r.Context(), list, e, cond)
	if err != nil {
		return err
	}
	return written(w, rev, created, entryOf(list, &e, rev))
}

func (s *server) deleteEntry(w http.ResponseWriter, r *http.Request) error {
	list, value, err := entryIn(r)
	if err != nil {
		return err
	}
	return remove(w, r, func(c rules.Condition) error { return s.rules.DeleteEntry(r.Context(), list, value, c) })
}
