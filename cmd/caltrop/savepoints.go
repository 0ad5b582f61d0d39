package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/caltrop/caltrop/engine/checkpoint"
	"github.com/caltrop/caltrop/engine/kafka"
	"github.com/caltrop/caltrop/internal/api"
	"github.com/spf13/cobra"
)

// savepoints answers the REST interface for those of this process's job.
type savepoints struct {
	node  *node
	store *checkpoint.Savepoints
}

var _ api.Savepoints = savepoints{}

// Ask implements api.Savepoints.
func (s savepoints) Ask(ctx context.Context, name string) (api.Savepoint, error) {
	scope, err := s.node.engine.Scope(ctx)
	if errors.Is(err, kafka.ErrNoSavepoint) {
		return api.Savepoint{}, api.SavepointRefused(err.Error())
	}
	if err != nil {
		return api.Savepoint{}, err
	}
	p, err := s.store.Ask(name, scope, time.Now())
	switch {
	case errors.Is(err, checkpoint.ErrExists):
		return api.Savepoint{}, fmt.Errorf("%w: %w", api.ErrSavepointTaken, err)
	case errors.Is(err, checkpoint.ErrSavepointName):
		return api.Savepoint{}, fmt.Errorf("%w: %w", api.ErrSavepointName, err)
	case err != nil:
		return api.Savepoint{}, err
	}
	return savepointOf(p), nil
}

// All implements api.Savepoints.
func (s savepoints) All(ctx context.Context) ([]api.Savepoint, error) {
	names, err := s.store.Names()
	if err != nil {
		return nil, err
	}
	var all []api.Savepoint
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p, err := s.store.Get(name)
		if err != nil {
			return nil, err
		}
		all = append(all, savepointOf(p))
	}
	return all, nil
}

// Get implements api.Savepoints.
func (s savepoints) Get(_ context.Context, name string) (api.Savepoint, error) {
	p, err := s.store.Get(name)
	if errors.Is(err, checkpoint.ErrNoSavepoint) {
		return api.Savepoint{}, fmt.Errorf("%w: %w", api.ErrSavepointUnknown, err)
	}
	if err != nil {
		return api.Savepoint{}, err
	}
	return savepointOf(p), nil
}

func savepointOf(p *checkpoint.Savepoint) api.Savepoint {
	return api.Savepoint{Name: p.Name, Job: p.Job, State: string(p.State(time.Now())), Asked: timeText(p.Asked),
		Tasks: append([]string{}, p.Tasks...), Done: append([]string{}, p.Done...)}
}

func jobsCommand() *cobra.Command {
	return commandGroup("jobs", "Look at the tasks of a running job, rescale it, and make savepoints", jobsListCommand(), jobsRescaleCommand(), jobsSavepointCommand())
}

func jobsListCommand() *cobra.Command {
	var address string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List the tasks of a process and the savepoints of its job",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			show := showJobs
			if asJSON {
				show = encodeJobs
			}
			all, err := listJobs(cmd.Context(), address)
			if err != nil {
				return err
			}
			return show(cmd.OutOrStdout(), all)
		},
	}
	cmd.Flags().StringVar(&address, "api", defaultAPI, "address of a running Caltrop")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print each job as one line of JSON")
	return cmd
}

// A listedJob is a job with its savepoints.
type listedJob struct {
	api.Job
	Savepoints []api.Savepoint `json:"savepoints"`
}

func listJobs(ctx context.Context, address string) ([]listedJob, error) {
	jobs, err := askJobs(ctx, address)
	if err != nil {
		return nil, err
	}
	var all []listedJob
	for _, j := range jobs {
		one := listedJob{Job: j}
		if err := getJSON(ctx, address+"/v1/jobs/"+url.PathEscape(j.Name)+"/savepoints", &one); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

func encodeJobs(w io.Writer, jobs []listedJob) error {
	out := json.NewEncoder(w)
	for i := range jobs {
		if err := out.Encode(&jobs[i]); err != nil {
			return fmt.Errorf("printing a job: %w", err)
		}
	}
	return nil
}

func showJobs(w io.Writer, jobs []listedJob) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, j := range jobs {
		fmt.Fprintf(t, "job %s\tat %s\t%d rules\n", j.Name, j.Instance, len(j.Rules))
		for _, task := range j.Tasks {
			fmt.Fprintf(t, "  %s.%d\t%s\tlag %d\tcheckpoint %s\t%s\n", task.Stream, task.Partition, task.State, task.Lag, task.Checkpoint, task.Error)
		}
		if j.Rescale != nil {
			fmt.Fprintf(t, "  rescale\t%s\n", rescaleText(j.Rescale))
		}
		for _, p := range j.Savepoints {
			fmt.Fprintf(t, "  savepoint %s/%s\t%s\t%d of %d tasks\t%s\n", p.Job, p.Name, p.State, len(p.Done), len(p.Tasks), p.Asked)
		}
	}
	return t.Flush()
}

func askJobs(ctx context.Context, address string) ([]api.Job, error) {
	var answer struct{ Jobs []api.Job }
	err := getJSON(ctx, address+"/v1/jobs", &answer)
	return answer.Jobs, err
}

func jobsSavepointCommand() *cobra.Command {
	var address string
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "savepoint [NAME]",
		Short: "Make a savepoint of the job of a process",
		Long: `Make a savepoint: every task of the job, at all its processes, stores its state
once more, apart from its checkpoints. It stays until somebody removes it.
Another job starts from it with serve --from-savepoint JOB/NAME.

Exit codes: 0 it is complete, 1 it is not.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return makeSavepoint(cmd.Context(), cmd.OutOrStdout(), address, wait, args)
		},
	}
	cmd.Flags().StringVar(&address, "api", defaultAPI, "address of a running Caltrop")
	cmd.Flags().DurationVar(&wait, "wait", 10*time.Minute, "how long to wait until it is complete")
	return cmd
}

// savepointLook is how often a savepoint that is being made is looked at.
const savepointLook = time.Second

func makeSavepoint(ctx context.Context, w io.Writer, address string, wait time.Duration, names []string) error {
	jobs, err := askJobs(ctx, address)
	if err != nil {
		return err
	}
	if len(jobs) != 1 {
		return fmt.Errorf("%s runs %d jobs, want one", address, len(jobs))
	}
	at := address + "/v1/jobs/" + url.PathEscape(jobs[0].Name) + "/savepoints"
	query := ""
	for _, name := range names {
		query = "?name=" + url.QueryEscape(name)
	}
	var p api.Savepoint
	if err := postJSON(ctx, at+query, &p); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	tick := time.NewTicker(savepointLook)
	defer tick.Stop()
	for p.State == string(checkpoint.SavepointRunning) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("savepoint %s/%s is not complete: %d of %d tasks", p.Job, p.Name, len(p.Done), len(p.Tasks))
		case <-tick.C:
		}
		if err := getJSON(ctx, at+"/"+url.PathEscape(p.Name), &p); err != nil {
			return err
		}
	}
	if p.State != string(checkpoint.SavepointComplete) {
		return fmt.Errorf("savepoint %s/%s has %s: %d of %d tasks", p.Job, p.Name, p.State, len(p.Done), len(p.Tasks))
	}
	_, err = fmt.Fprintf(w, "savepoint %s/%s is complete, %d tasks\n", p.Job, p.Name, len(p.Tasks))
	return err
}
