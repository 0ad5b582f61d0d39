package offline

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/rules"
)

// Lines are events in a text, one JSON object a line.
type Lines struct {
	run     *Run
	decoder *event.LineDecoder
	text    *Text
}

// A LineError is a line that is no event.
type LineError struct {
	Line  int // 1-based
	Cause error
}

// Error names the line and what is wrong; never what the line says.
func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Cause) }

// Unwrap returns the cause.
func (e *LineError) Unwrap() error { return e.Cause }

// readBytes is the size of the read buffer: lines longer than it are copied.
const readBytes = 1 << 20

// byteOrderMark is what editors on Windows write before the first line.
var byteOrderMark = []byte("\ufeff")

// NewLines reads events of the set's streams from in for a run.
func NewLines(run *Run, set *rules.Set, in io.Reader) *Lines {
	return &Lines{run: run, text: NewText(set, in), decoder: event.NewLineDecoder(Decls(set))}
}

// Decls are the declarations of a set's streams.
func Decls(set *rules.Set) []event.Decl {
	decls := make([]event.Decl, 0, len(set.Streams))
	for _, st := range set.Streams {
		decls = append(decls, st.Decl())
	}
	return decls
}

// Next runs the next event. It returns io.EOF at the end, a *LineError for a
// line that is no event, after which the next line may be read, and any other
// error when the input cannot be read or the run is broken. Empty lines are
// passed over.
func (l *Lines) Next() error {
	line, err := l.text.Next()
	if err != nil {
		return err
	}
	ev := l.run.NewEvent()
	if err := l.decoder.Decode(line, ev); err != nil {
		return &LineError{Line: l.text.Line(), Cause: err}
	}
	return l.run.Step(ev)
}

// A Text is lines that may be events of a set's streams. A byte order mark,
// empty lines and the space around a line are passed over.
type Text struct {
	in   *bufio.Reader
	max  int // bytes of an event
	line int
	long []byte
}

// NewText reads lines from in.
func NewText(set *rules.Set, in io.Reader) *Text {
	t := &Text{in: bufio.NewReaderSize(in, readBytes), max: event.DefaultMaxBytes}
	for _, d := range Decls(set) {
		t.max = max(t.max, d.MaxBytes)
	}
	return t
}

// Next returns the next line that is not empty, valid until the next call;
// io.EOF at the end.
func (t *Text) Next() ([]byte, error) {
	for {
		line, err := t.read()
		if err != nil || len(line) > 0 {
			return line, err
		}
	}
}

// Line returns the number of lines read.
func (t *Text) Line() int { return t.line }

func (t *Text) read() ([]byte, error) {
	line, err := t.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		line, err = t.readLong(line)
	}
	switch {
	case err == io.EOF && len(line) == 0:
		return nil, io.EOF
	case err != nil && err != io.EOF:
		return nil, fmt.Errorf("reading events: %w", err)
	}
	t.line++
	if t.line == 1 {
		line = bytes.TrimPrefix(line, byteOrderMark)
	}
	return bytes.TrimSpace(line), nil
}

// readLong gathers a line that is longer than the buffer. Of one over the
// limit it keeps just enough to be refused for its size.
func (t *Text) readLong(begin []byte) ([]byte, error) {
	t.long = append(t.long[:0], begin...)
	for {
		part, err := t.in.ReadSlice('\n')
		if len(t.long) <= t.max {
			t.long = append(t.long, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return t.long, err
		}
	}
}
