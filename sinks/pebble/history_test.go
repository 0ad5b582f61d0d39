package pebble_test

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/caltrop/caltrop/sinks"
	"github.com/caltrop/caltrop/sinks/alert"
	"github.com/caltrop/caltrop/sinks/pebble"
	"github.com/caltrop/caltrop/sinks/sinktest"
)

// A disk is a file system of which a crash keeps only what was synced.
type disk struct {
	fs *vfs.MemFS
	h  *pebble.History
}

func open(t *testing.T, fs *vfs.MemFS) *pebble.History {
	t.Helper()
	h, err := pebble.Open("alerts", pebble.Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHistory(t *testing.T) {
	disks := map[sinktest.History]*disk{}
	start := func(t *testing.T, fs *vfs.MemFS) sinktest.History {
		h := open(t, fs)
		disks[h] = &disk{fs: fs, h: h}
		t.Cleanup(func() { h.Close() })
		return h
	}
	sinktest.Run(t, sinktest.Driver{
		Open: func(t *testing.T) sinktest.History { return start(t, vfs.NewCrashableMem()) },
		// The machine stops without a close: the new history has what was synced.
		Reopen: func(t *testing.T, h sinktest.History) sinktest.History {
			return start(t, disks[h].fs.CrashClone(vfs.CrashCloneCfg{}))
		},
	})
}

func TestPagesEndEarlyWhereFewAlertsFit(t *testing.T) {
	h := open(t, vfs.NewMem())
	defer h.Close()
	const others = 10_500 // more than one page looks at
	records := []sinks.Record{sinktest.Alert{Name: "wanted", Version: 2}.Record()}
	for i := range others {
		records = append(records, sinktest.Alert{Name: fmt.Sprint(i), At: int64(i + 1)}.Record())
	}
	if err := h.Write(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	q := alert.Query{Rules: []string{"r"}, From: sinktest.Base, To: sinktest.Base + 1e12, Status: alert.Changed, Limit: 10}
	first, err := h.Alerts(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if len(first.Alerts) != 0 || first.Next == "" {
		t.Fatalf("first page: %d alerts, next %q", len(first.Alerts), first.Next)
	}
	q.After = first.Next
	second, err := h.Alerts(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if len(second.Alerts) != 1 || second.Next != "" {
		t.Errorf("second page: %d alerts, next %q", len(second.Alerts), second.Next)
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	h, err := pebble.Open(dir, pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if second, err := pebble.Open(dir, pebble.Options{}); err == nil {
		second.Close()
		t.Error("a second history opened the same directory")
	}
}
