package cassandra

import (
	"context"
	"fmt"
	"time"

	"github.com/caltrop/caltrop/sinks"
	"github.com/caltrop/caltrop/sinks/view"
)

var _ sinks.ViewWriter = (*History)(nil)

// The table of windows: a partition is a day of one view and key, newest window
// first. Of a rolling view every update is a window.
const (
	insertWindow = `INSERT INTO view_windows (view_name, key, day, start, at, until, status, events, version, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ? AND TTL ?`
	selectWindow = `SELECT body FROM view_windows WHERE view_name = ? AND key = ? AND day = ? AND start = ?`
)

// windows gives days their numbers.
var windows = table{width: 24 * time.Hour.Microseconds()}

// WriteViews implements sinks.ViewWriter: one row a window, whose write time is
// the update's version. That a key is empty is no window, and not stored.
func (h *History) WriteViews(ctx context.Context, updates []sinks.ViewRecord) error {
	return h.each(ctx, len(updates), func(s session, i int) error { return h.putWindow(ctx, s, &updates[i]) })
}

func (h *History) putWindow(ctx context.Context, s session, r *sinks.ViewRecord) error {
	if r.Status == view.Empty {
		return nil
	}
	if len(r.JSON)+len(r.Key) > rowBytesMax {
		return fmt.Errorf("writing a window of view %s of %d bytes, at most %d: %w", r.View, len(r.JSON), rowBytesMax, errTooLarge)
	}
	values := []any{r.View, nameOf(r.Key), windows.bucket(r.Start), r.Start, r.At, r.End, string(r.Status), int64(r.Events), r.Version, string(r.JSON),
		r.Version, int(h.o.TTL / time.Second)}
	if err := h.attempt(ctx, func() error { return s.exec(ctx, insertWindow, values...) }); err != nil {
		return fmt.Errorf("writing a window of view %s: %w", r.View, err)
	}
	return nil
}

// Window returns the newest update of the window of a view and key that begins
// at start (µs), as JSON; nil where there is none.
func (h *History) Window(ctx context.Context, name, key string, start int64) (body []byte, err error) {
	s, err := h.connect(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := one(ctx, s, selectWindow, []any{name, nameOf(key), windows.bucket(start), start}, &body); err != nil {
		return nil, fmt.Errorf("reading a window of view %s: %w", name, err)
	}
	return body, nil
}
