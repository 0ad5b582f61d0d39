package rules

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Kind is the kind of a stored document, as its keys spell it.
type Kind string

// The kinds that the registry stores.
const (
	KindStream  Kind = "stream"
	KindRule    Kind = "rule"
	KindList    Kind = "list"
	KindProfile Kind = "profile"
	KindView    Kind = "view"
	KindSilence Kind = "silence"
	KindSink    Kind = "sink"
)

var kinds = []Kind{KindStream, KindRule, KindList, KindProfile, KindView, KindSilence, KindSink}

// title is the kind as documents spell it.
func (k Kind) title() string {
	switch k {
	case KindStream:
		return "Stream"
	case KindList:
		return "List"
	case KindProfile:
		return "Profile"
	case KindView:
		return "View"
	case KindSilence:
		return "Silence"
	case KindSink:
		return "Sink"
	}
	return "Rule"
}

// A Ref names one revision of one document, for ever.
type Ref struct {
	Kind     Kind   `json:"kind"`
	Name     string `json:"name"`
	Revision int    `json:"revision"`
}

// String returns the key of the revision's record: KIND/NAME/REVISION.
func (r Ref) String() string { return headKey(r.Kind, r.Name) + "/" + strconv.Itoa(r.Revision) }

func headKey(k Kind, name string) string { return string(k) + "/" + name }

// parseKey takes a record's key apart; revision is 0 for a head.
func parseKey(key string) (k Kind, name string, revision int, err error) {
	parts := strings.Split(key, "/")
	if len(parts) < 2 || len(parts) > 3 || !slices.Contains(kinds, Kind(parts[0])) {
		return "", "", 0, fmt.Errorf("key %q is none of the rules log", key)
	}
	if len(parts) == 3 {
		if revision, err = strconv.Atoi(parts[2]); err != nil || revision < 1 {
			return "", "", 0, fmt.Errorf("key %q has no revision number", key)
		}
	}
	return Kind(parts[0]), parts[1], revision, nil
}

// The versions of the two record shapes below. A reader refuses a record of a later
// one; a head is written in the later format only where it says what the one before
// cannot.
const (
	recordFormat = 1
	lifeFormat   = 2 // of heads: other states than live and deleted, trials
)

// A State is what a document is at the moment. Documents that are no rules are live
// or deleted.
type State string

// The states of a document.
const (
	Draft   State = "draft"   // checked, and run nowhere
	Shadow  State = "shadow"  // on trial: its alerts go to a topic of their own
	Live    State = "live"    // the one state of documents that are no rules
	Paused  State = "paused"  // goes on with its state and raises nothing
	Retired State = "retired" // over; the name stays taken
	Deleted State = "deleted" // over; the name is free again
)

// A head is the mutable record of a document, at KIND/NAME. It outlives the
// document's deletion, so that no revision number is used twice.
type head struct {
	Format   int    `json:"format"`
	Next     int    `json:"next"` // the number of the next revision
	Revision int    `json:"revision"`
	State    State  `json:"state"`
	Time     int64  `json:"time"`            // µs since the Unix epoch, of the last change
	Trial    *trial `json:"trial,omitempty"` // beside a revision that is live or paused
}

// A trial is a revision beside the one that is live or paused.
type trial struct {
	Revision int   `json:"revision"`
	State    State `json:"state"` // Draft or Shadow
}

// A Revision is one immutable text of a document.
type Revision struct {
	Ref
	Text   string    // as it was sent, YAML or JSON
	Time   time.Time // when it was stored, UTC
	Author string    // "" when unknown
}

// ETag is the entity tag of the document at this revision.
func (r *Revision) ETag() string { return etag(r.Revision) }

func etag(revision int) string { return `"` + strconv.Itoa(revision) + `"` }

type revisionRecord struct {
	Format int    `json:"format"`
	Text   string `json:"text"`
	Time   int64  `json:"time"` // µs since the Unix epoch
	Author string `json:"author,omitempty"`
}

func (h *head) record(k Kind, name string) Record {
	if h.Format = recordFormat; h.Trial != nil || h.State != Live && h.State != Deleted {
		h.Format = lifeFormat
	}
	return Record{Key: headKey(k, name), Value: encode(h)}
}

func (r *Revision) record() Record {
	return Record{Key: r.String(), Value: encode(revisionRecord{
		Format: recordFormat, Text: r.Text, Time: r.Time.UnixMicro(), Author: r.Author})}
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("rules: encoding a record: %v", err)) // plain strings and numbers always encode
	}
	return b
}

func decodeHead(b []byte) (*head, error) {
	h := &head{}
	if err := json.Unmarshal(b, h); err != nil {
		return nil, fmt.Errorf("decoding a head: %w", err)
	}
	if h.Format < recordFormat || h.Format > lifeFormat || h.Next <= h.Revision || h.Revision < 1 {
		return nil, fmt.Errorf("decoding a head: format %d, revision %d, next %d are not of this build", h.Format, h.Revision, h.Next)
	}
	return h, nil
}

func decodeRevision(ref Ref, b []byte) (*Revision, error) {
	var r revisionRecord
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("decoding revision %s: %w", ref, err)
	}
	if r.Format != recordFormat {
		return nil, fmt.Errorf("decoding revision %s: format %d is not of this build", ref, r.Format)
	}
	return &Revision{Ref: ref, Text: r.Text, Time: time.UnixMicro(r.Time).UTC(), Author: r.Author}, nil
}
