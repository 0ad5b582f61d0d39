// Package view holds the record of a view: what one key's window is worth at
// one moment (language, `View`), its JSON form and its bounds. It is pure: the
// engine makes updates with it and every sink and reader shares it.
package view

import (
	"slices"
	"strconv"

	"github.com/caltrop/caltrop/cep/event"
)

// Status tells what the window is at the moment of the update.
type Status string

// The statuses of an update.
const (
	Open   Status = "open"   // it goes on: values as of its latest event
	Closed Status = "closed" // it has ended: the values are its last ones
	Empty  Status = "empty"  // the key has no window any more
)

// Known reports whether s is one of the statuses.
func (s Status) Known() bool { return s == Open || s == Closed || s == Empty }

// An Update is the window of one key of a view at one moment. Times are µs
// since the Unix epoch.
type Update struct {
	View     string
	Revision int
	Key      []event.Value
	KeyList  bool // print the key as an array
	Status   Status
	// Version orders the updates of one view and key: a greater one is newer. It
	// is At, or one more than the version before where that is greater.
	Version   int64
	At        int64
	Start     int64 // of the window; 0 when empty
	Last      int64 // of its latest event; 0 where that is not known
	End       int64 // when it ends, or empties, if no other event comes; 0 when empty
	Events    int
	Values    []Value
	Truncated bool // events left the window early, or values the update (Fit)
	Approx    bool
	To        []string // sinks, as the document has them
	// Gone: the key has nothing more to say. The topic gets a tombstone behind
	// the update. Not in the JSON.
	Gone bool
}

// A Value is a named result.
type Value struct {
	Name  string
	Value event.Value
}

// BytesMax bounds the JSON of one update.
const BytesMax = 64 << 10

// AppendJSON appends the update as one JSON object, members in the order of
// the struct, without a newline. Times that are 0 and `approximate` when false
// are left out; every other member is always there.
func (u *Update) AppendJSON(dst []byte) []byte {
	dst = event.AppendQuoted(append(dst, `{"view":`...), u.View)
	dst = strconv.AppendInt(append(dst, `,"revision":`...), int64(u.Revision), 10)
	dst = event.AppendKeyJSON(append(dst, `,"key":`...), u.Key, u.KeyList)
	dst = event.AppendQuoted(append(dst, `,"status":`...), string(u.Status))
	dst = strconv.AppendInt(append(dst, `,"version":`...), u.Version, 10)
	dst = appendTime(dst, "at", u.At)
	for _, t := range [...]struct {
		name string
		us   int64
	}{{"start", u.Start}, {"last", u.Last}, {"end", u.End}} {
		if t.us != 0 {
			dst = appendTime(dst, t.name, t.us)
		}
	}
	dst = strconv.AppendInt(append(dst, `,"events":`...), int64(u.Events), 10)
	dst = append(dst, `,"values":{`...)
	for i, v := range u.Values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(event.AppendQuoted(dst, v.Name), ':')
		dst = v.Value.AppendJSON(dst)
	}
	dst = strconv.AppendBool(append(dst, `},"truncated":`...), u.Truncated)
	if u.Approx {
		dst = append(dst, `,"approximate":true`...)
	}
	dst = append(dst, `,"to":[`...)
	for i, to := range u.To {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = event.AppendQuoted(dst, to)
	}
	return append(dst, `]}`...)
}

func appendTime(dst []byte, name string, us int64) []byte {
	dst = append(append(append(dst, ',', '"'), name...), '"', ':', '"')
	return append(event.AppendTime(dst, us), '"')
}

// KeyText returns the key as records and sinks use it: the scalar's text, or
// the JSON array of a composite key.
func (u *Update) KeyText() string { return event.KeyText(u.Key, u.KeyList) }

// RecordKey is the key of the update's record in the views topic: the view's
// name, a slash, KeyText. Names hold no slash.
func (u *Update) RecordKey() []byte { return []byte(u.View + "/" + u.KeyText()) }

// Fit leaves out the longest values, the first of equals, until the JSON has at
// most bytesMax bytes, and says truncated where one had to go. The key is never
// touched: an update made of that alone may stay larger.
func (u *Update) Fit(bytesMax int) {
	for len(u.Values) > 0 && len(u.AppendJSON(nil)) > bytesMax {
		longest, size := 0, -1
		for i, v := range u.Values {
			if n := len(v.Value.AppendJSON(nil)) + len(v.Name); n > size {
				longest, size = i, n
			}
		}
		u.Values = slices.Delete(slices.Clone(u.Values), longest, longest+1)
		u.Truncated = true
	}
}
