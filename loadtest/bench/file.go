package bench

import (
	"io"

	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/rules/offline"
)

// File returns the lines of a file of events of a set's streams, as `caltrop
// match` reads them.
func File(set *rules.Set, in io.Reader) Source { return file{offline.NewText(set, in)} }

type file struct{ *offline.Text }

// Next implements Source.
func (f file) Next(buf []byte) ([]byte, bool, error) {
	line, err := f.Text.Next()
	if err == io.EOF {
		return buf, false, nil
	}
	return append(buf, line...), err == nil, err
}
