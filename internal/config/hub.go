package config

import (
	"context"
	"strings"
	"time"

	"github.com/permafrost-ml/permafrost/internal/adapter"
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
	if folder, ok := c.adapterFolder(); ok && layout.Is(folder) {
		h, err := hubOf(sinks)
		if err != nil {
			return err
		}
		if folder, err = h.Adapter(ctx, folder); err != nil {
			return err
		}
		c.Adapter = peftPrefix + folder
	}
	return c.EachModelPath(func(path *string) error { return FetchModel(ctx, path, sinks...) })
}

const peftPrefix = string(adapter.PEFT) + ":"

// adapterFolder is the folder of an adapter of peft, which may be named on the hub.
func (c *Config) adapterFolder() (folder string, ok bool) {
	return strings.CutPrefix(c.Adapter, peftPrefix)
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
	h, err := hubOf(sinks)
	if err != nil {
		return err
	}
	*path, err = h.Find(ctx, kind, *path)
	return err
}

// hubOf is the hub of the environment, which tells sinks what is downloaded, and notes.
func hubOf(sinks []report.Sink) (*hub.Hub, error) {
	emit := func(e report.Event) {
		for _, s := range sinks {
			s.Emit(time.Now(), e)
		}
	}
	h, err := hub.FromEnv()
	if err != nil {
		return nil, err
	}
	h.Progress = func(p hub.Progress) { emit(&report.Download{File: p.File, Done: p.Done, Size: p.Size}) }
	h.Note = func(text string) { emit(&report.Warning{Message: text}) }
	return h, nil
}

// Pinned returns c with paths in the hub's cache as names with the commit, so that they mean the same
// on every machine.
func (c Config) Pinned() Config {
	c.Data, c.Val = layout.Pinned(c.Data), layout.Pinned(c.Val)
	if folder, ok := c.adapterFolder(); ok {
		c.Adapter = peftPrefix + layout.Pinned(folder)
	}
	_ = c.EachModelPath(func(path *string) error {
		*path = layout.Pinned(*path)
		return nil
	})
	return c
}
