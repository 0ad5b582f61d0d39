//go:build e2e

package faults

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/caltrop/caltrop/sinks"
	"github.com/caltrop/caltrop/sinks/cassandra"
	"github.com/caltrop/caltrop/sinks/sinktest"
)

// TestT40CassandraKilledMakingTables kills Cassandra before it has written what
// it knows of a new keyspace and its tables to their files: started again it
// lists them and does not have them. A history that was connected and one that
// is new store all the same.
func TestT40CassandraKilledMakingTables(t *testing.T) {
	services := localServices(t)
	port, err := strconv.Atoi(os.Getenv("E2E_CASSANDRA_PORT"))
	if err != nil {
		t.Fatal(err)
	}
	open := func(keyspace string) *cassandra.History {
		h, err := cassandra.New(cassandra.Options{Hosts: []string{os.Getenv("E2E_CASSANDRA_HOST")}, Port: port, Keyspace: keyspace,
			Username: os.Getenv("E2E_CASSANDRA_USER"), Password: os.Getenv("E2E_CASSANDRA_PASSWORD"), Timeout: 20 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.Close() })
		return h
	}
	stored := func(h *cassandra.History) {
		t.Helper()
		record := sinktest.Alert{}.Record()
		eventually(t, patience, func() string {
			err := h.Write(t.Context(), []sinks.Record{record})
			if err == nil {
				_, err = h.Alert(t.Context(), record.ID)
			}
			if err != nil {
				return err.Error()
			}
			return ""
		})
	}
	t.Cleanup(func() { services("up", "cassandra") })
	services("down", "cassandra")
	t.Setenv("JDK_JAVA_OPTIONS", "-Dcassandra.test.flush_local_schema_changes=false")
	services("up", "cassandra")
	keyspace := fmt.Sprintf("t%d", time.Now().UnixNano())
	before, other := open(keyspace), open(keyspace+"b")
	stored(before)
	stored(other)
	services("kill", "cassandra")
	t.Setenv("JDK_JAVA_OPTIONS", "")
	services("up", "cassandra")
	stored(open(keyspace + "b"))
	stored(before)
}
