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
	in      *bufio.Reader
	max     int
	line    int
	long    []byte
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
	l := &Lines{run: run, in: bufio.NewReaderSize(in, readBytes)}
	decls := make([]event.Decl, 0, len(set.Streams))
	for _, st := range set.Streams {
		d := st.Decl()
		l.max = max(l.max, d.MaxBytes)
		decls = append(decls, d)
	}
	l.max = max(l.max, event.DefaultMaxBytes)
	l.decoder = event.NewLineDecoder(decls)
	return l
}

// Next runs the next event. It returns io.EOF at the end, a *LineError for a
// line that is no event, after which the next line may be read, and any other
// error when the input cannot be read or the run is broken. Empty lines are
// passed over.
func (l *Lines) Next() error {
	for {
		line, err := l.read()
		if err != nil {
			return err
		}
		if len(line) > 0 {
			return l.take(line)
		}
	}
}

// Line returns the number of lines read.
func (l *Lines) Line() int { return l.line }

func (l *Lines) take(line []byte) error {
	ev := l.run.NewEvent()
	if err := l.decoder.Decode(line, ev); err != nil {
		return &LineError{Line: l.line, Cause: err}
	}
	return l.run.Step(ev)
}

// read returns the next line without its end, valid until the next call.
func (l *Lines) read() ([]byte, error) {
	line, err := l.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		line, err = l.readLong(line)
	}
	if err != nil && !(errors.Is(err, io.EOF) && len(line) > 0) {
		if errors.Is(err, io.EOF) {
			return nil, io.EOF
		}
		return nil, fmt.Errorf("reading events: %w", err)
	}
	l.line++
	if l.line == 1 {
		line = bytes.TrimPrefix(line, byteOrderMark)
	}
	return bytes.TrimSpace(line), nil
}

// readLong gathers a line that is longer than the buffer. Of one over the
// limit it keeps just enough to be refused for its size.
func (l *Lines) readLong(begin []byte) ([]byte, error) {
	l.long = append(l.long[:0], begin...)
	for {
		part, err := l.in.ReadSlice('\n')
		if len(l.long) <= l.max {
			l.long = append(l.long, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return l.long, err
		}
	}
}
