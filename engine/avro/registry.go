package avro

import (
	"bytes"
	"container/list"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/twmb/franz-go/pkg/sr"
)

// Bounds of what is asked and remembered.
const (
	askTimeout     = 5 * time.Second
	errorBytesMax  = 4 << 10 // of an answer that is an error
	answerBytesMax = 1 << 20 // of one schema
	refsMax        = 64      // schemas that one refers to
	answersMax     = 1000    // remembered; past it the one used least recently is forgotten
	unknownFor     = 10 * time.Second
)

// ErrUnknown says that the registry has no schema of an id. Any other error of
// Registry.Schema says that it could not be asked: the caller tries again.
var ErrUnknown = errors.New("the schema registry has no such schema")

// errNoSchema says that something else than a registry may have answered: no
// registry keeps an Avro schema that is not JSON.
var errNoSchema = errors.New("there is no schema in the answer")

// Options say where the registry is. They are read-only after New.
type Options struct {
	// URLs are its addresses, tried in turn; without user or password. Required.
	URLs []string
	// Username and Password, of basic authentication; "" is none.
	Username, Password string
	// TLS is used for https; nil: the system's authorities.
	TLS *tls.Config
}

// Validate reports everything wrong with the options at once.
func (o Options) Validate() error {
	var errs []error
	if len(o.URLs) == 0 {
		errs = append(errs, errors.New("schema registry: an address is needed"))
	}
	for i, text := range o.URLs {
		u, err := url.Parse(text)
		switch {
		case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
			errs = append(errs, fmt.Errorf("schema registry: address %d is not as https://registry:8081", i+1)) // it may hold a password
		case u.User != nil:
			errs = append(errs, fmt.Errorf("schema registry: address %d has a user: name it beside the address", i+1))
		}
	}
	if o.Username == "" && o.Password != "" {
		errs = append(errs, errors.New("schema registry: a password without a username"))
	}
	return errors.Join(errs...)
}

// A Schema is the registry's answer for an id. It never changes.
type Schema struct {
	Schema  *event.AvroSchema // nil: it is none that is read
	Problem string            // why
}

// A Registry answers which schema an id names. It is safe for concurrent use.
type Registry struct {
	client *sr.Client
	now    func() time.Time

	mu struct {
		sync.Mutex
		answers map[uint32]*list.Element
		recent  list.List // of answer, the last one used first
	}
}

type answer struct {
	id     uint32
	schema Schema
	until  time.Time // when an unknown id is asked for again; zero: it is known
}

// New checks the options and returns a registry. It does not ask anything yet.
func New(o Options) (*Registry, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = o.TLS
	opts := []sr.ClientOpt{
		sr.URLs(o.URLs...), sr.UserAgent("caltrop"),
		sr.HTTPClient(&http.Client{Timeout: askTimeout, Transport: bounded{transport}}),
	}
	if o.Username != "" {
		opts = append(opts, sr.BasicAuth(o.Username, o.Password))
	}
	client, err := sr.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("opening the schema registry: %w", err)
	}
	r := &Registry{client: client, now: time.Now}
	r.mu.answers = map[uint32]*list.Element{}
	return r, nil
}

// bounded cuts answers that are too large off with an error. A server that cannot
// answer is as one that cannot be reached: the next address is asked.
type bounded struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := b.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode < http.StatusMultipleChoices {
		res.Body = http.MaxBytesReader(nil, res.Body, answerBytesMax)
		return res, nil
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, errorBytesMax))
	res.Body.Close()
	if res.StatusCode >= http.StatusInternalServerError {
		return nil, fmt.Errorf("it answered %s: %s", res.Status, bytes.TrimSpace(text))
	}
	res.Body = io.NopCloser(bytes.NewReader(text))
	return res, err
}

// Schema returns the schema of an id. What was answered is remembered: known
// ids for as long as there is room, unknown ones for ten seconds.
func (r *Registry) Schema(ctx context.Context, id uint32) (Schema, error) {
	if a, ok := r.remembered(id); ok {
		if !a.until.IsZero() {
			return Schema{}, fmt.Errorf("schema %d: %w", id, ErrUnknown)
		}
		return a.schema, nil
	}
	s, err := r.ask(ctx, id)
	switch {
	case errors.Is(err, ErrUnknown):
		r.remember(answer{id: id, until: r.now().Add(unknownFor)})
	case err == nil:
		r.remember(answer{id: id, schema: s})
	}
	return s, err
}

