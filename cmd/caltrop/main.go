// Command caltrop finds patterns in event streams: it checks and tests rules,
// matches them over files, and runs them over Kafka. This folder is flags,
// wiring and signals; everything else is in the packages it wires.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes, as the help documents them.
const (
	exitRan     = 0 // the command did what it was asked to
	exitFailure = 1 // it could not: a flag, a file, a broker, a failed test
	exitBad     = 2 // a document or an event is bad
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], environ{in: os.Stdin, out: os.Stdout, err: os.Stderr})
	stop()
	os.Exit(exitCode(err))
}

// environ is what a command touches of the process.
type environ struct {
	in       io.Reader
	out, err io.Writer
}

// run runs one command line. It writes the error to env.err, unless the
// command has shown it already.
func run(ctx context.Context, args []string, env environ) error {
	root := rootCommand()
	root.SetArgs(args)
	root.SetIn(env.in)
	root.SetOut(env.out)
	root.SetErr(env.err)
	err := root.ExecuteContext(ctx)
	var c *codeError
	if err != nil && !(errors.As(err, &c) && c.shown) {
		fmt.Fprintln(env.err, "caltrop: "+err.Error())
	}
	return err
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "caltrop",
		Short: "Find patterns in event streams",
		Long: `Caltrop runs rules (sequences, absences, velocities) over event streams.

Exit codes: 0 the command ran, 1 it failed (or a rule's test did), 2 a
document or an event is bad.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(devCommand(), serveCommand(), matchCommand(), backtestCommand(), rulesCommand(), alertsCommand(), genCommand(), benchCommand(), dlqCommand(), jobsCommand())
	return root
}

// commandGroup returns a command that only holds others: without one of their
// names it prints its help, and another name is an error.
func commandGroup(use, short string, commands ...*cobra.Command) *cobra.Command {
	group := &cobra.Command{
		Use: use, Short: short,
		DisableFlagsInUseLine:      true,
		SuggestionsMinimumDistance: 2,
		FParseErrWhitelist:         cobra.FParseErrWhitelist{UnknownFlags: true}, // they belong to the command that is unknown
		Args:                       cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			hint := ""
			if meant := cmd.SuggestionsFor(args[0]); len(meant) > 0 {
				hint = fmt.Sprintf(": did you mean %s?", strings.Join(meant, " or "))
			}
			return fmt.Errorf("%s has no command %q%s", cmd.CommandPath(), args[0], hint)
		},
	}
	group.AddCommand(commands...)
	return group
}

// refuseFlags is an error if one of the flags is given: the command would pass
// over it.
func refuseFlags(cmd *cobra.Command, why string, flags ...string) error {
	for _, name := range flags {
		if cmd.Flags().Changed(name) {
			return fmt.Errorf("--%s %s", name, why)
		}
	}
	return nil
}

// A codeError ends the process with a code of its own.
type codeError struct {
	code  int
	shown bool // the command has written it already
	err   error
}

// Error returns the cause's text.
func (e *codeError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *codeError) Unwrap() error { return e.err }

// bad marks an error as that of a document or event; shown tells that the
// user has seen it.
func bad(err error, shown bool) error { return &codeError{code: exitBad, shown: shown, err: err} }

func exitCode(err error) int {
	var c *codeError
	switch {
	case err == nil:
		return exitRan
	case errors.As(err, &c):
		return c.code
	}
	return exitFailure
}
