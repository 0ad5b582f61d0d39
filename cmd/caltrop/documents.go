package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/caltrop/caltrop/cep/syntax"
	"github.com/caltrop/caltrop/rules"
	"github.com/spf13/cobra"
)

var errDocuments = errors.New("the documents have errors")

// loadDocuments reads and checks files. It shows problems, as text or JSON, on
// the command's standard error; with one that is no warning the error is of
// exit code 2.
func loadDocuments(cmd *cobra.Command, paths []string, asJSON bool) (*rules.Set, error) {
	return overridden(cmd, rules.Override{}, paths, asJSON)
}

// overridden is loadDocuments with parts of the rules replaced.
func overridden(cmd *cobra.Command, o rules.Override, paths []string, asJSON bool) (*rules.Set, error) {
	set, problems, err := o.Load(paths...)
	if err != nil {
		return nil, err
	}
	if err := showProblems(cmd.ErrOrStderr(), problems, asJSON); err != nil {
		return nil, err
	}
	if syntax.Failed(problems) {
		return nil, bad(errDocuments, true)
	}
	return set, nil
}

// A problemLine is a problem as JSON.
type problemLine struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
	Hint    string `json:"hint,omitempty"`
	Warning bool   `json:"warning,omitempty"`
}

// showProblems writes problems with source line and caret, or one JSON object
// a line.
func showProblems(w io.Writer, problems []syntax.Problem, asJSON bool) error {
	if !asJSON {
		return syntax.Render(w, problems)
	}
	enc := json.NewEncoder(w)
	for _, p := range problems {
		line := problemLine{File: p.File, Line: p.Line, Column: p.Col, Pointer: p.Pointer, Detail: p.Detail, Hint: p.Hint, Warning: p.Warning}
		if err := enc.Encode(line); err != nil {
			return fmt.Errorf("writing problems: %w", err)
		}
	}
	return nil
}
