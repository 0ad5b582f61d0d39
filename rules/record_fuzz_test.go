package rules

import (
	"bytes"
	"testing"
	"time"
)

// FuzzRecords: any record of the rules log is refused, or is written back as
// one that means the same.
func FuzzRecords(f *testing.F) {
	h := head{Next: 3, Revision: 2, State: Live, Time: 5}
	rev := Revision{Ref: Ref{Kind: KindRule, Name: "a", Revision: 2}, Text: "kind: Rule", Time: time.UnixMicro(5)}
	for _, r := range []Record{h.record(KindRule, "a"), rev.record()} {
		f.Add(r.Key, r.Value)
	}
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		kind, name, revision, err := parseKey(key)
		if err != nil {
			return
		}
		if revision == 0 {
			if h, err := decodeHead(value); err == nil {
				once := h.record(kind, name)
				again, err := decodeHead(once.Value)
				if err != nil || *again != *h || once.Key != key {
					t.Fatalf("%q %q became %q %q: %v", key, value, once.Key, once.Value, err)
				}
			}
			return
		}
		rev, err := decodeRevision(Ref{Kind: kind, Name: name, Revision: revision}, value)
		if err != nil {
			return
		}
		once := rev.record()
		again, err := decodeRevision(rev.Ref, once.Value)
		if err != nil || !bytes.Equal(again.record().Value, once.Value) {
			t.Fatalf("%q %q became %q: %v", key, value, once.Value, err)
		}
	})
}
