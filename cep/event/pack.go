package event

import (
	"encoding/binary"
	"slices"
)

// AppendEvent appends the compact form of ev to buf.
func AppendEvent(buf []byte, ev *Event, p Packing) []byte {
	at := len(buf)
	buf = slices.Grow(buf, roomFor(ev))
	buf = buf[:cap(buf)]
	return buf[:putValues(buf, putHead(buf, at, ev, p), ev, p.Omit)]
}

// appendValue appends a value that is there as in the compact form; a timestamp
// counts from base. It asks for no more room than it takes.
func appendValue(buf []byte, v *Value, base int64) []byte {
	switch v.typ {
	case StringList:
		buf = AppendUvarint(buf, uint64(v.num))
		fallthrough
	case String:
		return appendText(buf, v.str)
	}
	var b [valueRoom]byte
	return append(buf, b[:putValue(b[:], 0, v, base)]...)
}

func appendText(buf []byte, s string) []byte {
	return append(AppendUvarint(buf, uint64(len(s))), s...)
}

// What the parts of the compact form take at most, each with the word that
// putUvarint may write beyond.
const (
	headRoom  = 64 // all before the values but the id
	valueRoom = 2*binary.MaxVarintLen64 + 8
)

// roomFor is no less than what the compact form of ev takes.
func roomFor(ev *Event) int {
	n := headRoom + len(ev.ID) + len(ev.Values)/8 + valueRoom*len(ev.Values)
	for i := range ev.Values {
		n += len(ev.Values[i].str)
	}
	return n
}

// putHead writes all before the values at a place of buf, where there is room
// for it, and returns the place behind it, as all that put do.
func putHead(buf []byte, at int, ev *Event, p Packing) int {
	head := byte(formatEvent)
	if ev.Cluster != 0 {
		head |= flagCluster
	}
	packed, isUUID := packUUID(ev.ID)
	if isUUID {
		head |= flagHexID
	}
	if p.Layouts && ev.Schema.Layout > 1 {
		buf[at] = head | flagLayout
		at = putUvarint(buf, at+1, uint64(ev.Schema.Layout))
	} else {
		buf[at] = head
		at++
	}
	at = putVarint(buf, at, ev.Time-p.Base)
	if ev.Cluster != 0 {
		at = putUvarint(buf, at, uint64(ev.Cluster))
	}
	at = putUvarint(buf, at, uint64(uint32(ev.Partition)))
	at = putUvarint(buf, at, uint64(ev.Offset))
	if isUUID {
		return at + copy(buf[at:], packed[:])
	}
	return putText(buf, at, ev.ID)
}

func omitted(omit uint64, i int) bool { return i < omittableMax && omit>>i&1 != 0 }

func putValues(buf []byte, at int, ev *Event, omit uint64) int {
	bits := at
	at += (len(ev.Values) + 7) / 8
	clear(buf[bits:at])
	for i := range ev.Values {
		v := &ev.Values[i]
		if !v.Present() || omitted(omit, i) {
			continue
		}
		buf[bits+i/8] |= 1 << (i % 8)
		at = putValue(buf, at, v, ev.Time)
	}
	return at
}

func putValue(buf []byte, at int, v *Value, base int64) int {
	switch v.typ {
	case String:
		return putText(buf, at, v.str)
	case Double:
		binary.LittleEndian.PutUint64(buf[at:], uint64(v.num))
		return at + 8
	case Bool:
		buf[at] = byte(v.num)
		return at + 1
	case Timestamp:
		return putVarint(buf, at, v.num-base)
	case StringList:
		return putText(buf, putUvarint(buf, at, uint64(v.num)), v.str)
	}
	return putVarint(buf, at, v.num)
}

func putText(buf []byte, at int, s string) int {
	at = putUvarint(buf, at, uint64(len(s)))
	return at + copy(buf[at:], s)
}
