//go:build e2e

package cassandra_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gocql/gocql"

	"github.com/caltrop/caltrop/sinks"
	"github.com/caltrop/caltrop/sinks/cassandra"
	"github.com/caltrop/caltrop/sinks/sinktest"
)

// admin runs a statement as the superuser.
func admin(t *testing.T, o cassandra.Options, statements ...string) {
	t.Helper()
	c := gocql.NewCluster(o.Hosts...)
	c.Port, c.ProtoVersion, c.Timeout, c.ConnectTimeout = o.Port, 4, o.Timeout, o.Timeout
	c.Authenticator = gocql.PasswordAuthenticator{Username: o.Username, Password: o.Password}
	s, err := c.CreateSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, statement := range statements {
		if err := s.Query(statement).Exec(); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// A cluster that refuses is told as it says it, with the table or the keyspace,
// and the same history stores all once that is mended.
func TestRefusalsAreNamedAndMended(t *testing.T) {
	keyspace := fmt.Sprintf("denied_%d", time.Now().UnixNano())
	root := options(t, keyspace)
	drop(t, root)
	role := keyspace + "_role"
	t.Cleanup(func() { admin(t, root, "DROP ROLE IF EXISTS "+role) })
	o := root
	o.Username, o.Password = role, "secret"
	h := open(t, o)
	table := keyspace + ".alerts_by_rule"
	for _, step := range []struct {
		want string
		mend []string
	}{
		{"incorrect", []string{"CREATE ROLE " + role + " WITH PASSWORD = 'secret' AND LOGIN = true"}},
		{"making keyspace " + keyspace, []string{"CREATE KEYSPACE " + keyspace + " WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"}},
		{"making table " + table, []string{"GRANT CREATE ON KEYSPACE " + keyspace + " TO " + role, "CREATE TABLE " + table + " (name text, bucket bigint, at bigint, id blob, PRIMARY KEY ((name, bucket), at, id))"}},
		{"table " + table + " has no column version", []string{"ALTER TABLE " + table + " ADD (version int, status text, rule text, body text)"}},
		{"MODIFY permission on <table " + table, []string{"GRANT MODIFY ON KEYSPACE " + keyspace + " TO " + role}},
		{"", []string{"ALTER TABLE " + table + " DROP body"}},
		{"body", []string{"ALTER TABLE " + table + " ADD body text"}},
		{"", []string{"SELECT release_version FROM system.local"}},
	} {
		err := h.Write(t.Context(), []sinks.Record{sinktest.Alert{}.Record()})
		var partial *sinks.BatchError
		if errors.As(err, &partial) && partial.Failed[0].Permanent {
			t.Errorf("it is given up: %v", err)
		}
		t.Logf("want %q: %v", step.want, err)
		if (err == nil) != (step.want == "") || err != nil && !strings.Contains(err.Error(), step.want) {
			t.Errorf("got %v, want %s", err, step.want)
		}
		admin(t, root, step.mend...)
	}
}
