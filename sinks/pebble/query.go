package pebble

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	db "github.com/cockroachdb/pebble/v2"

	"github.com/caltrop/caltrop/sinks/alert"
)

// The first byte of a key is the table.
const (
	tableID   = 'i' // id -> value
	tableRule = 'r' // rule, place -> status
	tableKey  = 'k' // key, place -> status
)

// scanMax bounds the index entries that one page looks at; the page then ends
// early and says how to go on.
const scanMax = 10_000

func idKey(id alert.ID) []byte { return append([]byte{tableID}, id[:]...) }

func rulePrefix(rule string) []byte { return prefix(tableRule, rule) }

func keyPrefix(key string) []byte { return prefix(tableKey, key) }

// prefix puts the length before the name: no name is the beginning of another.
func prefix(table byte, name string) []byte {
	return append(binary.AppendUvarint([]byte{table}, uint64(len(name))), name...)
}

const signBit = 1 << 63

// position is the index key of an alert: newest first, then by id.
func position(prefix []byte, at int64, id alert.ID) []byte {
	b := binary.BigEndian.AppendUint64(slices.Clip(prefix), ^(uint64(at) ^ signBit))
	return append(b, id[:]...)
}

func positionOf(indexKey []byte) alert.Position {
	b := indexKey[len(indexKey)-8-len(alert.ID{}):]
	return alert.Position{At: int64(^binary.BigEndian.Uint64(b) ^ signBit), ID: alert.ID(b[8:])}
}

// Alerts answers a query. It reads one index per rule, or the key's, merged.
func (h *History) Alerts(ctx context.Context, q alert.Query) (alert.Page, error) {
	after, given, err := q.Start()
	if err != nil {
		return alert.Page{}, err
	}
	snap := h.db.NewSnapshot()
	defer snap.Close()
	s := scan{q: q, snap: snap}
	defer s.close()
	prefixes := [][]byte{keyPrefix(q.Key)}
	if q.Key == "" {
		prefixes = nil
		for _, rule := range q.Rules {
			prefixes = append(prefixes, rulePrefix(rule))
		}
	}
	for _, p := range prefixes {
		if err := s.open(ctx, p, after, given); err != nil {
			return alert.Page{}, fmt.Errorf("listing alerts: %w", err)
		}
	}
	page, err := s.page()
	if err != nil {
		return alert.Page{}, fmt.Errorf("listing alerts: %w", err)
	}
	return page, nil
}

// A scan merges index iterators, each at its next entry, exhausted ones gone.
type scan struct {
	q     alert.Query
	snap  *db.Snapshot
	iters []*db.Iterator
}

// open adds the part of an index that the query asks for.
func (s *scan) open(ctx context.Context, prefix []byte, after alert.Position, given bool) error {
	lower := position(prefix, s.q.To-1, alert.ID{})
	if given && after.At < s.q.To {
		lower = append(position(prefix, after.At, after.ID), 0)
	}
	upper := position(prefix, s.q.From-1, alert.ID{})
	it, err := s.snap.NewIterWithContext(ctx, &db.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return err
	}
	return s.keep(it, it.First())
}

// keep adds an iterator that stands at an entry, and closes one at its end.
func (s *scan) keep(it *db.Iterator, valid bool) error {
	if valid {
		s.iters = append(s.iters, it)
		return nil
	}
	return it.Close()
}

// page collects up to the limit and looks at one entry more, to know whether
// there is a next page.
func (s *scan) page() (alert.Page, error) {
	var page alert.Page
	var last alert.Position
	for scanned := 0; len(s.iters) > 0; scanned++ {
		if len(page.Alerts) == s.q.Limit || scanned == scanMax {
			page.Next = last.Cursor()
			return page, nil
		}
		i := s.first()
		last = positionOf(s.iters[i].Key())
		body, err := s.body(last.ID, string(s.iters[i].Value()))
		if err != nil {
			return alert.Page{}, err
		}
		if body != nil {
			page.Alerts = append(page.Alerts, body)
		}
		it := s.iters[i]
		s.iters = slices.Delete(s.iters, i, i+1)
		if err := s.keep(it, it.Next()); err != nil {
			return alert.Page{}, err
		}
	}
	return page, nil
}

// first returns the iterator whose entry comes first.
func (s *scan) first() int {
	best := 0
	for i := range s.iters {
		if positionOf(s.iters[i].Key()).Before(positionOf(s.iters[best].Key())) {
			best = i
		}
	}
	return best
}

// body returns the alert's JSON, or nil if the query does not want it.
func (s *scan) body(id alert.ID, status string) ([]byte, error) {
	if s.q.Status != "" && status != string(s.q.Status) {
		return nil, nil
	}
	value, closer, err := s.snap.Get(idKey(id))
	if err != nil {
		return nil, fmt.Errorf("reading alert %s: %w", id, err)
	}
	defer closer.Close()
	v, err := decode(value)
	if err != nil {
		return nil, fmt.Errorf("reading alert %s: %w", id, err)
	}
	if len(s.q.Rules) > 0 && !slices.Contains(s.q.Rules, v.rule) {
		return nil, nil
	}
	return slices.Clone(v.json), nil
}

func (s *scan) close() {
	for _, it := range s.iters {
		it.Close() // what it read was checked by First and Next
	}
}
