package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/caltrop/caltrop/docs/schema"
	"github.com/caltrop/caltrop/rules/format"
	"github.com/spf13/cobra"
)

var errFormat = errors.New("some files are not formatted")

func rulesFmtCommand() *cobra.Command {
	var write, check bool
	cmd := &cobra.Command{
		Use:   "fmt [-w] FILE…",
		Short: "Write documents in canonical form",
		Long: `Print documents in canonical form: the order of keys, indentation, spacing of
patterns. Comments stay, and so does what an author wrote inside {} or on lines
of its own. JSON is left as it is. A file that could not be formatted without
loss is left alone and named.

Exit codes: 0 it ran, 1 a file cannot be read or written, or with --check is
not formatted, 2 a file is no YAML or cannot be formatted without loss.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, paths []string) error {
			odd := false
			for _, path := range paths {
				changed, err := formatFile(cmd, path, write, check)
				if err != nil {
					return err
				}
				odd = odd || changed
			}
			if check && odd {
				return &codeError{code: exitFailure, shown: true, err: errFormat}
			}
			return nil
		},
	}
	cmd.Flags().BoolVarP(&write, "write", "w", false, "change the files instead of printing them")
	cmd.Flags().BoolVar(&check, "check", false, "only name the files that are not formatted; exit code 1 if there are any")
	return cmd
}

// formatFile formats one file and reports whether that changes it.
func formatFile(cmd *cobra.Command, path string, write, check bool) (changed bool, err error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return false, fmt.Errorf("reading documents: %w", err)
	}
	out, err := format.Source(src)
	if err != nil {
		return false, bad(fmt.Errorf("formatting %s: %w", path, err), false)
	}
	changed = !bytes.Equal(src, out)
	switch {
	case check && changed:
		fmt.Fprintln(cmd.OutOrStdout(), path)
	case write && changed:
		if err := os.WriteFile(path, out, 0o644); err != nil {
			return changed, fmt.Errorf("writing %s: %w", path, err)
		}
	case !check && !write:
		if _, err := cmd.OutOrStdout().Write(out); err != nil {
			return changed, fmt.Errorf("writing documents: %w", err)
		}
	}
	return changed, nil
}

func rulesSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of documents, for editors",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := cmd.OutOrStdout().Write(schema.Document()); err != nil {
				return fmt.Errorf("writing the schema: %w", err)
			}
			return nil
		},
	}
}
