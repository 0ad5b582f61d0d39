package main

import (
	"bytes"
	"strings"
	"testing"
)

// A flag that cannot be is refused before anything is started.
func TestDevRefusesFlags(t *testing.T) {
	for _, c := range []struct{ flag, value, want string }{
		{"--kafka", "0", "--kafka 0 is no port"},
		{"--kafka", "99999", "--kafka 99999 is no port"},
		{"--rate", "0", "--rate 0 is no positive number"},
		{"--rate", "NaN", "--rate NaN is no positive number"},
		{"--past", "-1h", "--past -1h0m0s lies ahead"},
		{"--data", "", "--data"},
	} {
		var out, errs bytes.Buffer
		args := []string{"dev", "--data", t.TempDir(), "--http", "127.0.0.1:0", "--kafka", "1", c.flag, c.value}
		err := run(t.Context(), args, environ{in: strings.NewReader(""), out: &out, err: &errs})
		if exitCode(err) != exitFailure || !strings.Contains(errs.String(), c.want) || out.Len() > 0 {
			t.Errorf("dev %s %s: exit %d, %s%s; want 1 and %q", c.flag, c.value, exitCode(err), &out, &errs, c.want)
		}
	}
}
