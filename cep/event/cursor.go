package event

import "encoding/binary"

// A Cursor reads what was appended with encoding/binary and with AppendValue.
// After the first read that Buf does not hold, Bad stays set and every read
// gives zero: a reader of many parts looks at Bad once, at its end. Bytes that
// it gives share Buf's memory. The zero Cursor is at the end of nothing.
type Cursor struct {
	Buf []byte // what is not read yet
	Bad bool
}

// Byte reads one byte.
func (c *Cursor) Byte() byte {
	if c.Bad || len(c.Buf) == 0 {
		c.Bad = true
		return 0
	}
	b := c.Buf[0]
	c.Buf = c.Buf[1:]
	return b
}

// Uvarint reads an unsigned varint.
func (c *Cursor) Uvarint() uint64 {
	if len(c.Buf) > 0 && c.Buf[0] < 0x80 && !c.Bad {
		n := c.Buf[0]
		c.Buf = c.Buf[1:]
		return uint64(n)
	}
	n, w := Uvarint(c.Buf)
	if c.Bad || w <= 0 {
		c.Bad = true
		return 0
	}
	c.Buf = c.Buf[w:]
	return n
}

// Varint reads a signed (zigzag) varint.
func (c *Cursor) Varint() int64 {
	n := c.Uvarint()
	return int64(n>>1) ^ -int64(n&1)
}

// Bounded reads an unsigned varint that must not be over limit.
func (c *Cursor) Bounded(limit uint64) uint64 {
	n := c.Uvarint()
	if n > limit {
		c.Bad = true
		return 0
	}
	return n
}

// Count reads how many parts follow, none of which is empty.
func (c *Cursor) Count() uint64 { return c.Bounded(uint64(len(c.Buf))) }

// Uint64 reads eight bytes, the lowest first.
func (c *Cursor) Uint64() uint64 {
	if b := c.Take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// Take reads n bytes.
func (c *Cursor) Take(n uint64) []byte {
	if c.Bad || n > uint64(len(c.Buf)) {
		c.Bad = true
		return nil
	}
	b := c.Buf[:n:n]
	c.Buf = c.Buf[n:]
	return b
}

// Bytes reads bytes behind their number, an unsigned varint.
func (c *Cursor) Bytes() []byte { return c.Take(c.Uvarint()) }

// Value reads what AppendValue wrote.
func (c *Cursor) Value() Value {
	if c.Bad {
		return Value{}
	}
	v, rest, err := DecodeValue(c.Buf)
	if err != nil {
		c.Bad = true
		return Value{}
	}
	c.Buf = rest
	return v
}

// Done reports whether everything was read, and nothing else.
func (c *Cursor) Done() bool { return !c.Bad && len(c.Buf) == 0 }
