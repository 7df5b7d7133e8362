package federate

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/permafrost-ml/permafrost/internal/cache"
	"github.com/permafrost-ml/permafrost/internal/cluster"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/failure"
	"github.com/permafrost-ml/permafrost/internal/fed/link"
	"github.com/permafrost-ml/permafrost/internal/option"
)

// ClientOptions are those of a client.
type ClientOptions struct {
	NATS
	// Name is that of the client: letters, digits, - and _. The server tells clients apart by it, and
	// a client that starts again goes on under its name. Default: the user in URL, else the name of the
	// host with a few digits that follow from Data.
	Name string
	// Model is the client's own file of the pretrained model, which must be that of the server.
	// Default: the server sends it, once.
	Model string
	// Data are the client's examples. They never leave it.
	Data string
	// Memory is how many bytes the client can spend on training; with less than the plan takes it
	// freezes the first blocks. Default: any.
	Memory int64
	// Threads is how many it computes with. Default: one a core. Results do not depend on it.
	Threads int
	// Wait is how long the server may be away, as while it is started or resumed, and Idle how long no
	// task may come, before the client gives up. Default: 10 minutes, and an hour.
	Wait, Idle time.Duration
	// OnNote is called with what happens, from any goroutine; nil for none.
	OnNote func(string)
}

// Join takes part in a federation until the server says that it is over. It waits for a server that
// has not begun. When ctx ends it returns permafrost.ErrInterrupted; who starts again under the same
// name goes on. It errors with permafrost.ErrBadInput where the server refuses the client or the
// client cannot take part, as with another model, and where the waits of the options are over.
func Join(ctx context.Context, o ClientOptions) error {
	if err := o.fetch(ctx); err != nil {
		return failure.BadInput(err)
	}
	if err := o.check(); err != nil {
		return failure.BadInput(err)
	}
	err := link.Work(ctx, o.work())
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return failure.BadInput(err)
}

// fetch replaces names of the hub by paths.
func (o *ClientOptions) fetch(ctx context.Context) error {
	tell := noted(func(texts ...string) {
		for _, t := range texts {
			if o.OnNote != nil {
				o.OnNote(t)
			}
		}
	})
	if err := config.FetchModel(ctx, &o.Model, tell); err != nil {
		return err
	}
	return config.FetchData(ctx, &o.Data, tell)
}

// work are the options in the terms of package link.
func (o *ClientOptions) work() link.WorkOptions {
	dir, err := cache.DefaultDir()
	if err != nil || dir == "off" {
		dir = filepath.Join(os.TempDir(), "permafrost")
	}
	c := at(o.NATS)
	c.Wait = o.Wait
	if c.Wait == 0 {
		c.Wait = 10 * time.Minute
	}
	return link.WorkOptions{Cluster: c, Name: o.name(), Model: o.Model, Data: o.Data, Memory: o.Memory, Threads: o.Threads, Idle: o.Idle, Dir: filepath.Join(dir, "federations"), Tell: o.OnNote}
}

// check errors where the options cannot be.
func (o *ClientOptions) check() error {
	switch {
	case o.URL == "":
		return option.Errorf("nats", "it is missing: give the address that the server tells")
	case o.Data == "":
		return option.Errorf("data", "it is missing: name the examples that this client trains on")
	case o.Wait < 0 || o.Idle < 0:
		return option.Errorf("wait", "a wait is negative")
	case o.Memory < 0:
		return option.Errorf("memory", "%d: want 0 or more", o.Memory)
	case o.Threads < 0:
		return option.Errorf("threads", "%d: want 0 or more", o.Threads)
	}
	if o.Name != "" {
		if err := cluster.CheckName("client", o.Name); err != nil {
			return option.Errorf("name", "%w", err)
		}
	}
	for name, path := range map[string]string{"data": o.Data, "model": o.Model} {
		if len(data.ParquetFiles(path)) > 0 { // which a glob may name
			continue
		}
		if _, err := os.Stat(path); path != "" && err != nil {
			return option.Errorf(name, "%s: %w", path, errors.Unwrap(err))
		}
	}
	return nil
}

// name is the name of the client.
func (o *ClientOptions) name() string {
	if o.Name != "" {
		return o.Name
	}
	if user := userIn(o.URL); cluster.CheckName("client", user) == nil {
		return user
	}
	host, err := os.Hostname()
	if err != nil {
		host = "client"
	}
	clean := cluster.NameFrom(host)
	path, err := filepath.Abs(o.Data)
	if err != nil {
		path = o.Data
	}
	return fmt.Sprintf("%s-%x", clean, sha256.Sum256([]byte(path)))[:len(clean)+5]
}
