//go:build e2e

package faults

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "caltrop-faults")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "caltrop")
	m.Run()
	os.RemoveAll(dir)
}
