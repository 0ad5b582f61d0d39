package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"github.com/caltrop/caltrop/engine/kafka"
	"github.com/caltrop/caltrop/internal/api"
	"github.com/spf13/cobra"
)

var _ api.Rescaler = jobs{}

// Rescale implements api.Rescaler.
func (j jobs) Rescale(ctx context.Context, partitions int) (api.Rescale, error) {
	asked, err := j.node.engine.Rescale(ctx, partitions, time.Now())
	switch {
	case errors.Is(err, kafka.ErrScale):
		return api.Rescale{}, &api.RescaleError{Why: err, Bad: true}
	case errors.Is(err, kafka.ErrNotKeyed), errors.Is(err, kafka.ErrRescaling):
		return api.Rescale{}, &api.RescaleError{Why: err}
	case err != nil:
		return api.Rescale{}, err
	}
	return *rescaleOf(&kafka.Rescaling{Scale: *asked}), nil
}

// rescaleOf is a rescale as clients see it.
func rescaleOf(r *kafka.Rescaling) *api.Rescale {
	shown := &api.Rescale{State: "leaving", Generation: r.Generation, Partitions: r.Partitions, Asked: timeText(r.Asked),
		Barriers: api.Progress{Done: r.Left, Of: r.Writers}, Sealed: api.Progress{Done: r.Seals, Of: r.Leaving}, Moved: api.Progress{Done: r.Moved, Of: r.Tasks}}
	switch {
	case !r.Done.IsZero():
		shown.State, shown.Done = "done", timeText(r.Done)
	case r.Writers > 0 && r.Left == r.Writers:
		shown.State = "moving"
	}
	if r.Err != nil {
		shown.Error = r.Err.Error()
	}
	return shown
}

func jobsRescaleCommand() *cobra.Command {
	var address string
	var partitions int
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "rescale JOB --partitions N",
		Short: "Move the keyed logs of a job to more partitions",
		Long: `Move the keyed logs of a job to more partitions: every log gets a topic of N
partitions, a multiple of what it has, and all processes of the job go over to
it behind a barrier in the earlier one. Nothing is lost, and nothing is raised
twice. The job runs on meanwhile.

Exit codes: 0 every task has moved, 1 it was refused, or it is not over yet.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return rescale(cmd.Context(), cmd.OutOrStdout(), address, wait, args[0], partitions)
		},
	}
	cmd.Flags().StringVar(&address, "api", defaultAPI, "address of a running Caltrop")
	cmd.Flags().IntVar(&partitions, "partitions", 0, "how many partitions each keyed log is to have")
	cmd.Flags().DurationVar(&wait, "wait", 10*time.Minute, "how long to wait until every task has moved")
	if err := cmd.MarkFlagRequired("partitions"); err != nil {
		panic(err) // the flag is there
	}
	return cmd
}

func rescale(ctx context.Context, w io.Writer, address string, wait time.Duration, job string, partitions int) error {
	var r api.Rescale
	if err := postJSON(ctx, address+"/v1/jobs/"+url.PathEscape(job)+"/rescale?partitions="+strconv.Itoa(partitions), &r); err != nil {
		return err
	}
	asked := r.Generation
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	tick := time.NewTicker(savepointLook)
	defer tick.Stop()
	for r.State != "done" {
		select {
		case <-ctx.Done():
			return fmt.Errorf("job %s goes on to %s", job, rescaleText(&r))
		case <-tick.C:
		}
		jobs, err := askJobs(ctx, address)
		if err != nil {
			return err
		}
		for i := range jobs {
			if now := jobs[i].Rescale; jobs[i].Name == job && now != nil && now.Generation == asked {
				r = *now
			}
		}
	}
	_, err := fmt.Fprintf(w, "job %s is at %s\n", job, rescaleText(&r))
	return err
}

// rescaleText is one line of a rescale.
func rescaleText(r *api.Rescale) string {
	text := fmt.Sprintf("generation %d, %d partitions: %s, barriers %d of %d, sealed %d of %d, moved %d of %d", r.Generation, r.Partitions, r.State,
		r.Barriers.Done, r.Barriers.Of, r.Sealed.Done, r.Sealed.Of, r.Moved.Done, r.Moved.Of)
	if r.Error != "" {
		text += ": " + r.Error
	}
	return text
}
