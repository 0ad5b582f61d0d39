package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/caltrop/caltrop/engine/budget"
	"github.com/caltrop/caltrop/engine/checkpoint"
	"github.com/caltrop/caltrop/engine/checkpoint/s3"
	"github.com/caltrop/caltrop/engine/kafka"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// A keeper opens the state of the engine's tasks from their checkpoints.
type keeper struct {
	checkpoints *checkpoint.Keeper
	savepoints  *checkpoint.Savepoints
}

func newKeeper(c *config, memory *budget.Budget, m *kafka.Metrics, log *slog.Logger) (*keeper, error) {
	blobs, err := c.Checkpoint.open()
	if err != nil {
		return nil, err
	}
	return &keeper{savepoints: checkpoint.NewSavepoints(blobs, c.Job), checkpoints: checkpoint.NewKeeper(checkpoint.Options{
		Blobs: blobs, From: c.Checkpoint.From, Dir: filepath.Join(c.Data, "state"), Build: buildID(), Log: log,
		Budget:   memory,
		Rejected: func(string) { m.Rejected() },
		Moved:    func(way checkpoint.Way, bytes int64) { m.Moved(string(way), bytes) },
	})}, nil
}

// open opens the store of checkpoints.
func (c *checkpointConfig) open() (checkpoint.Blobs, error) {
	if c.S3.Endpoint == "" {
		return checkpoint.NewDirectory(vfs.Default, c.Directory)
	}
	o := s3.Options{Endpoint: c.S3.Endpoint, Bucket: c.S3.Bucket, Prefix: c.S3.Prefix, Region: c.S3.Region, AccessKey: c.S3.AccessKey}
	if c.S3.SecretKeyFile != "" {
		secret, err := os.ReadFile(c.S3.SecretKeyFile)
		if err != nil {
			return nil, fmt.Errorf("checkpoints.s3.secret_key_file: %w", err)
		}
		o.SecretKey = strings.TrimSpace(string(secret))
	}
	store, err := s3.Open(o)
	if err != nil {
		return nil, fmt.Errorf("checkpoints.s3: %w", err)
	}
	return store, nil
}

// Open implements kafka.Keeper.
func (k *keeper) Open(ctx context.Context, id kafka.TaskID, conf task.Config) (kafka.Kept, error) {
	kept, err := k.checkpoints.Open(ctx, id.String(), conf)
	if err != nil {
		return nil, err // not kept: a nil *Kept in an interface is no nil
	}
	return kept, nil
}

// OpenShare implements kafka.Keeper.
func (k *keeper) OpenShare(ctx context.Context, id kafka.TaskID, conf task.Config, s checkpoint.Share) (kafka.Kept, error) {
	kept, err := k.checkpoints.OpenShare(ctx, id.String(), conf, s)
	if err != nil {
		return nil, err
	}
	return kept, nil
}

// From implements kafka.Keeper.
func (k *keeper) From() (*checkpoint.Savepoint, error) { return k.checkpoints.From() }

// Sealed implements kafka.Keeper.
func (k *keeper) Sealed(seal string) ([]string, error) { return k.checkpoints.Sealed(seal) }

// Checkpointed implements kafka.Keeper.
func (k *keeper) Checkpointed(task string) (bool, error) { return k.checkpoints.Checkpointed(task) }

// buildID names this build in manifests: the revision it was made from.
func buildID() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return info.Main.Version
}
