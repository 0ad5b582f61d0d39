package cassandra

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/caltrop/caltrop/sinks/alert"
)

// The bounds of one page.
const (
	partitionsMax = 1000   // partitions read; the page then ends early
	scanMax       = 10_000 // rows looked at in one partition; likewise
	readsMax      = 16     // requests under way at once
)

// An entry is an alert's place in a table.
type entry struct {
	alert.Position
	name string // of the partition
}

// Alerts answers a query bucket by bucket, newest first.
func (h *History) Alerts(ctx context.Context, q alert.Query) (alert.Page, error) {
	after, given, err := q.Start()
	if err != nil {
		return alert.Page{}, err
	}
	if !given {
		after = alert.Position{At: q.To, ID: lastID}
	}
	s, err := h.connect(ctx)
	if err != nil {
		return alert.Page{}, err
	}
	l := listing{s: s, q: q, table: byRule, names: q.Rules}
	if q.Key != "" {
		l.table, l.names = byKey, []string{nameOf(q.Key)}
	}
	entries, next, err := l.page(ctx, after)
	if err != nil {
		return alert.Page{}, fmt.Errorf("listing alerts: %w", err)
	}
	page := alert.Page{Next: next}
	if page.Alerts, err = h.bodies(ctx, s, l.table, entries); err != nil {
		return alert.Page{}, fmt.Errorf("listing alerts: %w", err)
	}
	return page, nil
}

var lastID = func() (id alert.ID) {
	for i := range id {
		id[i] = 0xff
	}
	return id
}()

// bodies reads the alerts of a page.
func (h *History) bodies(ctx context.Context, s session, t table, entries []entry) ([][]byte, error) {
	all := make([][]byte, len(entries))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readsMax)
	for i, e := range entries {
		g.Go(func() (err error) {
			all[i], err = h.body(ctx, s, t, e.name, e.Position)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	// A row can outlive its listing only where the TTL ran out in between.
	return slices.DeleteFunc(all, func(b []byte) bool { return b == nil }), nil
}

// A listing walks the buckets of a table for a query.
type listing struct {
	s     session
	q     alert.Query
	table table
	names []string
}

// page returns the entries after a position, up to the query's limit, and the
// cursor of what follows.
func (l *listing) page(ctx context.Context, after alert.Position) ([]entry, string, error) {
	var found []entry
	read := 0
	for b := l.table.bucket(min(after.At, l.q.To-1)); b >= l.table.bucket(l.q.From); b-- {
		if read += len(l.names); read > partitionsMax && read > len(l.names) {
			return found, alert.Position{At: (b + 1) * l.table.width, ID: lastID}.Cursor(), nil
		}
		entries, horizon, err := l.bucket(ctx, b, after)
		if err != nil {
			return nil, "", err
		}
		found = append(found, entries...)
		if len(found) >= l.q.Limit {
			found = found[:l.q.Limit]
			return found, found[len(found)-1].Cursor(), nil
		}
		if horizon != nil {
			return found, horizon.Cursor(), nil
		}
	}
	return found, "", nil
}

// bucket merges one bucket of all names. The horizon, if any, is the place up
// to which it is complete.
func (l *listing) bucket(ctx context.Context, b int64, after alert.Position) ([]entry, *alert.Position, error) {
	parts := make([]partition, len(l.names))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readsMax)
	for i, name := range l.names {
		g.Go(func() error {
			return attempt(ctx, func() (err error) {
				parts[i], err = l.partition(ctx, name, b, after)
				return err
			})
		})
	}
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	var all []entry
	var horizon *alert.Position
	for _, p := range parts {
		all = append(all, p.entries...)
		if p.cut && (horizon == nil || p.last.Before(*horizon)) {
			horizon = &p.last
		}
	}
	slices.SortFunc(all, func(x, y entry) int {
		if x.Before(y.Position) {
			return -1
		}
		return 1
	})
	if horizon != nil {
		all = slices.DeleteFunc(all, func(e entry) bool { return horizon.Before(e.Position) })
	}
	return all, horizon, nil
}

// A partition is what one partition has for a page.
type partition struct {
	entries []entry
	last    alert.Position // the last row looked at
	cut     bool           // scanMax was reached: more may follow
}

func (l *listing) partition(ctx context.Context, name string, b int64, after alert.Position) (partition, error) {
	var p partition
	scanned := 0
	values := []any{name, b, min(after.At, l.q.To-1), l.q.From}
	err := l.s.rows(ctx, l.table.list(), values, func(scan func(...any) error) (bool, error) {
		var at int64
		var id []byte
		var status, rule string
		if err := scan(&at, &id, &status, &rule); err != nil {
			return false, err
		}
		if len(id) != len(alert.ID{}) {
			return false, fmt.Errorf("an id of %d bytes in %s", len(id), l.table.name)
		}
		scanned++
		p.last = alert.Position{At: at, ID: alert.ID(id)}
		if after.Before(p.last) && l.wants(status, rule) {
			p.entries = append(p.entries, entry{p.last, name})
		}
		p.cut = scanned == scanMax
		return len(p.entries) < l.q.Limit && !p.cut, nil
	})
	return p, err
}

func (l *listing) wants(status, rule string) bool {
	return (l.q.Status == "" || string(l.q.Status) == status) && (len(l.q.Rules) == 0 || slices.Contains(l.q.Rules, rule))
}
