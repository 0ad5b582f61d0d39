package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/caltrop/caltrop/engine/kafka"
	"github.com/caltrop/caltrop/internal/api"
	"github.com/caltrop/caltrop/rules"
)

// jobs tells the REST interface how the engine of this process is doing.
type jobs struct{ node *node }

var _ api.Jobs = jobs{}

// Jobs returns the one job of this process.
func (j jobs) Jobs(context.Context) ([]api.Job, error) {
	job := api.Job{Name: j.node.conf.Job, Instance: j.node.conf.Instance, Rules: []string{}, Paths: []api.Path{}, Tasks: []api.Task{}}
	set := j.node.registry.Current()
	for _, r := range set.AtWork() {
		p := set.PathOf(r)
		job.Rules = append(job.Rules, r.Doc.Name)
		job.Paths = append(job.Paths, api.Path{Rule: r.Doc.Name, State: string(cmp.Or(r.State, rules.Live)), Input: p.Input, First: p.First, Because: p.Because})
	}
	status := j.node.engine.Status()
	if r := j.node.engine.Rescaling(); r != nil {
		job.Rescale = rescaleOf(r)
	}
	job.Missing = append([]string{}, status.Missing...)
	for _, t := range status.Tasks {
		job.Tasks = append(job.Tasks, taskOf(&t))
	}
	return []api.Job{job}, nil
}

func taskOf(t *kafka.TaskStatus) api.Task {
	c := t.Counts
	shown := api.Task{
		Input: t.Topic, Stream: t.ID.Stream(), Role: t.ID.Role(), Partition: t.ID.Partition, State: string(t.State), Error: t.Reason,
		Position: api.Position{Offset: t.Position.Offset, Seq: t.Position.Seq}, Lag: t.Lag, Rules: t.RulesVersion,
		Counts:          api.Counts{Records: c.Records, Accepted: c.Accepted, Late: c.Late, Dead: c.Dead, Duplicates: c.Duplicates},
		CheckpointError: t.CheckpointError, HeldBytes: t.HeldBytes,
	}
	if m := t.Misplaced; m.Records > 0 {
		shown.Misplaced = &api.Misplaced{Revision: m.Revision, Records: m.Records, First: m.First, Why: m.Why}
	}
	for _, r := range t.Rules {
		at := api.RuleAtWork{Name: r.Ref.Name, Revision: r.Ref.Revision, View: r.View, Mode: r.Mode.String(), Ending: !r.Live}
		if r.Covered != 0 {
			at.Covered = timeText(time.UnixMicro(r.Covered))
		}
		shown.Running = append(shown.Running, at)
	}
	if w := t.Warming; w != nil {
		shown.Warming = &api.WarmUp{Read: w.Read, Left: w.Left, Error: w.Error}
		for _, ref := range w.Rules {
			shown.Warming.Rules = append(shown.Warming.Rules, fmt.Sprintf("%s/%d", ref.Name, ref.Revision))
		}
	}
	if t.Watermark != 0 {
		shown.Watermark = timeText(time.UnixMicro(t.Watermark))
	}
	if !t.Checkpoint.IsZero() {
		shown.Checkpoint = timeText(t.Checkpoint)
	}
	if t.CheckpointError != "" {
		shown.CheckpointFails = timeText(t.CheckpointFails)
	}
	return shown
}

func timeText(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
