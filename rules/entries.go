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

// entryAttemptsMax bounds how often a change of one entry starts again because
// the list changed meanwhile.
const entryAttemptsMax = 16

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
	i := entryAt(doc, value)
	if i < 0 {
		return nil, nil, fmt.Errorf("entry %q of list %s: %w", value, list, ErrNotFound)
	}
	return &ListEntry{Value: value, Attributes: doc.Entries[i].Attributes}, d.Revision, nil
}

// PutEntry adds an entry to a live list, or replaces it: the list's next
// revision, whose text is written anew as JSON. created tells whether it was
// not there. Errors as of Put, and ErrNotFound for the list.
func (r *Registry) PutEntry(ctx context.Context, list string, e ListEntry, c Condition) (rev *Revision, created bool, err error) {
	rev, err = r.edit(ctx, list, c, func(d *syntax.List) error {
		i := entryAt(d, e.Value)
		if created = i < 0; created {
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
		if i < 0 {
			return fmt.Errorf("entry %q of list %s: %w", value, list, ErrNotFound)
		}
		d.Entries = slices.Delete(d.Entries, i, i+1)
		return nil
	})
	return err
}

// edit stores a change of a live list. Where the list changed meanwhile, and
// the writer asked for no revision, it is made again on the newer one.
func (r *Registry) edit(ctx context.Context, list string, c Condition, change func(*syntax.List) error) (*Revision, error) {
	for range entryAttemptsMax {
		d, err := r.Get(KindList, list)
		if err != nil {
			return nil, err
		}
		if c.Revision > 0 && c.Revision != d.Revision.Ref.Revision {
			return nil, fmt.Errorf("list %s is at revision %d, not %d: %w", list, d.Revision.Ref.Revision, c.Revision, ErrStale)
		}
		doc, err := listIn(d.Revision)
		if err != nil {
			return nil, err
		}
		if err := change(doc); err != nil {
			return nil, err
		}
		rev, _, err := r.Put(ctx, Change{Kind: KindList, Name: list, Text: listText(doc), If: Condition{Revision: d.Revision.Ref.Revision}})
		if !errors.Is(err, ErrStale) || c.Revision > 0 {
			return rev, err
		}
	}
	return nil, ErrBusy
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

// ReadAttributes reads an entry's attributes from a JSON object.
func ReadAttributes(text []byte) (map[string]any, error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, fmt.Errorf("the body is the entry's attributes, a JSON object: %w", err)
	}
	if len(raw) == 0 {
		return nil, nil
	}
	attributes := make(map[string]any, len(raw))
	for name, value := range raw {
		attributes[name] = value
	}
	return attributes, nil
}
