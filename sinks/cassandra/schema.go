package cassandra

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// A table lists alerts under a name, newest first, in buckets of time.
type table struct {
	name  string // of the table
	width int64  // of a bucket, µs
}

// The two tables, and how wide a partition is in each: a rule may raise many
// alerts an hour, a key raises few a month.
var (
	byRule = table{"alerts_by_rule", time.Hour.Microseconds()}
	byKey  = table{"alerts_by_key", 30 * 24 * time.Hour.Microseconds()}
)

// bucket returns the bucket that holds a time.
func (t table) bucket(at int64) int64 {
	b := at / t.width
	if at < b*t.width {
		b-- // division rounds towards zero
	}
	return b
}

func (t table) layout() layout {
	return layout{table: t.name, columns: []column{
		{"name", "text"}, {"bucket", "bigint"}, {"at", "bigint"}, {"id", "blob"},
		{"version", "int"}, {"status", "text"}, {"rule", "text"}, {"body", "text"},
	}, key: "(name, bucket), at, id", order: "at DESC, id ASC"}
}

func (t table) insert() string {
	return `INSERT INTO ` + t.name + ` (name, bucket, at, id, version, status, rule, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ? AND TTL ?`
}

// list selects the alerts of a bucket from one time to another, both included.
func (t table) list() string {
	return `SELECT at, id, status, rule FROM ` + t.name + ` WHERE name = ? AND bucket = ? AND at <= ? AND at >= ?`
}

func (t table) body() string {
	return `SELECT body FROM ` + t.name + ` WHERE name = ? AND bucket = ? AND at = ? AND id = ?`
}

// The table that finds an alert by its id: where it stands in byRule.
const (
	insertID = `INSERT INTO alert_ids (id, rule, at) VALUES (?, ?, ?) USING TIMESTAMP ? AND TTL ?`
	selectID = `SELECT rule, at FROM alert_ids WHERE id = ?`
)

// createKeyspace makes the keyspace for the options. Its name was validated;
// the datacenter is quoted by doubling.
func createKeyspace(o Options) string {
	replication := fmt.Sprintf("{'class': 'SimpleStrategy', 'replication_factor': %d}", o.Replication)
	if o.Datacenter != "" {
		replication = fmt.Sprintf("{'class': 'NetworkTopologyStrategy', %s: %d}", quote(o.Datacenter), o.Replication)
	}
	return "CREATE KEYSPACE IF NOT EXISTS " + o.Keyspace + " WITH replication = " + replication
}

func quote(s string) string {
	b := []byte{'\''}
	for i := range len(s) {
		if s[i] == '\'' {
			b = append(b, '\'')
		}
		b = append(b, s[i])
	}
	return string(append(b, '\''))
}

// nameBytesMax bounds what a partition key holds of a rule's key; Cassandra's
// own bound for a partition key is 64 KiB.
const nameBytesMax = 1024

// nameOf returns the partition name of a key: the key, or its hash where the
// key is very long.
func nameOf(key string) string {
	if len(key) <= nameBytesMax {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return "sha256:" + hex.EncodeToString(sum[:])
}
