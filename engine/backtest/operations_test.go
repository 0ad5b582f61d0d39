package backtest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/engine/backtest"
)

// gate is a History whose readers wait until it is opened.
type gate struct {
	memory
	open chan struct{}
}

func (g gate) Open(ctx context.Context, topic string, s backtest.Span) (backtest.Reader, error) {
	select {
	case <-g.open:
		return g.memory.Open(ctx, topic, s)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// operations runs operations until the test ends; stop ends them before.
func operations(t *testing.T, h backtest.History) (ops *backtest.Operations, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "backtests")
	ops = backtest.NewOperations(backtest.OperationsOptions{History: h, Dir: dir, Bytes: 32 << 20,
		Report: func(r *backtest.Result) ([]byte, error) {
			return fmt.Appendf(nil, "%d alerts", len(r.Alerts)), nil
		}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- ops.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v", err)
		}
	})
	return ops, dir
}

// until waits for a state of an operation.
func until(t *testing.T, ops *backtest.Operations, id string, want backtest.State) backtest.Operation {
	t.Helper()
	for {
		op, ok := ops.Get(id)
		if !ok || t.Context().Err() != nil {
			t.Fatalf("operation %s: %+v", id, op)
		}
		if op.State == want {
			return op
		}
		if op.State != backtest.Waiting && op.State != backtest.Running {
			t.Fatalf("operation %s is %s, %s; want %s", id, op.State, op.Error, want)
		}
	}
}

func TestOperationsRunInTurn(t *testing.T) {
	m, _ := traffic(1, 2)
	g := gate{m, make(chan struct{})}
	ops, dir := operations(t, g)
	plan := backtest.Plan{Set: load(t, documents)}
	first, err := ops.Start(plan)
	if err != nil {
		t.Fatal(err)
	}
	until(t, ops, first.ID, backtest.Running)
	second, _ := ops.Start(plan)
	third, _ := ops.Start(plan)
	if op, ok := ops.Cancel(second.ID); !ok || op.State != backtest.Cancelled {
		t.Errorf("cancelled: %+v", op)
	}
	close(g.open)
	for _, id := range []string{first.ID, third.ID} {
		op := until(t, ops, id, backtest.Done)
		if !strings.HasSuffix(string(op.Report), " alerts") || op.Read != 1200 || op.Total != 1200 || fmt.Sprint(op.Rules) != "[quiet rising]" {
			t.Errorf("got %+v", op)
		}
	}
	if op := until(t, ops, second.ID, backtest.Cancelled); op.Report != nil || len(ops.All()) != 3 {
		t.Errorf("the cancelled one ran: %+v", op)
	}
	if left, err := os.ReadDir(dir); len(left) > 0 || err != nil {
		t.Errorf("state is left: %v, %v", left, err)
	}
}

func TestARunningOperationIsCancelled(t *testing.T) {
	m, _ := traffic(1, 2)
	ops, _ := operations(t, gate{m, nil})
	op, _ := ops.Start(backtest.Plan{Set: load(t, documents)})
	until(t, ops, op.ID, backtest.Running)
	ops.Cancel(op.ID)
	until(t, ops, op.ID, backtest.Cancelled)
	if _, ok := ops.Cancel("nothing"); ok {
		t.Error("what is not there was cancelled")
	}
}

func TestOperationsAreBounded(t *testing.T) {
	g := gate{memory{{{Time: begin * 1e6}}}, make(chan struct{})}
	ops, _ := operations(t, g)
	plan := backtest.Plan{Set: load(t, documents)}
	first, _ := ops.Start(plan)
	until(t, ops, first.ID, backtest.Running)
	for range backtest.WaitingMax {
		if _, err := ops.Start(plan); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ops.Start(plan); !errors.Is(err, backtest.ErrBusy) {
		t.Errorf("one too many: %v", err)
	}
	close(g.open)
	last := first
	for range backtest.KeptMax + 5 {
		op, err := ops.Start(plan)
		for errors.Is(err, backtest.ErrBusy) {
			op, err = ops.Start(plan)
		}
		last = op
	}
	until(t, ops, last.ID, backtest.Done)
	ops.Start(plan)
	if n := len(ops.All()); n > backtest.KeptMax+1 {
		t.Errorf("%d are kept", n)
	}
	if _, ok := ops.Get(first.ID); ok {
		t.Error("the oldest is kept")
	}
}

func TestAFailedOperationSaysWhy(t *testing.T) {
	m, _ := traffic(1, 1)
	ops, _ := operations(t, m)
	op, _ := ops.Start(backtest.Plan{Set: load(t, strings.ReplaceAll(documents, "topic: payments", "topic: other"))})
	if got := until(t, ops, op.ID, backtest.Failed); !strings.Contains(got.Error, "no topic other") {
		t.Errorf("got %+v", got)
	}
}
