package rules

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/caltrop/caltrop/cep/syntax"
)

// A ListEntry is one entry of a list, as it is written and read one by one.
type ListEntry struct {
	Value      string
	Attributes map[string]any // as a document holds them; nil when it has none
}

// Entry returns one entry of a live list with the list's revision; ErrNotFound
// when there is none.
func (r *Registry) Entry(list, value string) (*ListEntry, *Revision, error) {
	d, err := r.Get(KindList, list)
	if err != nil {
		return nil, nil, err
	}
	doc, err := listIn(d.Revision)
	if err != nil {
		return nil, nil, err
	}
	if doc.Topic != "" {
		e, err := r.topicEntry(list, value)
		return e, d.Revision, err
	}
	i := entryAt(doc, value)
	if i < 0 {
		return nil, nil, fmt.Errorf("entry %q of list %s: %w", value, list, ErrNotFound)
	}
	return &ListEntry{Value: value, Attributes: doc.Entries[i].Attributes}, d.Revision, nil
}

// PutEntry adds an entry to a live list, or replaces it: the list's next
// revision, whose text is written anew as JSON. A revision in the condition is
// the list's, the rest is about the entry. created tells whether it was not
// there. Errors as of Put, and ErrNotFound for the list.
func (r *Registry) PutEntry(ctx context.Context, list string, e ListEntry, c Condition) (rev *Revision, created bool, err error) {
	rev, err = r.edit(ctx, list, c, func(d *syntax.List) error {
		i := entryAt(d, e.Value)
		created = i < 0
		switch {
		case c.Absent && !created:
			return fmt.Errorf("entry %q of list %s exists: %w", e.Value, list, ErrStale)
		case c.Present && created:
			return fmt.Errorf("entry %q of list %s does not exist: %w", e.Value, list, ErrStale)
		case created:
			d.Entries = append(d.Entries, syntax.ListEntry{Value: e.Value})
			i = len(d.Entries) - 1
		}
		d.Entries[i].Attributes = e.Attributes
		return nil
	})
	return rev, created, err
}

// DeleteEntry takes an entry out of a live list: the list's next revision.
// Errors as of PutEntry, and ErrNotFound for the entry.
func (r *Registry) DeleteEntry(ctx context.Context, list, value string, c Condition) error {
	_, err := r.edit(ctx, list, c, func(d *syntax.List) error {
		i := entryAt(d, value)
		switch {
		case i < 0:
			return fmt.Errorf("entry %q of list %s: %w", value, list, ErrNotFound)
		case c.Absent:
			return fmt.Errorf("entry %q of list %s exists: %w", value, list, ErrStale)
		}
		d.Entries = slices.Delete(d.Entries, i, i+1)
		return nil
	})
	return err
}

// edit stores a change of a live list, made on the list as it is when the
// change is written.
func (r *Registry) edit(ctx context.Context, list string, c Condition, change func(*syntax.List) error) (rev *Revision, err error) {
	err = r.commit(ctx, func(s *state) (records []Record, err error) {
		if !s.live() {
			return nil, fmt.Errorf("list %s: %w", list, ErrNotFound)
		}
		written := Change{Kind: KindList, Name: list, If: Condition{Revision: c.Revision}}
		if err := s.holds(written); err != nil {
			return nil, err
		}
		doc, err := listIn(r.revisionOf(KindList, list, s.head.Revision))
		if err != nil {
			return nil, err
		}
		if doc.Topic != "" {
			return nil, invalid(syntax.Problem{Pointer: "/topic", Detail: fmt.Sprintf("list %s is read from topic %s", list, doc.Topic),
				Hint: "write a record to the topic: the value as its key, the attributes as JSON, nothing to delete it"})
		}
		if err := change(doc); err != nil {
			return nil, err
		}
		written.Text = listText(doc)
		rev, records, err = r.revise(s, written)
		return records, err
	}, KindList, list)
	if err != nil {
		return nil, err
	}
	return rev, nil
}

func listIn(rev *Revision) (*syntax.List, error) {
	doc, problems := single[*syntax.List](rev)
	if doc == nil {
		return nil, fmt.Errorf("reading %s: %s", rev.Ref, problems[0].Detail)
	}
	return doc, nil
}

func entryAt(d *syntax.List, value string) int {
	return slices.IndexFunc(d.Entries, func(e syntax.ListEntry) bool { return e.Value == value })
}

// listText writes a list as a JSON document, its entries in their order.
func listText(d *syntax.List) []byte {
	b := []byte(`{"apiVersion": "caltrop/v1", "kind": "List", "name": ` + string(encode(d.Name)) + `, "key": ` + string(encode(d.Key)))
	if d.Title != "" {
		b = append(append(b, `, "title": `...), encode(d.Title)...)
	}
	if d.Owner != "" {
		b = append(append(b, `, "owner": `...), encode(d.Owner)...)
	}
	if len(d.Tags) > 0 {
		b = append(append(b, `, "tags": `...), encode(d.Tags)...)
	}
	if len(d.Attributes) > 0 {
		b = append(b, `, "attributes": {`...)
		for i, a := range d.Attributes {
			b = appendMember(b, i, a.Name, encode(writtenType(&a)))
		}
		b = append(b, '}')
	}
	return append(appendEntries(append(b, ",\n\"entries\": "...), d), "}\n"...)
}

func writtenType(a *syntax.FieldDecl) string {
	if a.Type == "decimal" {
		return "decimal(" + strconv.Itoa(int(a.Scale)) + ")"
	}
	return a.Type
}

func appendEntries(b []byte, d *syntax.List) []byte {
	if len(d.Attributes) == 0 && !slices.ContainsFunc(d.Entries, func(e syntax.ListEntry) bool { return e.Attributes != nil }) {
		b = append(b, '[')
		for i, e := range d.Entries {
			text := encode(e.Value)
			if d.Key == "int" {
				text = []byte(e.Value)
			}
			b = append(append(b, comma(i)...), text...)
		}
		return append(b, ']')
	}
	b = append(b, '{')
	for i, e := range d.Entries {
		attributes := e.Attributes
		if attributes == nil {
			attributes = map[string]any{}
		}
		b = appendMember(b, i, e.Value, encode(attributes))
	}
	return append(b, '}')
}

func appendMember(b []byte, i int, name string, value []byte) []byte {
	b = append(append(b, comma(i)...), encode(name)...)
	return append(append(b, ": "...), value...)
}

// comma separates items, each on a line of its own, so that a problem's line
// tells the entry.
func comma(i int) string {
	if i == 0 {
		return "\n"
	}
	return ",\n"
}

// ReadAttributes reads an entry's attributes from a JSON object; nil when it is
// empty.
func ReadAttributes(text []byte) (map[string]any, error) {
	var raw map[string]json.RawMessage
	var shape *json.UnmarshalTypeError
	switch err := json.Unmarshal(text, &raw); {
	case errors.As(err, &shape):
		return nil, fmt.Errorf("the body is no JSON object of the entry's attributes but JSON of type %s", shape.Value)
	case err != nil:
		return nil, fmt.Errorf("the body is no JSON object of the entry's attributes: %w", err)
	case raw == nil:
		return nil, errors.New("the body is no JSON object of the entry's attributes but null")
	case len(raw) == 0:
		return nil, nil
	}
	attributes := make(map[string]any, len(raw))
	for name, value := range raw {
		attributes[name] = value
	}
	return attributes, nil
}
