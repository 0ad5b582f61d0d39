package fraudgen

import "time"

// DefaultClosingAfter is long enough for every deadline of the generator's
// streams and of the shipped catalogue's short rules to have passed.
const DefaultClosingAfter = 96 * time.Hour

// closingWho is the number of the first card, user or order that closing
// records use; no other record does.
const closingWho = 9_000_000_000

// Closing returns the record that closes event time in one partition of a
// stream: stamped after the last record by the given time and matching no
// rule. Its key is one that Kafka's murmur2 partitioner maps to the partition.
// Its memory is its own.
func (g *Generator) Closing(stream string, partition, partitions int32, after time.Duration) Record {
	g.seq++
	d := draft{seq: g.seq, at: g.last + after.Milliseconds(), who: closingWho, status: "closing"}
	for d.kind = payment; d.kind.stream() != stream && d.kind < kinds-1; {
		d.kind++
	}
	d.more = d.kind.closing()
	for partitionOf(keyOf(d.kind, d.who), partitions) != partition {
		d.who++
	}
	return Record{
		Stream: stream, Key: keyOf(d.kind, d.who), ID: idOf(d.kind, d.seq), Time: d.at, Arrival: d.at,
		Partition: partition, Value: appendValue(nil, &d, &g.cities),
	}
}

// partitionOf is where Kafka's default partitioner sends a key.
func partitionOf(key string, partitions int32) int32 {
	return int32(murmur2(key)&0x7fffffff) % partitions
}

// murmur2 is the hash of Kafka's default partitioner (Austin Appleby, 2008,
// with Kafka's seed).
func murmur2(key string) uint32 {
	const m, seed = 0x5bd1e995, 0x9747b28c
	h := uint32(seed) ^ uint32(len(key))
	for ; len(key) >= 4; key = key[4:] {
		k := uint32(key[0]) | uint32(key[1])<<8 | uint32(key[2])<<16 | uint32(key[3])<<24
		k *= m
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
