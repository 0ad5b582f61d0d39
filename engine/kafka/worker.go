package kafka

import (
	"context"
	"errors"
	"time"
)

// A worker runs one task for as long as this process is assigned its partition:
// one tenure after the other. Its goroutine ends when its context does.
type worker struct {
	id     TaskID
	topic  string
	cancel context.CancelFunc
	done   chan struct{}
	after  <-chan struct{} // closed when the last worker of the task has left nothing behind; nil: it has not
	gone   <-chan struct{} // likewise of this one, to be read when it is done
}

// start runs a task. Its end is not tied to the context of Run: an engine stops
// its workers itself, and waits for them.
func (e *Engine) start(id TaskID, topic string) *worker {
	ctx, cancel := context.WithCancel(context.Background())
	w := &worker{id: id, topic: topic, cancel: cancel, done: make(chan struct{}), after: e.leaving[id]}
	delete(e.leaving, id)
	go func() {
		defer close(w.done)
		e.work(ctx, w)
	}()
	return w
}

// work begins a tenure again after an error, later and later, unless the
// partition is halted: then it waits for its end.
func (e *Engine) work(ctx context.Context, w *worker) {
	if w.after != nil {
		e.note(TaskStatus{ID: w.id, Topic: w.topic, State: StateAcquiring, Reason: "a checkpoint of its last tenure here is still being stored or restored"})
		select {
		case <-w.after:
		case <-ctx.Done():
			w.gone = w.after
			return
		}
	}
	for wait := retryFirst; ctx.Err() == nil; wait = min(2*wait, retryMost) {
		began := time.Now()
		t := e.owner(w)
		err := t.run(ctx)
		if err == nil || ctx.Err() != nil {
			w.gone = t.leftover()
			return
		}
		if time.Since(began) > time.Minute {
			wait = retryFirst
		}
		e.ended(w.id, t, err)
		switch {
		case halts(err):
			<-ctx.Done()
		case errors.Is(err, ErrFenced):
			// Another process was given the partition while this one was not
			// looking. Fencing it in turn would only start a fight: after this
			// wait the group has told us either that the partition is gone, and
			// then ctx ends, or that it is still ours.
			pause(ctx, sessionTimeout)
		default:
			if topicGone(err) {
				e.restoreTopics(ctx)
			}
			pause(ctx, wait)
		}
	}
}

// restoreTopics creates what topics of ours have been deleted, as a start does.
func (e *Engine) restoreTopics(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*metadataTimeout)
	defer cancel()
	if err := e.cluster.EnsureShared(ctx); err != nil && ctx.Err() == nil {
		e.cluster.opts.Log.Warn("topics that are written to not looked for", "error", err)
	}
}

func (e *Engine) owner(w *worker) owner {
	common := tenured{id: w.id, topic: w.topic, opts: &e.opts, cluster: e.cluster, rules: e.rules, report: e.note, traces: newTraces(&e.opts)}
	if stream, ok := w.id.routed(); ok {
		return &routing{tenured: common, halted: e.halted, stream: stream, skews: &e.skews}
	}
	return &tenure{tenured: common, halted: e.halted, wanted: e.wanted}
}

// ended makes the end of a tenure known.
func (e *Engine) ended(id TaskID, t owner, err error) {
	state := StateRetrying
	if halts(err) {
		state = StateHalted
	}
	e.opts.Metrics.stopped(id.Input, state == StateHalted)
	level := e.cluster.opts.Log.Warn
	if state == StateHalted {
		level = e.cluster.opts.Log.Error
	}
	if !errors.Is(err, context.Canceled) {
		level("task stopped", "partition", id.String(), "state", string(state), "error", err)
	}
	t.end(state, err)
}

func (e *Engine) note(s TaskStatus) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mu.tasks[s.ID] = s
}
