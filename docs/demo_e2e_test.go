//go:build e2e

package docs_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The promises of `make demo`.
const (
	firstAlertWithin = time.Minute
	goneWithin       = 10 * time.Second
)

// alertLine is how `caltrop dev` prints an alert: time, severity, rule, key,
// summary, number of events.
var alertLine = regexp.MustCompile(`^\d\d:\d\d:\d\d  (INFO|LOW|MEDIUM|HIGH|CRITICAL) +([a-z][a-z0-9-]*) +(\S+) +\S.* \(\d+ events?\)$`)

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// TestDemo runs what the README shows first: alerts come, of the rules and in
// the form that it prints, and the process ends when it is asked to.
func TestDemo(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "caltrop")
	if out, err := exec.Command("go", "build", "-o", binary, "../cmd/caltrop").CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*firstAlertWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "dev", "--data", t.TempDir(),
		"--kafka", fmt.Sprint(freePort(t)), "--http", fmt.Sprintf("127.0.0.1:%d", freePort(t)))
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	wanted := map[string]bool{}
	for _, b := range fenced(t, "../README.md") {
		for line := range strings.Lines(b[1]) {
			if m := alertLine.FindStringSubmatch(strings.TrimSuffix(line, "\n")); m != nil && b[0] == "text" {
				wanted[m[2]] = true
			}
		}
	}
	if len(wanted) == 0 {
		t.Error("the README shows no alert")
	}
	first := time.Duration(0)
	for lines := bufio.NewScanner(out); len(wanted) > 0 && lines.Scan(); {
		if m := alertLine.FindStringSubmatch(lines.Text()); m != nil {
			delete(wanted, m[2])
			if first == 0 {
				first = time.Since(began)
			}
		}
	}
	if len(wanted) > 0 || first > firstAlertWithin {
		t.Errorf("no alert of %v; the first of any came after %s, the promise is %s; standard error:\n%s", wanted, first, firstAlertWithin, &complaints)
	}
	t.Logf("first alert after %s", first)
	asked := time.Now()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || time.Since(asked) > goneWithin {
		t.Errorf("ended %s after SIGTERM with %v; standard error:\n%s", time.Since(asked), err, &complaints)
	}
}
