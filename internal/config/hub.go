package config

import (
	"context"
	"time"

	"github.com/permafrost-ml/permafrost/internal/hub"
	"github.com/permafrost-ml/permafrost/internal/hub/layout"
	"github.com/permafrost-ml/permafrost/internal/report"
)

// Fetch brings the models and data that options name on the Hugging Face hub into the cache, and
// puts their paths in place of the names. Sinks get what is downloaded, and notes.
func (c *Config) Fetch(ctx context.Context, sinks ...report.Sink) error {
	for _, path := range []*string{&c.Data, &c.Val} {
		if err := FetchData(ctx, path, sinks...); err != nil {
			return err
		}
	}
	return c.EachModelPath(func(path *string) error { return FetchModel(ctx, path, sinks...) })
}

// FetchModel replaces the name of a model on the hub by its path in the cache. It leaves other
// paths as they are.
func FetchModel(ctx context.Context, path *string, sinks ...report.Sink) error {
	return fetch(ctx, layout.Models, path, sinks)
}

// FetchData is FetchModel for data.
func FetchData(ctx context.Context, path *string, sinks ...report.Sink) error {
	return fetch(ctx, layout.Datasets, path, sinks)
}

func fetch(ctx context.Context, kind layout.Kind, path *string, sinks []report.Sink) (err error) {
	if !layout.Is(*path) {
		return nil
	}
	emit := func(e report.Event) {
		for _, s := range sinks {
			s.Emit(time.Now(), e)
		}
	}
	h, err := hub.FromEnv()
	if err != nil {
		return err
	}
	h.Progress = func(p hub.Progress) { emit(&report.Download{File: p.File, Done: p.Done, Size: p.Size}) }
	h.Note = func(text string) { emit(&report.Warning{Message: text}) }
	*path, err = h.Find(ctx, kind, *path)
	return err
}

// Pinned returns c with paths in the hub's cache as names with the commit, so that they mean the same
// on every machine.
func (c Config) Pinned() Config {
	c.Data, c.Val = layout.Pinned(c.Data), layout.Pinned(c.Val)
	_ = c.EachModelPath(func(path *string) error {
		*path = layout.Pinned(*path)
		return nil
	})
	return c
}
