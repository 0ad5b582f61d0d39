package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// lineMax bounds a line of a file, in bytes.
const lineMax = 16 << 20

// File returns the lines of a file of events, as `caltrop match` reads them.
// Empty lines are passed over.
func File(in io.Reader) Source { return &file{in: bufio.NewReaderSize(in, 1<<20)} }

type file struct {
	in   *bufio.Reader
	line int
}

// Next implements Source.
func (f *file) Next(buf []byte) ([]byte, bool, error) {
	from := len(buf)
	for {
		part, err := f.in.ReadSlice('\n')
		buf = append(buf, part...)
		switch {
		case len(buf)-from > lineMax:
			return buf, false, fmt.Errorf("reading line %d: longer than %d bytes", f.line+1, lineMax)
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && err != io.EOF:
			return buf, false, fmt.Errorf("reading line %d: %w", f.line+1, err)
		}
		f.line++
		if len(bytes.TrimSpace(buf[from:])) > 0 {
			return buf, true, nil
		}
		if buf = buf[:from]; err == io.EOF {
			return buf, false, nil
		}
	}
}
