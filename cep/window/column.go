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
	arg   *expr.Program
	kind  columnKind
	field int // of the event, where the argument is nothing more; else -1
}

type columnKind uint8

const (
	truths columnKind = iota // of count(condition)
	numbers
	doubles
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
	c := column{arg: a.Arg, kind: numbers, field: -1}
	if field, ok := a.Arg.Field(); ok {
		c.field = field
	}
	switch {
	case a.Spec.Func == agg.Count:
		c.kind = truths
	case a.Spec.Type == event.String:
		c.kind = texts
	case a.Spec.Type == event.Double:
		c.kind = doubles
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
	if c.field >= 0 {
		r.fillCell(&r.frame.Event.Values[c.field], c, to)
		return
	}
	if v, ok := c.arg.Eval(&r.frame); ok {
		r.fillCell(&v, c, to)
	} else {
		to.ok = false
	}
}

// fillCell makes the cell of a value.
func (r *rolling) fillCell(v *event.Value, c *column, to *cell) {
	if to.ok = v.Present(); !to.ok {
		return
	}
	if to.num = v.Int(); c.kind == texts {
		from := len(r.texts)
		r.texts = append(r.texts, v.Str()...)
		to.text = r.texts[from:]
	}
}

// A row is: the time since the row before, unsigned varint; a bit for each
// column that is present, low bit first; for each that is: of numbers a signed
// varint, of doubles 8 bytes in little endian, of texts length and bytes.

// appendRow writes the row of the cells in r.cells.
func (r *rolling) appendRow(buf []byte, since int64) []byte {
	buf = event.AppendUvarint(buf, uint64(since))
	bits := len(buf)
	for range r.bitBytes {
		buf = append(buf, 0)
	}
	for i := range r.cells {
		c := &r.cells[i]
		if !c.ok {
			continue
		}
		buf[bits+i/8] |= 1 << (i % 8)
		switch r.columns[i].kind {
		case numbers:
			buf = event.AppendVarint(buf, c.num)
		case doubles:
			buf = binary.LittleEndian.AppendUint64(buf, uint64(c.num))
		case texts:
			buf = event.AppendUvarint(buf, uint64(len(c.text)))
			buf = append(buf, c.text...)
		}
	}
	return buf
}

// since reads the time at the front of a row and returns its size.
func (r *rolling) since(row []byte) (since int64, size int) {
	n, size := event.Uvarint(row)
	if size <= 0 {
		r.mustRead(errCorrupt)
	}
	return int64(n), size
}

// row reads the row at the front of rows into r.gone and returns its size.
func (r *rolling) row(rows []byte) (size int) {
	_, size = r.since(rows)
	return size + r.rowCells(rows[size:])
}

// rowCells reads a row but for its time, as row does.
func (r *rolling) rowCells(row []byte) (size int) {
	size = r.bitBytes
	if len(row) < size {
		r.mustRead(errCorrupt)
	}
	for i := range r.gone {
		to := &r.gone[i]
		if to.ok = row[i/8]>>(i%8)&1 != 0; !to.ok {
			continue
		}
		switch r.columns[i].kind {
		case numbers:
			to.num, size = r.number(row, size)
		case doubles:
			to.num, size = r.double(row, size)
		case texts:
			to.text, size = r.text(row, size)
		}
	}
	return size
}

// number, double and text read a value at a place of buf and return what is
// behind it.
func (r *rolling) number(buf []byte, at int) (n int64, end int) {
	n, w := event.Varint(buf[at:])
	if w <= 0 {
		r.mustRead(errCorrupt)
	}
	return n, at + w
}

func (r *rolling) double(buf []byte, at int) (bits int64, end int) {
	if len(buf)-at < 8 {
		r.mustRead(errCorrupt)
	}
	return int64(binary.LittleEndian.Uint64(buf[at:])), at + 8
}

func (r *rolling) text(buf []byte, at int) (text []byte, end int) {
	n, w := event.Uvarint(buf[at:])
	if w <= 0 || n > uint64(len(buf)-at-w) {
		r.mustRead(errCorrupt)
	}
	at += w
	end = at + int(n)
	return buf[at:end:end], end
}