func (r *Registry) remembered(id uint32) (answer, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.mu.answers[id]
	if e == nil {
		return answer{}, false
	}
	a := e.Value.(answer)
	if !a.until.IsZero() && !r.now().Before(a.until) {
		r.mu.recent.Remove(e)
		delete(r.mu.answers, id)
		return answer{}, false
	}
	r.mu.recent.MoveToFront(e)
	return a, true
}

func (r *Registry) remember(a answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.mu.answers[a.id]; e != nil { // two asked at the same time
		r.mu.recent.Remove(e)
	}
	r.mu.answers[a.id] = r.mu.recent.PushFront(a)
	if r.mu.recent.Len() > answersMax {
		oldest := r.mu.recent.Back()
		r.mu.recent.Remove(oldest)
		delete(r.mu.answers, oldest.Value.(answer).id)
	}
}

// ask asks the registry. What can never be read is an answer too.
func (r *Registry) ask(ctx context.Context, id uint32) (Schema, error) {
	found, err := r.client.SchemaByID(ctx, int(id))
	var large *http.MaxBytesError
	switch {
	case isUnknown(err):
		return Schema{}, fmt.Errorf("schema %d: %w", id, ErrUnknown)
	case errors.As(err, &large):
		return Schema{Problem: fmt.Sprintf("it is over %d bytes", answerBytesMax)}, nil
	case err != nil:
		return Schema{}, fmt.Errorf("asking the schema registry for schema %d: %w", id, err)
	case found.Type != sr.TypeAvro:
		return Schema{Problem: "it is " + found.Type.String() + ", not Avro"}, nil
	case !json.Valid([]byte(found.Schema)):
		return Schema{}, fmt.Errorf("asking the schema registry for schema %d: %w", id, errNoSchema)
	}
	refs, problem, err := r.references(ctx, found.References)
	if err != nil || problem != "" {
		return Schema{Problem: problem}, err
	}
	s, err := Parse(found.Schema, refs...)
	if err != nil {
		return Schema{Problem: err.Error()}, nil // of the text, so it stays
	}
	return Schema{Schema: s}, nil
}

// references returns the texts that a schema refers to, those that others refer
// to first; or why it cannot be read.
func (r *Registry) references(ctx context.Context, refs []sr.SchemaReference) (texts []string, problem string, err error) {
	seen := map[sr.SchemaReference]bool{}
	var visit func([]sr.SchemaReference) error
	visit = func(refs []sr.SchemaReference) error {
		for _, ref := range refs {
			ref.Name = "" // the same schema may be called differently
			if seen[ref] {
				continue
			}
			if seen[ref] = true; len(seen) > refsMax {
				problem = fmt.Sprintf("it refers to more than %d schemas", refsMax)
				return nil
			}
			found, err := r.client.SchemaByVersion(ctx, ref.Subject, ref.Version)
			if isUnknown(err) {
				problem = fmt.Sprintf("it refers to version %d of %s, which is not there", ref.Version, ref.Subject)
				return nil
			}
			if err != nil {
				return fmt.Errorf("asking the schema registry for version %d of %s: %w", ref.Version, ref.Subject, err)
			}
			if !json.Valid([]byte(found.Schema.Schema)) {
				return fmt.Errorf("asking the schema registry for version %d of %s: %w", ref.Version, ref.Subject, errNoSchema)
			}
			if err := visit(found.References); err != nil {
				return err
			}
			texts = append(texts, found.Schema.Schema)
		}
		return nil
	}
	err = visit(refs)
	return texts, problem, err
}

// isUnknown reports whether the registry said that it has no such schema. A
// bare 404 may come from a wrong address, so it is none.
func isUnknown(err error) bool {
	var res *sr.ResponseError
	if !errors.As(err, &res) || res.StatusCode != http.StatusNotFound {
		return false
	}
	switch res.ErrorCode {
	case sr.ErrSubjectNotFound.Code, sr.ErrVersionNotFound.Code, sr.ErrSchemaNotFound.Code:
		return true
	}
	return false
}
