package fraudgen

import (
	"time"

	"github.com/caltrop/caltrop/engine/partitioner"
)

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
	for partitioner.Murmur2([]byte(keyOf(d.kind, d.who)), int(partitions)) != partition {
		d.who++
	}
	return Record{
		Stream: stream, Key: keyOf(d.kind, d.who), ID: idOf(d.kind, d.seq), Time: d.at, Arrival: d.at,
		Partition: partition, Value: appendValue(nil, &d, &g.cities),
	}
}
