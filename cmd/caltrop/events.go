package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/rules/offline"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// What the flags of files say.
const (
	rulesUsage  = "file with stream and rule documents; may be given again, or name several"
	eventsUsage = "file with events, packed with gzip or not; - for standard input"
)

// fileOptions are the flags of commands that run rules over a file.
type fileOptions struct {
	rules   []string
	events  string
	key     string // file
	skipBad bool
	json    bool
}

func (o *fileOptions) add(f *pflag.FlagSet, jsonUsage string) {
	f.StringArrayVar(&o.rules, "rules", nil, rulesUsage)
	f.StringVar(&o.events, "events", "-", eventsUsage)
	f.StringVar(&o.key, "pii-key", "", piiKeyUsage)
	f.BoolVar(&o.skipBad, "skip-bad", false, "count bad events and go on, instead of ending with code 2")
	f.BoolVar(&o.json, "json", false, jsonUsage)
}

// load reads and checks the documents; timing replaces the rules' own.
func (o *fileOptions) load(cmd *cobra.Command, timing string) (*rules.Set, error) {
	key, err := hashKeyOf(o.key)
	if err != nil {
		return nil, err
	}
	return overridden(cmd, rules.Override{Timing: timing, HashKey: key}, o.rules, o.json)
}

// An eventFile is a file of events that is being read, or standard input.
type eventFile struct {
	io.Reader
	file io.Closer
	bar  *bar
}

// Close ends the bar too. It may be called again.
func (f *eventFile) Close() error {
	f.bar.done()
	return f.file.Close()
}

// gzipMagic begins what gzip packed.
var gzipMagic = []byte{0x1f, 0x8b}

// openEvents opens a file of events, - for standard input, and unpacks it if it
// is packed with gzip. On a terminal it shows how much was read.
func openEvents(cmd *cobra.Command, name string) (*eventFile, error) {
	in, size, err := openInput(name, cmd.InOrStdin())
	if err != nil {
		return nil, err
	}
	f := &eventFile{file: in, bar: newBar(cmd.ErrOrStderr(), size, "reading events")}
	begun := bufio.NewReader(f.bar.reader(in))
	f.Reader = begun
	if magic, _ := begun.Peek(len(gzipMagic)); bytes.Equal(magic, gzipMagic) { // what cannot be read is read again
		if f.Reader, err = gzip.NewReader(begun); err != nil {
			f.Close()
			return nil, fmt.Errorf("unpacking events: %w", err)
		}
	}
	return f, nil
}

// readEvents reads a file of events into memory, unpacked.
func readEvents(cmd *cobra.Command, name string) ([]byte, error) {
	in, err := openEvents(cmd, name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	text, err := io.ReadAll(in)
	if err != nil {
		return nil, fmt.Errorf("reading events: %w", err)
	}
	return text, nil
}

// openInput opens the input; size is its length in bytes, -1 when unknown.
func openInput(name string, stdin io.Reader) (in io.ReadCloser, size int64, err error) {
	if name == "-" {
		return io.NopCloser(stdin), -1, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, 0, fmt.Errorf("opening events: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, 0, fmt.Errorf("opening events: %w", err)
	}
	if !info.Mode().IsRegular() {
		return file, -1, nil
	}
	return file, info.Size(), nil
}

// badEvent gives an error that is a line's exit code 2, and shows it as JSON if
// that is asked for. Other errors are returned as they are.
func badEvent(cmd *cobra.Command, file string, err error, asJSON bool) error {
	var line *offline.LineError
	if !errors.As(err, &line) {
		return err
	}
	if !asJSON {
		return bad(fmt.Errorf("events: %w", line), false)
	}
	problem := problemLine{File: file, Line: line.Line, Detail: line.Cause.Error()}
	if err := json.NewEncoder(cmd.ErrOrStderr()).Encode(problem); err != nil {
		return fmt.Errorf("writing problems: %w", err)
	}
	return bad(err, true)
}
