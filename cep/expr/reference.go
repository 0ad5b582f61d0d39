package expr

import (
	"slices"

	"github.com/caltrop/caltrop/cep/event"
)

// A ListDecl is what the compiler knows of a list: the type of its values and
// the attributes that lookup reads. Its name is the document's.
type ListDecl struct {
	Name       string
	Key        event.Type    // String or Int
	Attributes []event.Field // by position in a Table's entries
}

// Lists are the lists that in_list and lookup may name, by document name.
type Lists map[string]*ListDecl

// A Table is one version of a list. It is built once, then immutable and safe
// for concurrent use.
type Table struct {
	Decl    *ListDecl
	Version int
	entries map[event.Value][]event.Value
}

// NewTable returns the empty version of a list.
func NewTable(decl *ListDecl, version int) *Table {
	return &Table{Decl: decl, Version: version, entries: make(map[event.Value][]event.Value)}
}

// Put adds an entry. key is of the list's type; attributes are by position in
// Decl.Attributes, absent ones the zero Value, and may be nil.
func (t *Table) Put(key event.Value, attributes []event.Value) { t.entries[key] = attributes }

// Len returns the number of entries.
func (t *Table) Len() int { return len(t.entries) }

// Has reports whether the list holds a value.
func (t *Table) Has(key event.Value) bool {
	_, ok := t.entries[key]
	return ok
}

// Attribute returns an attribute of an entry; false when the list lacks the
// value or the value lacks the attribute.
func (t *Table) Attribute(key event.Value, pos int) (event.Value, bool) {
	entry := t.entries[key]
	if pos >= len(entry) {
		return event.Value{}, false
	}
	return entry[pos], entry[pos].Present()
}

// Facts are what an evaluation reads besides events: the lists as they were
// when the current event was accepted, and the profiles of the current key. A
// list or profile that is not there makes what reads it an error.
type Facts struct {
	Lists    map[string]*Table
	Profiles History // nil where none is read
}

func (f *Frame) table(name string) *Table {
	if f.Facts == nil {
		return nil
	}
	return f.Facts.Lists[name]
}

// Outside gathers what the expressions of one rule read: besides events, and of
// which fields of them.
type Outside struct {
	Lists    []string // names of lists, sorted
	Profiles []string // names of profiles, in the order in which they were first read
	Fields   []FieldOf
}

// A FieldOf is a field of a stream's events. Stream "" stands for any of the
// rule's, as `prev` may be of each.
type FieldOf struct{ Stream, Field string }

func (o *Outside) readsField(stream, field string) {
	if f := (FieldOf{stream, field}); o != nil && !slices.Contains(o.Fields, f) {
		o.Fields = append(o.Fields, f)
	}
}

// None reports whether nothing is read besides events.
func (o *Outside) None() bool { return len(o.Lists)+len(o.Profiles) == 0 }

func (o *Outside) readsList(name string) {
	if o == nil {
		return
	}
	if i, ok := slices.BinarySearch(o.Lists, name); !ok {
		o.Lists = slices.Insert(o.Lists, i, name)
	}
}
