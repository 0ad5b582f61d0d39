package rules

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/cep/syntax"
	"github.com/caltrop/caltrop/engine/task"
)

// ErrListGone says that a version of a list from a topic cannot be had again:
// the topic was compacted, or written anew, since a task journaled it.
var ErrListGone = errors.New("a version of a list is gone")

const (
	tablesMax     = 64        // versions of lists from topics that stay in memory
	tableSizesMax = 2_000_000 // entries of all of them; the newest stays always
	pastsMax      = 4         // lists whose old versions are read at a time
	recallMost    = 20 * time.Second
)

// A keptTable is one version of a list from a topic.
type keptTable struct {
	feed    feedKey
	content string
	table   *expr.Table
}

// tables are versions that tasks may ask for, oldest first.
type tables []keptTable

func (t *tables) keep(key feedKey, content string, table *expr.Table) {
	*t = append(*t, keptTable{key, content, table})
	entries := 0
	for i := len(*t) - 1; i >= 0; i-- {
		entries += (*t)[i].table.Len()
		if i < len(*t)-1 && (entries > tableSizesMax || len(*t)-i > tablesMax) {
			*t = slices.Delete(*t, 0, i+1)
			return
		}
	}
}

func (t tables) find(key feedKey, content string) *expr.Table {
	i := slices.IndexFunc(t, func(k keptTable) bool { return k.feed == key && k.content == content })
	if i < 0 {
		return nil
	}
	return t[i].table
}

// pasts are contents as they were, which go forward from version to version as a
// replay asks for them. The oldest leaves.
type pasts []past

type past struct {
	feed    feedKey
	content *content
}

// take takes out the content of a list that can go forward to an offset; nil
// when there is none.
func (p *pasts) take(key feedKey, to int64) *content {
	i := slices.IndexFunc(*p, func(x past) bool { return x.feed == key })
	if i < 0 {
		return nil
	}
	c := (*p)[i].content
	*p = slices.Delete(*p, i, i+1)
	if c.next > to {
		return nil
	}
	return c
}

func (p *pasts) put(key feedKey, c *content) {
	*p = append(*p, past{key, c})
	if len(*p) > pastsMax {
		*p = slices.Delete(*p, 0, 1)
	}
}

// recall gives the set's lists from topics the versions that refs name. Those
// that are not in memory are read from the topic again, which takes recallMost
// at the longest. An error that matches ErrListGone is final.
func (r *Registry) recall(set *Set, refs []task.Ref) error {
	for _, ref := range refs {
		if ref.Content == "" {
			continue
		}
		i := slices.IndexFunc(set.Lists, func(l *List) bool { return l.Doc.Name == ref.Name })
		if i < 0 {
			return fmt.Errorf("list %s is not in the set", ref.Name)
		}
		table, err := r.tableAt(set.Lists[i], ref.Content)
		if err != nil {
			return fmt.Errorf("reading version %s of list %s: %w", ref.Content, ref.Name, err)
		}
		set.Lists[i] = set.Lists[i].with(table, ref.Content)
	}
	return nil
}

func (r *Registry) tableAt(l *List, content string) (*expr.Table, error) {
	key := feedOf(l)
	if t := r.keptTable(key, content); t != nil {
		return t, nil
	}
	if r.opts.Lists == nil {
		return nil, errors.New("this process reads no topics of lists")
	}
	p := <-r.past // one reads at a time, the others find what it read
	defer func() { r.past <- p }()
	if t := r.keptTable(key, content); t != nil {
		return t, nil
	}
	var to int64
	if _, err := fmt.Sscanf(content, "%d-", &to); err != nil {
		return nil, fmt.Errorf("%q names no version: %w", content, err)
	}
	c := p.take(key, to)
	if c == nil {
		c = newContent(l.Decl, r.opts.ListEntriesMax)
	}
	ctx, cancel := context.WithTimeout(context.Background(), recallMost)
	defer cancel()
	if err := r.opts.Lists.Read(ctx, key.topic, c.next, to, c.apply); err != nil {
		return nil, err
	}
	c.next = to // what a version ends with may be compacted away
	if c.version() != content {
		return nil, fmt.Errorf("%w: topic %s makes %s of it now: it was compacted or written anew; its min.compaction.lag.ms must be longer than the job stands still", ErrListGone, key.topic, c.version())
	}
	table := c.table()
	p.put(key, c)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.tables.keep(key, content, table)
	return table, nil
}

func (r *Registry) keptTable(key feedKey, content string) *expr.Table {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.tables.find(key, content)
}

// topicEntry returns one entry of a live list from a topic.
func (r *Registry) topicEntry(list, value string) (*ListEntry, error) {
	missing := fmt.Errorf("entry %q of list %s: %w", value, list, ErrNotFound)
	l := r.Current().List(list)
	if l == nil || l.Table == nil {
		return nil, missing
	}
	key, _, err := prog.EntryOf(&syntax.ListEntry{Value: value}, l.Decl)
	if err != nil || !l.Table.Has(key) {
		return nil, missing
	}
	e := &ListEntry{Value: value}
	for i := range l.Decl.Attributes {
		if v, ok := l.Table.Attribute(key, i); ok {
			if e.Attributes == nil {
				e.Attributes = map[string]any{}
			}
			e.Attributes[l.Decl.Attributes[i].Name] = attributeValue(v, &l.Decl.Attributes[i])
		}
	}
	return e, nil
}

func attributeValue(v event.Value, f *event.Field) any {
	switch f.Type {
	case event.Int:
		return v.Int()
	case event.Double, event.Decimal:
		return v.Double()
	case event.Bool:
		return v.Bool()
	case event.Timestamp:
		return time.UnixMicro(v.Int()).UTC().Format(time.RFC3339Nano)
	case event.StringList:
		return v.List()
	}
	return v.Str()
}
