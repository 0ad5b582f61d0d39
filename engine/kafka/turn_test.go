package kafka

import (
	"testing"
	"time"
)

// Checkpoints that are due go one after the other, but none waits for longer than
// checkpoints lie apart.
func TestCheckpointsTakeTurns(t *testing.T) {
	c := &Cluster{saves: make(chan struct{}, savesAtOnce)}
	now := time.Unix(1_700_000_000, 0)
	alike := func() *tenure {
		return &tenure{tenured: tenured{cluster: c, opts: &EngineOptions{CheckpointEvery: 10 * time.Second}}}
	}
	a, b := alike(), alike()
	a.live.cutDue, b.live.cutDue = now, now
	done, ok := a.saveTurn(now)
	if !ok {
		t.Fatal("the first has to wait")
	}
	if _, ok := b.saveTurn(now.Add(9 * time.Second)); ok {
		t.Error("the second goes beside the first")
	}
	beside, ok := b.saveTurn(now.Add(10 * time.Second))
	if !ok {
		t.Error("the second waits for longer than checkpoints lie apart")
	}
	beside()
	if _, ok := b.saveTurn(now); ok {
		t.Error("one that went without a turn has ended that of the first")
	}
	done()
	if _, ok := b.saveTurn(now); !ok {
		t.Error("the second waits for nobody")
	}
}
