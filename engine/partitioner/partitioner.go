// Package partitioner knows where producers put their keys, and tells records
// that are somewhere else.
package partitioner

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"strconv"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/syntax"
)

// A Func returns the partition of n that a key lies in.
type Func func(key []byte, n int) int32

// Of returns the partitioner that a stream declares; nil of `unknown`.
func Of(name string) Func {
	switch name {
	case "murmur2":
		return Murmur2
	case "crc32":
		return CRC32
	}
	return nil
}

// Murmur2 is the default of the Java producer, and murmur2 of librdkafka.
func Murmur2(key []byte, n int) int32 {
	return int32(murmur2(key)&0x7fffffff) % int32(n)
}

// CRC32 is what librdkafka calls consistent.
func CRC32(key []byte, n int) int32 {
	return int32(crc32.ChecksumIEEE(key) % uint32(n))
}

// murmur2 is the hash of Austin Appleby, 2008, with Kafka's seed.
func murmur2(key []byte) uint32 {
	const m, seed = 0x5bd1e995, 0x9747b28c
	h := uint32(seed) ^ uint32(len(key))
	for ; len(key) >= 4; key = key[4:] {
		k := binary.LittleEndian.Uint32(key) * m
		k ^= k >> 24
		h = h*m ^ k*m
	}
	for i := len(key) - 1; i >= 0; i-- {
		h ^= uint32(key[i]) << (8 * i)
	}
	if len(key) > 0 {
		h *= m
	}
	h ^= h >> 13
	h *= m
	return h ^ h>>15
}

// Why a record is misplaced. The texts are shown to people.
const (
	NoKey      = "the record has no key"
	OtherKey   = "the record's key is not its partition_key"
	OtherPlace = "the record's key belongs to another partition"
)

// Misplaced tells of the records of one partition that are not where their
// stream's partitioner puts its partition_key. A rule that is direct on the
// stream misses what belongs together.
type Misplaced struct {
	Revision int // of the stream; another one begins anew
	Records  uint64
	First    int64  // the offset of the first one
	Why      string // of the first one
}

// Note takes note of a record that is misplaced for a reason; "": it is not.
func (m *Misplaced) Note(revision int, offset int64, why string) {
	if m.Revision != revision {
		*m = Misplaced{Revision: revision}
	}
	if why == "" {
		return
	}
	if m.Records == 0 {
		m.First, m.Why = offset, why
	}
	m.Records++
}

// A Check compares where the records of one stream revision are with where its
// partitioner puts them.
type Check struct {
	hash  Func
	of    int
	field int // of the partition_key that the record's key is the text of; -1: any key will do
}

// NewCheck returns the check of a stream whose topic has so many partitions;
// nil when there is nothing to compare: the partitioner is unknown, or their
// number is (0).
func NewCheck(doc *syntax.Stream, schema *event.Schema, of int) *Check {
	c := Check{hash: Of(doc.Partitioner), of: of, field: -1}
	if c.hash == nil || of == 0 {
		return nil
	}
	if len(doc.PartitionKey) == 1 {
		c.field = schema.Index(doc.PartitionKey[0])
	}
	if c.field >= 0 && schema.Fields[c.field].PII != event.PIINone { // its text is gone
		c.field = -1
	}
	return &c
}

// Of returns why a record of a partition is misplaced, "" when it is not. The
// key of the record must be the text of the partition_key, or an int as 4 or 8
// bytes, as Java's serializers write it; where the partition_key has several
// fields, or one of another type, only the key's place is looked at.
func (c *Check) Of(partition int32, key []byte, ev *event.Event) string {
	switch {
	case key == nil:
		return NoKey
	case c.field >= 0 && !isText(key, ev.Values[c.field]):
		return OtherKey
	case c.hash(key, c.of) != partition:
		return OtherPlace
	}
	return ""
}

// isText reports whether a record's key may be made of a field. That of an
// event without the field may be anything.
func isText(key []byte, v event.Value) bool {
	switch v.Type() {
	case event.String:
		return string(key) == v.Str()
	case event.Int:
		var text [20]byte
		return bytes.Equal(key, strconv.AppendInt(text[:0], v.Int(), 10)) ||
			len(key) == 8 && int64(binary.BigEndian.Uint64(key)) == v.Int() ||
			len(key) == 4 && int64(int32(binary.BigEndian.Uint32(key))) == v.Int()
	}
	return true
}
