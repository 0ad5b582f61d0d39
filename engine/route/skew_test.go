package route_test

import (
	"testing"
	"time"

	"github.com/caltrop/caltrop/engine/route"
)

// Ahead of the slowest partition that is not idle, as far as is known.
func TestSkew(t *testing.T) {
	const hour = int64(time.Hour / time.Microsecond)
	at := func(hours int64) route.Progress {
		return route.Progress{First: base + hours*hour, Mark: base + hours*hour}
	}
	idle := func(p route.Progress) route.Progress { p.Idle = 1; return p }
	cases := []struct {
		name    string
		known   map[int32]route.Progress // of partitions 1 and 2
		never   bool                     // nothing is ever idle
		own     int64                    // hours of partition 0
		slowest int32
		by      time.Duration
	}{
		{"the slowest of two", map[int32]route.Progress{1: at(3), 2: at(2)}, false, 7, 2, 5 * time.Hour},
		{"nobody is behind", map[int32]route.Progress{1: at(3), 2: at(2)}, false, 1, 0, 0},
		{"an idle one is nothing", map[int32]route.Progress{1: at(3), 2: idle(at(2))}, false, 7, 1, 4 * time.Hour},
		{"all others idle", map[int32]route.Progress{1: idle(at(3)), 2: idle(route.Progress{})}, false, 7, 0, 0},
		{"one that shows nothing begins with the first", map[int32]route.Progress{1: at(3)}, false, 7, 1, 4 * time.Hour},
		{"one without events too", map[int32]route.Progress{1: at(3), 2: {}}, false, 7, 1, 4 * time.Hour},
		{"but where it could never be idle", map[int32]route.Progress{1: at(3)}, true, 7, 1, 4 * time.Hour},
		{"nothing is known", nil, false, 7, 0, 0},
		{"partitions that are not counted", map[int32]route.Progress{1: at(7), 2: at(7), 3: at(1), -1: at(1)}, false, 7, 0, 0},
	}
	for _, c := range cases {
		s := route.NewSkew(3)
		for p, known := range c.known {
			s.Note(p, known)
		}
		if slowest, by := s.Ahead(0, at(c.own), c.never); slowest != c.slowest || by != c.by {
			t.Errorf("%s: %s ahead of %d, want %s of %d", c.name, by, slowest, c.by, c.slowest)
		}
	}
	s := route.NewSkew(2)
	if _, by := s.Ahead(0, route.Progress{}, false); by != 0 {
		t.Errorf("without an event %s ahead", by)
	}
	if slowest, by := s.Ahead(0, route.Progress{First: base, Mark: base + 2*hour}, false); slowest != 1 || by != 2*time.Hour {
		t.Errorf("%s ahead of %d, want 2h ahead of the one that has not begun", by, slowest)
	}
}
