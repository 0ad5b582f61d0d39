package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestCommands runs the scripts in testdata/commands: `file NAME` makes a
// file, `show` shows one, `caltrop` runs the command line in its input (a line `< TEXT` before
// it is standard input), and the expected value is what the command wrote to
// standard output, then to standard error, then its exit code.
func TestCommands(t *testing.T) {
	scripts, err := filepath.Abs("testdata/commands")
	if err != nil {
		t.Fatal(err)
	}
	datadriven.Walk(t, scripts, func(t *testing.T, path string) {
		t.Chdir(t.TempDir())
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "file":
				if err := os.WriteFile(d.CmdArgs[0].Key, []byte(d.Input+"\n"), 0o600); err != nil {
					d.Fatalf(t, "%v", err)
				}
				return ""
			case "show":
				text, err := os.ReadFile(d.Input)
				if err != nil {
					d.Fatalf(t, "%v", err)
				}
				return string(text)
			case "caltrop":
				return runLine(t, d.Input)
			}
			d.Fatalf(t, "unknown command %q", d.Cmd)
			return ""
		})
	})
}

func runLine(t *testing.T, input string) string {
	t.Helper()
	var stdin, out, errs bytes.Buffer
	lines := strings.Split(strings.TrimSpace(input), "\n")
	for _, l := range lines[:len(lines)-1] {
		stdin.WriteString(strings.TrimPrefix(l, "< ") + "\n")
	}
	err := run(t.Context(), strings.Fields(lines[len(lines)-1]), environ{in: &stdin, out: &out, err: &errs})
	return fmt.Sprintf("%s%sexit %d\n", &out, &errs, exitCode(err))
}
