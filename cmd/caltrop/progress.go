package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// A bar shows how far long work has come, on a terminal; elsewhere it is
// silent.
type bar struct{ shown *progressbar.ProgressBar }

// barEvery is the least time between two drawings.
const barEvery = 100 * time.Millisecond

// newBar begins a bar over size bytes (-1: unknown) if w is a terminal.
func newBar(w io.Writer, size int64, what string) *bar {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return &bar{}
	}
	return &bar{progressbar.NewOptions64(size, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what),
		progressbar.OptionShowBytes(true), progressbar.OptionThrottle(barEvery), progressbar.OptionClearOnFinish())}
}

// reader counts what is read of in.
func (b *bar) reader(in io.Reader) io.Reader {
	if b.shown == nil {
		return in
	}
	return io.TeeReader(in, b.shown)
}

// add counts n steps of work that is not bytes.
func (b *bar) add(n int) {
	if b.shown != nil {
		b.shown.Add(n) // a terminal that cannot be drawn on is no reason to stop
	}
}

// done removes the bar.
func (b *bar) done() {
	if b.shown != nil {
		b.shown.Finish() // as above
	}
}
