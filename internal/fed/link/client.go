package link

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/permafrost-ml/permafrost/internal/cluster"
	"github.com/permafrost-ml/permafrost/internal/cluster/tree"
	"github.com/permafrost-ml/permafrost/internal/fed"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/version"
)

// WorkOptions are those of a client.
type WorkOptions struct {
	Cluster cluster.Options // with a URL, without Event, Group and Cache; Version is the program's
	Name    string          // of letters, digits, - and _
	Model   string          // its own file of the model; "": the server sends it
	Data    string          // its examples
	Memory  int64           // that it can spend on training, in bytes; 0: any
	Threads int             // 0: one a core
	Idle    time.Duration   // how long it waits for a task; 0: an hour
	Dir     string          // for models that were sent, and for what it remembers from round to round
	Tell    func(string)    // is given lines for a person, from any goroutine; nil: none
	// Before is told of each task, ahead of it; nil: none.
	Before func(t *fed.Task)
}

// keepModels is how long a model that was sent stays after it was last used.
const keepModels = 7 * 24 * time.Hour

// RefusedError says why a client does not take part in a federation.
type RefusedError struct{ Why string }

func (e *RefusedError) Error() string { return e.Why }

// errOver is why the work of a client ends when the federation is over.
var errOver = errors.New("the federation is over")

// Work takes part in a federation until it is over, and returns nil then. It errors with
// RefusedError where it cannot take part, when ctx ends, where the cluster is away for long, and
// where no task has come for Idle.
func Work(ctx context.Context, o WorkOptions) error {
	if o.Tell == nil {
		o.Tell = func(string) {}
	}
	o.Idle = cmp.Or(o.Idle, time.Hour)
	if err := cluster.CheckName("client", o.Name); err != nil {
		return err
	}
	o.Cluster.Version, o.Cluster.Group = cmp.Or(o.Cluster.Version, version.Version), GroupOf(o.Name)
	working, end := context.WithCancelCause(ctx)
	defer end(nil)
	o.Cluster.Event = func(e cluster.Event) {
		if e.Text != "" {
			o.Tell(e.Text)
		}
		if e.Kind == cluster.Denied {
			end(&RefusedError{fmt.Sprintf("the server does not let this user take part as client %s: give the name and the address that belong together", o.Name)})
		}
	}
	c, err := cluster.Open(working, o.Cluster)
	if err != nil {
		return ended(ctx, working, err)
	}
	defer c.Close()
	models := filepath.Join(o.Dir, "models")
	tree.Prune(models, keepModels)
	defer kernel.Use(o.Threads)()
	w := &worker{o: o, c: c, end: end, models: models, id: newProcess(), idle: time.AfterFunc(o.Idle, func() {
		end(fmt.Errorf("no task has come for %v: is the server still running?", o.Idle))
	})}
	defer w.idle.Stop()
	o.Tell(fmt.Sprintf("client %s waits for tasks, %v at most", o.Name, o.Idle))
	err = c.Work(working, o.Cluster.Group, o.Name, w.handle)
	if err = ended(ctx, working, err); err == nil {
		o.Tell("the federation is over")
	}
	return err
}

// ended is the error of work that ended with err: why it was ended, if it was.
func ended(ctx, working context.Context, err error) error {
	switch cause := context.Cause(working); {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(cause, errOver):
		return nil
	case cause != nil:
		return cause
	}
	return err
}

// worker does tasks, one at a time.
type worker struct {
	o      WorkOptions
	c      *cluster.Cluster
	end    context.CancelCauseFunc
	models string
	idle   *time.Timer
	id     string // of this process

	federation string
	client     *fed.Client // of that federation
	broken     bool        // the last task panicked

}

// Get gives what the server has put.
func (w *worker) Get(ctx context.Context, digest string) ([]byte, error) {
	return blob(ctx, w.c, cluster.Digest(digest))
}

// handle is a cluster.Handler.
func (w *worker) handle(ctx context.Context, j cluster.Job) ([]byte, error) {
	w.idle.Stop()
	defer w.idle.Reset(w.o.Idle)
	if len(j.Body) > 0 && j.Body[0] == dismiss {
		if why := string(j.Body[1:]); why != "" {
			w.end(&RefusedError{"the server does not want this client: " + why})
		} else {
			w.end(errOver)
		}
		return []byte(w.id), nil
	}
	task, err := unwrap(j.Body, func(d cluster.Digest) ([]byte, error) { return w.Get(ctx, string(d)) })
	if err != nil {
		return nil, err
	}
	var t fed.Task
	if err := json.Unmarshal(task, &t); err != nil {
		return nil, errMessage
	}
	if w.o.Before != nil {
		w.o.Before(&t)
	}
	if w.client == nil || w.federation != t.Federation || w.broken {
		w.federation, w.client = t.Federation, w.join()
	}
	w.broken = true
	answer, err := w.client.Handle(ctx, task)
	w.broken = false
	if err != nil {
		return nil, err
	}
	message, err := wrap(answer, func() (cluster.Digest, error) { return w.c.Upload(ctx, GroupOf(w.o.Name), answer) })
	return append([]byte(w.id), message...), err
}

// join makes a client that knows no federation yet.
func (w *worker) join() *fed.Client {
	b := &bench{c: w.c, model: w.o.Model, data: w.o.Data, memory: w.o.Memory, dir: w.models, threads: w.o.Threads, tell: w.o.Tell}
	return fed.NewClient(fed.ClientOptions{
		Name: w.o.Name, Bench: b, World: fed.NewWorld(w), Dir: filepath.Join(w.o.Dir, "clients"), Tell: w.o.Tell,
		Refused: func(err error, joined bool) {
			if !joined {
				w.end(&RefusedError{err.Error()})
			}
		},
	})
}
