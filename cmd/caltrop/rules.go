package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/rules/ruletest"
	"github.com/spf13/cobra"
)

func rulesCommand() *cobra.Command {
	return commandGroup("rules", "Check, test, explain and format rule documents; move a rule that runs", rulesCheckCommand(), rulesTestCommand(), rulesExplainCommand(), rulesFmtCommand(), rulesSchemaCommand(), rulesStateCommand())
}

func rulesCheckCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check FILE…",
		Short: "Report everything that is wrong with documents",
		Long: `Report everything that is wrong with documents, all at once, each with its
place and a caret. The files are checked together: rules may use the streams
of other files.

Exit codes: 0 the documents are sound, 1 a file cannot be read, 2 a document
is bad.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, paths []string) error {
			set, err := loadDocuments(cmd, paths, asJSON)
			if err != nil {
				return err
			}
			if asJSON {
				return nil
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: sound\n", countOf(set))
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print problems as JSON, one a line")
	return cmd
}

// countOf says what a set holds; views only where it has some.
func countOf(set *rules.Set) string {
	text := counted(len(set.Streams), "stream") + ", " + counted(len(set.Rules), "rule")
	if n := len(set.Views); n > 0 {
		text += ", " + counted(n, "view")
	}
	return text
}

// counted is a number of things.
func counted(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

var errTests = errors.New("tests failed")

func rulesTestCommand() *cobra.Command {
	var (
		asJSON bool
		only   []string
	)
	cmd := &cobra.Command{
		Use:   "test FILE…",
		Short: "Run the tests that rules bring with them",
		Long: `Run the tests that rules bring with them, through the matcher of the engine.

Exit codes: 0 all tests passed, 1 one failed, 2 a document is bad.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, paths []string) error {
			set, err := loadDocuments(cmd, paths, asJSON)
			if err != nil {
				return err
			}
			if err := known(set, only...); err != nil {
				return err
			}
			results, err := ruletest.RunContext(cmd.Context(), set, only...)
			if err != nil {
				return err
			}
			return showResults(cmd.OutOrStdout(), results, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a test")
	cmd.Flags().StringArrayVar(&only, "rule", nil, "test this rule only; may be given again")
	return cmd
}

// known is an error for a name that no rule of the set has.
func known(set *rules.Set, names ...string) error {
	all := ruleNames(set)
	for _, name := range names {
		if !slices.Contains(all, name) {
			return fmt.Errorf("--rule %s: no such rule, the files have %s", name, cmp.Or(strings.Join(all, ", "), "none"))
		}
	}
	return nil
}

func showResults(w io.Writer, results []ruletest.Result, asJSON bool) error {
	failed := 0
	enc := json.NewEncoder(w)
	for i := range results {
		r := &results[i]
		if !r.Passed {
			failed++
		}
		if asJSON {
			if err := enc.Encode(r); err != nil {
				return fmt.Errorf("writing results: %w", err)
			}
			continue
		}
		showResult(w, r)
	}
	if !asJSON {
		fmt.Fprintf(w, "%s, %d failed\n", counted(len(results), "test"), failed)
	}
	if failed > 0 {
		return &codeError{code: exitFailure, shown: true, err: errTests}
	}
	return nil
}

func showResult(w io.Writer, r *ruletest.Result) {
	if r.Passed {
		fmt.Fprintf(w, "ok    %s: %s\n", r.Rule, r.Test)
		return
	}
	fmt.Fprintf(w, "FAIL  %s: %s (line %d)\n", r.Rule, r.Test, r.Line)
	for line := range strings.Lines(r.Diff) {
		fmt.Fprintf(w, "      %s\n", strings.TrimRight(line, "\n"))
	}
}

func rulesExplainCommand() *cobra.Command {
	var (
		asJSON bool
		only   []string
	)
	cmd := &cobra.Command{
		Use:   "explain FILE…",
		Short: "Show how rules and views are run: automaton, evaluator, timing, and why",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, paths []string) error {
			set, err := loadDocuments(cmd, paths, asJSON)
			if err != nil {
				return err
			}
			if err := known(set, only...); err != nil {
				return err
			}
			for _, v := range set.Views {
				if len(only) > 0 {
					break
				}
				if err := showExplanation(cmd.OutOrStdout(), rules.ExplainView(v, set), asJSON); err != nil {
					return err
				}
			}
			for _, r := range set.Rules {
				if len(only) > 0 && !slices.Contains(only, r.Doc.Name) {
					continue
				}
				if err := showExplanation(cmd.OutOrStdout(), rules.Explain(r, set), asJSON); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a rule")
	cmd.Flags().StringArrayVar(&only, "rule", nil, "explain this rule only; may be given again")
	return cmd
}

func showExplanation(w io.Writer, e *rules.Explanation, asJSON bool) error {
	if asJSON {
		if err := json.NewEncoder(w).Encode(e); err != nil {
			return fmt.Errorf("writing the explanation: %w", err)
		}
		return nil
	}
	if e.View != "" {
		fmt.Fprintf(w, "view %s\n", e.View)
	} else {
		fmt.Fprintf(w, "rule %s\n", e.Rule)
	}
	fmt.Fprintf(w, "  evaluator: %s\n    because %s\n", e.Evaluator, e.EvaluatorBecause)
	fmt.Fprintf(w, "  timing:    %s\n    by default %s, because %s\n", e.Timing, e.DefaultTiming, e.TimingBecause)
	fmt.Fprintf(w, "  path:      %s\n", e.Path)
	if e.First != "" {
		fmt.Fprintf(w, "  stages:    %s, then %s\n", e.First, e.Input)
	}
	for _, why := range e.PathBecause {
		fmt.Fprintf(w, "    because %s\n", why)
	}
	fmt.Fprintln(w, "  program:")
	for line := range strings.Lines(e.Program) {
		fmt.Fprintf(w, "    %s\n", strings.TrimRight(line, "\n"))
	}
	return nil
}
