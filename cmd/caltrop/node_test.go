package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// A process that is told to end says so at once, and why.
func TestTheLogSaysThatAProcessEnds(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	written, _, ended := runNode(ctx, t, fmt.Sprintf("kafka: {brokers: ['127.0.0.1:1']}\ndata: %q\nhttp: {address: '127.0.0.1:0'}\n", t.TempDir()))
	select {
	case <-written.waited:
	case <-time.After(5 * time.Minute):
		t.Fatal("the process does not begin")
	}
	const said = "ending: tasks commit"
	if text := written.String(); strings.Contains(text, said) {
		t.Errorf("before it is told to, the process says:\n%s", text)
	}
	cancel(errors.New("told to"))
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
	if text := written.String(); strings.Count(text, said) != 1 || !strings.Contains(text, `why="told to"`) {
		t.Errorf("want one line with %q and why:\n%s", said, text)
	}
}
