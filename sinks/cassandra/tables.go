package cassandra

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gocql/gocql"
)

// A layout is how a table is made.
type layout struct {
	table   string
	columns []column
	key     string
	order   string // of rows in a partition; "" is as they come
}

// A column has a name and a type.
type column struct{ name, is string }

// layouts are those of all tables.
var layouts = []layout{
	byRule.layout(), byKey.layout(),
	{table: "alert_ids", columns: []column{{"id", "blob"}, {"rule", "text"}, {"at", "bigint"}}, key: "id"},
	{table: "view_windows", columns: []column{
		{"view_name", "text"}, {"key", "text"}, {"day", "bigint"}, {"start", "bigint"},
		{"at", "bigint"}, {"until", "bigint"}, {"status", "text"}, {"events", "bigint"}, {"version", "bigint"}, {"body", "text"},
	}, key: "(view_name, key, day), start", order: "start DESC"},
}

func (l layout) create() string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE IF NOT EXISTS %s (", l.table)
	for _, c := range l.columns {
		fmt.Fprintf(&b, "%s %s, ", c.name, c.is)
	}
	fmt.Fprintf(&b, "PRIMARY KEY (%s))", l.key)
	if l.order != "" {
		fmt.Fprintf(&b, " WITH CLUSTERING ORDER BY (%s)", l.order)
	}
	return b.String()
}

// What the cluster says about a keyspace and a table.
const (
	selectKeyspace = `SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?`
	selectColumns  = `SELECT column_name, type FROM system_schema.columns WHERE keyspace_name = ? AND table_name = ?`
)

// makeKeyspace makes the keyspace where it is missing. A user who may not make
// one can use one that is there. The lists are asked only then: those of a node
// that was killed as it made something name what it does not have.
func makeKeyspace(ctx context.Context, s session, o Options) error {
	err := s.exec(ctx, createKeyspace(o))
	if answered(err, gocql.ErrCodeUnauthorized) {
		var name string
		there, failed := one(ctx, s, selectKeyspace, []any{o.Keyspace}, &name)
		if there {
			return nil
		}
		err = errors.Join(err, failed)
	}
	if err != nil {
		return fmt.Errorf("making keyspace %s: %w", o.Keyspace, err)
	}
	return nil
}

// makeTables makes the tables that are missing. A table that is there must have
// all columns; the error says how to mend it.
func makeTables(ctx context.Context, s session, keyspace string) error {
	for _, l := range layouts {
		err := s.exec(ctx, l.create())
		if err != nil && !answered(err, gocql.ErrCodeUnauthorized) {
			return fmt.Errorf("making table %s.%s: %w", keyspace, l.table, err)
		}
		found, failed := columnsOf(ctx, s, keyspace, l.table)
		if failed != nil {
			return fmt.Errorf("reading the columns of table %s.%s: %w", keyspace, l.table, failed)
		}
		if len(found) > 0 {
			err = l.check(keyspace, found)
		} else if err != nil {
			err = fmt.Errorf("making table %s.%s: %w", keyspace, l.table, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// columnsOf returns the types of a table's columns, none where it is not there.
func columnsOf(ctx context.Context, s session, keyspace, table string) (map[string]string, error) {
	found := map[string]string{}
	err := s.rows(ctx, selectColumns, []any{keyspace, table}, func(scan func(...any) error) (bool, error) {
		var name, is string
		err := scan(&name, &is)
		found[name] = is
		return true, err
	})
	return found, err
}

// check reports all columns that a table lacks or has of another type.
func (l layout) check(keyspace string, found map[string]string) error {
	var errs []error
	for _, c := range l.columns {
		switch is := found[c.name]; is {
		case c.is:
		case "":
			errs = append(errs, fmt.Errorf("table %s.%s has no column %s: run ALTER TABLE %[1]s.%[2]s ADD %[3]s %[4]s", keyspace, l.table, c.name, c.is))
		default:
			errs = append(errs, fmt.Errorf("column %s of table %s.%s is of type %s, not %s: rename the table or drop it, it is made anew", c.name, keyspace, l.table, is, c.is))
		}
	}
	return errors.Join(errs...)
}
