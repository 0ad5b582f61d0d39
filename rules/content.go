package rules

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/cep/syntax"
	"github.com/zeebo/xxh3"
)

// Bounds of a list from a topic. A topic with more keeps the list at its last
// version within them.
const (
	TopicEntriesMax = 1_000_000
	TopicBytesMax   = 256 << 20 // of keys and values
	// contentSlack is how far over the bounds a topic is read, so that it can come
	// back within them.
	contentSlack = 2
)

// A content is what the records of a list's topic make up to an offset: a
// function of the last record of each key, so that compaction does not change
// it. One goroutine owns it.
type content struct {
	decl     *expr.ListDecl
	most     int               // entries
	next     int64             // offset behind the last record applied
	entries  map[string]member // by the record's key
	bytes    int64
	sum      uint64 // of the members' hashes
	skipped  uint64 // records that are no entry
	lastSkip string // why the last of them is none; "" before
}

// A member is one entry.
type member struct {
	value      event.Value
	attributes []event.Value
	hash       uint64
	bytes      int64
}

func newContent(decl *expr.ListDecl, most int) *content {
	return &content{decl: decl, most: most, entries: map[string]member{}}
}

// apply takes one record. One that is no entry takes its key out of the list, as
// a tombstone does: what it replaces may be compacted away any time.
func (c *content) apply(e Entry) error {
	c.next = e.Offset + 1
	if was, ok := c.entries[e.Key]; ok {
		delete(c.entries, e.Key)
		c.sum, c.bytes = c.sum-was.hash, c.bytes-was.bytes
	}
	if e.Value == nil {
		return nil
	}
	m, err := c.member(e)
	if err != nil {
		c.skipped++
		c.lastSkip = fmt.Sprintf("the record at offset %d is no entry: %s", e.Offset, err)
		return nil
	}
	c.entries[e.Key] = m
	c.sum, c.bytes = c.sum+m.hash, c.bytes+m.bytes
	return c.over(contentSlack)
}

// over returns an error when the content is over so many times its bounds.
func (c *content) over(times int) error {
	if len(c.entries) > times*c.most || c.bytes > int64(times)*TopicBytesMax {
		return fmt.Errorf("the topic holds %d entries of %d bytes, the limits are %d and %d", len(c.entries), c.bytes, c.most, TopicBytesMax)
	}
	return nil
}

func (c *content) member(e Entry) (m member, err error) {
	if e.Key == "" {
		return m, errors.New("it has no key")
	}
	entry := &syntax.ListEntry{Value: e.Key}
	value := e.Value
	if len(c.decl.Attributes) == 0 {
		value = nil // it is not read
	} else if entry.Attributes, err = attributesIn(value, c.decl); err != nil {
		return m, err
	}
	if m.value, m.attributes, err = prog.EntryOf(entry, c.decl); err != nil {
		return m, err
	}
	if c.decl.Key == event.Int && strconv.FormatInt(m.value.Int(), 10) != e.Key {
		return m, fmt.Errorf("its key is not as %d is written", m.value.Int())
	}
	m.bytes = int64(len(e.Key) + len(value))
	m.hash = xxh3.HashString(strconv.Itoa(len(e.Key)) + " " + e.Key + string(value))
	return m, nil
}

// attributesIn reads the declared attributes of a JSON object, as a document
// holds them; others are passed over.
func attributesIn(text []byte, decl *expr.ListDecl) (map[string]any, error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil || raw == nil {
		return nil, errors.New("its value is no JSON object")
	}
	attributes := map[string]any{}
	for i := range decl.Attributes {
		name := decl.Attributes[i].Name
		if raw[name] == nil || string(raw[name]) == "null" {
			continue
		}
		v, ok := attributeIn(raw[name])
		if !ok {
			return nil, fmt.Errorf("attribute %s is of no type that a list can have", name)
		}
		attributes[name] = v
	}
	return attributes, nil
}

// attributeIn reads a string, int64, float64, bool or []string.
func attributeIn(text json.RawMessage) (any, bool) {
	var v any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, false
	}
	switch x := v.(type) {
	case string, bool:
		return x, true
	case json.Number:
		if n, err := x.Int64(); err == nil {
			return n, true
		}
		f, err := x.Float64()
		return f, err == nil
	case []any:
		list := make([]string, len(x))
		for i := range x {
			s, ok := x[i].(string)
			if !ok {
				return nil, false
			}
			list[i] = s
		}
		return list, true
	}
	return nil, false
}

// version names what the content is: where the topic was, and a sum of the
// entries that tells whether it is had again.
func (c *content) version() string { return fmt.Sprintf("%d-%016x", c.next, c.sum) }

// table makes the table of the content, whose version is the offset.
func (c *content) table() *expr.Table {
	t := expr.NewTable(c.decl, int(c.next))
	for _, m := range c.entries {
		t.Put(m.value, m.attributes)
	}
	return t
}
