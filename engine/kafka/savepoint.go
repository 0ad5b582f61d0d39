package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caltrop/caltrop/rules"
)

// savepointsEvery is how often a process looks for savepoints to take part in.
const savepointsEvery = 5 * time.Second

// lookForSavepoints finds out, until ctx ends, which savepoints are wanted of
// which tasks. A store that does not answer is asked again.
func (e *Engine) lookForSavepoints(ctx context.Context) {
	if e.opts.Savepoints == nil {
		return
	}
	known := map[string]bool{}
	for quiet := false; ctx.Err() == nil; pause(ctx, savepointsEvery) {
		wanted, err := e.opts.Savepoints.Wanted(time.Now(), known)
		if err != nil {
			if !quiet {
				e.cluster.opts.Log.Warn("savepoints not looked for", "error", err)
			}
			quiet = true
			continue
		}
		quiet = false
		e.mu.Lock()
		e.mu.wanted = wanted
		e.mu.Unlock()
	}
}

// wanted returns a savepoint, JOB/NAME, that is wanted of the task and that it
// has not made itself; "" when there is none.
func (e *Engine) wanted(id TaskID, made map[string]bool) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, name := range e.mu.wanted[id.Part()] {
		if of := e.cluster.opts.Job + "/" + name; !made[of] {
			return of
		}
	}
	return ""
}

// ErrKeyed is the error of a savepoint of a job with rules over keyed logs: what
// they hold is placed in logs of that job, which no other job reads.
var ErrKeyed = errors.New("rules of the job run over keyed logs, whose tasks another job cannot take over")

// Parts returns the tasks of the job, at all its processes, as savepoints call
// them, in order. It asks the cluster. The error matches ErrKeyed when some of
// them cannot be in a savepoint.
func (e *Engine) Parts(ctx context.Context) ([]string, error) {
	var parts []string
	for topic, inputs := range e.inputs() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n, err := e.cluster.Partitions(topic)
		if err != nil || n == 0 {
			return nil, errors.Join(fmt.Errorf("counting the tasks on topic %s: it does not exist, or kafka is away", topic), err)
		}
		for _, in := range inputs {
			if rules.IsKeyed(in.input) {
				return nil, fmt.Errorf("%w: %s", ErrKeyed, in.input)
			}
			if strings.HasPrefix(in.input, routePrefix) {
				continue // it has no state
			}
			for p := range int32(n) {
				parts = append(parts, TaskID{Input: in.input, Partition: p}.Part())
			}
		}
	}
	slices.Sort(parts)
	return parts, nil
}
