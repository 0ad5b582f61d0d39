package event_test

import (
	"encoding/binary"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
)

func TestCursor(t *testing.T) {
	b := []byte{7}
	b = binary.AppendUvarint(b, 300)
	b = binary.AppendVarint(b, -300)
	b = binary.LittleEndian.AppendUint64(b, 1<<63)
	b = append(binary.AppendUvarint(b, 3), "abc"...)
	b = event.AppendValue(b, event.StringOf("v"))

	read := func(b []byte) (event.Cursor, bool) {
		c := event.Cursor{Buf: b}
		same := c.Byte() == 7 && c.Uvarint() == 300 && c.Varint() == -300 && c.Uint64() == 1<<63 &&
			string(c.Bytes()) == "abc" && c.Value() == event.StringOf("v")
		return c, same
	}
	if c, same := read(b); !same || !c.Done() {
		t.Fatalf("read back: same %t, %d bytes left, bad %t", same, len(c.Buf), c.Bad)
	}
	for n := range b {
		if c, _ := read(b[:n]); c.Done() {
			t.Errorf("the first %d bytes are taken for all", n)
		}
	}
}

func TestCursorStaysBad(t *testing.T) {
	c := event.Cursor{Buf: []byte{200, 1, 5}}
	if c.Bounded(100); !c.Bad {
		t.Fatal("200 is within 100")
	}
	if b, n, v := c.Byte(), c.Uvarint(), c.Take(1); b != 0 || n != 0 || v != nil {
		t.Errorf("after a fault: byte %d, number %d, bytes %v", b, n, v)
	}
	c = event.Cursor{Buf: []byte{2, 5}}
	if n := c.Count(); n != 2 || c.Bad {
		t.Errorf("count %d, bad %t", n, c.Bad)
	}
	c = event.Cursor{Buf: []byte{3, 5}}
	if n := c.Count(); n != 0 || !c.Bad {
		t.Errorf("three parts in one byte: count %d, bad %t", n, c.Bad)
	}
}
