package window

import (
	"encoding/binary"

	"github.com/caltrop/caltrop/cep/agg"
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
)

// A column is an argument of aggregates of a rolling window: what a row keeps
// of an event. Aggregates with the same argument share one.
type column struct {
	arg  *expr.Program
	kind columnKind
	at   int // numbers: the place in a row
}

type columnKind uint8

const (
	truths columnKind = iota // of count(condition)
	numbers
	texts
)

// A cell is the value of a column in one row: absent, a number as
// event.Value.Int gives it, or a text, which lives as long as what it was read
// from.
type cell struct {
	ok   bool
	num  int64
	text []byte
}

// columnOf returns the place of the column of an aggregate, -1 when it takes
// every event.
func (r *rolling) columnOf(a *expr.WindowAgg) int {
	if a.Arg == nil {
		return -1
	}
	c := column{arg: a.Arg, kind: numbers}
	switch {
	case a.Spec.Func == agg.Count:
		c.kind = truths
	case a.Spec.Type == event.String:
		c.kind = texts
	}
	for i, old := range r.columns {
		if old.kind == c.kind && old.arg.Text != "" && old.arg.Text == c.arg.Text && old.arg.Type == c.arg.Type {
			return i
		}
	}
	r.columns = append(r.columns, c)
	return len(r.columns) - 1
}

// take reads the columns of an event into r.cells.
func (r *rolling) take(ev *event.Event) {
	r.frame.Event, r.frame.Facts = ev, r.facts
	r.texts = r.texts[:0]
	for i := range r.columns {
		r.takeCell(&r.columns[i], &r.cells[i])
	}
}

func (r *rolling) takeCell(c *column, to *cell) {
	if c.kind == truths {
		truth, ok := c.arg.Holds(&r.frame)
		to.ok = truth && ok
		return
	}
	v, ok := c.arg.Eval(&r.frame)
	if to.ok = ok && v.Present(); !to.ok {
		return
	}
	if to.num = v.Int(); c.kind == texts {
		from := len(r.texts)
		r.texts = append(r.texts, v.Str()...)
		to.text = r.texts[from:]
	}
}

// A row is, in little endian: the event's time, 8 bytes; a bit for each column
// that is present, low bit first; 8 bytes for each column of numbers; for each
// column of texts that is present its length and its bytes.

// layRows lays out the fixed part of a row.
func (r *rolling) layRows() {
	r.rowBytes = rowBits + (len(r.columns)+7)/8
	for i := range r.columns {
		if c := &r.columns[i]; c.kind == numbers {
			c.at = r.rowBytes
			r.rowBytes += 8
		}
	}
}

// rowBits is where the bits of a row are.
const rowBits = 8

func (r *rolling) appendRow(buf []byte, at int64, cells []cell) []byte {
	from := len(buf)
	buf = pad(buf, from+r.rowBytes)
	row := buf[from:]
	binary.LittleEndian.PutUint64(row, uint64(at))
	for i := range cells {
		c := &cells[i]
		if !c.ok {
			continue
		}
		row[rowBits+i/8] |= 1 << (i % 8)
		switch r.columns[i].kind {
		case numbers:
			binary.LittleEndian.PutUint64(row[r.columns[i].at:], uint64(c.num))
		case texts:
			buf = binary.AppendUvarint(buf, uint64(len(c.text)))
			buf = append(buf, c.text...)
			row = buf[from:]
		}
	}
	return buf
}

// timeOf is the time of a row.
func timeOf(row []byte) int64 { return int64(binary.LittleEndian.Uint64(row)) }

// row reads the row at the front of rows into cells and returns its size.
func (r *rolling) row(rows []byte, cells []cell) (size int) {
	if len(rows) < r.rowBytes {
		r.mustRead(errCorrupt)
	}
	size = r.rowBytes
	for i := range cells {
		to := &cells[i]
		if to.ok = rows[rowBits+i/8]>>(i%8)&1 != 0; !to.ok {
			continue
		}
		switch c := &r.columns[i]; c.kind {
		case numbers:
			to.num = int64(binary.LittleEndian.Uint64(rows[c.at:]))
		case texts:
			to.text, size = r.text(rows, size)
		}
	}
	return size
}

// text reads a text with its length at a place of buf and returns what is
// behind it.
func (r *rolling) text(buf []byte, at int) (text []byte, end int) {
	n, w := binary.Uvarint(buf[at:])
	if w <= 0 || n > uint64(len(buf)-at-w) {
		r.mustRead(errCorrupt)
	}
	at += w
	end = at + int(n)
	return buf[at:end:end], end
}
