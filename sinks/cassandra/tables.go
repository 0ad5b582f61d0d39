package cassandra

import (
	"context"
	"errors"
	"fmt"
	"strings"
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

// makeKeyspace makes the keyspace where it is missing: a user who may not make
// one can use one that is there.
func makeKeyspace(ctx context.Context, s session, o Options) error {
	var name string
	there, err := one(ctx, s, selectKeyspace, []any{o.Keyspace}, &name)
	if err == nil && !there {
		err = s.exec(ctx, createKeyspace(o))
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
		found := map[string]string{}
		err := s.rows(ctx, selectColumns, []any{keyspace, l.table}, func(scan func(...any) error) (bool, error) {
			var name, is string
			err := scan(&name, &is)
			found[name] = is
			return true, err
		})
		if err != nil {
			return fmt.Errorf("reading the columns of table %s.%s: %w", keyspace, l.table, err)
		}
		if len(found) > 0 {
			err = l.check(keyspace, found)
		} else if err = s.exec(ctx, l.create()); err != nil {
			err = fmt.Errorf("making table %s.%s: %w", keyspace, l.table, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
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
