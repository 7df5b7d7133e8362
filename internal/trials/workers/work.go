package workers

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/permafrost-ml/permafrost/internal/cluster"
	"github.com/permafrost-ml/permafrost/internal/cluster/tree"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/frozenpass"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/trials"
	tool "github.com/permafrost-ml/permafrost/internal/version"
)

// keepTrees is how long the files of a search stay on a worker after they were last used.
const keepTrees = 7 * 24 * time.Hour

func version() string { return tool.Version }

// WorkOptions are those of a worker.
type WorkOptions struct {
	Cluster cluster.Options // with a URL, without Event and Cache; Version is the program's
	Name    string          // of letters, digits, - and _
	Threads int             // 0: one a core
	Dir     string          // where models and data are kept
	Tell    func(string)    // is given lines for a person

	// For tests: files of the search are not looked for where it has them; what a job meets first.
	elsewhere bool
	before    func(job string)
}

// Work runs trials of all searches of a cluster, and shards of frozen passes, until ctx ends, and returns its error then. It
// errors where the cluster refuses the worker, or is away for long.
func Work(ctx context.Context, o WorkOptions) error {
	if err := cluster.CheckName("worker", o.Name); err != nil {
		return err
	}
	o.Cluster.Version, o.Cluster.Group = cmp.Or(o.Cluster.Version, version()), group
	o.Cluster.Event = func(e cluster.Event) {
		if e.Text != "" {
			o.Tell(e.Text)
		}
	}
	c, err := cluster.Open(ctx, o.Cluster)
	if err != nil {
		return err
	}
	defer c.Close()
	tree.Prune(o.Dir, keepTrees)
	defer kernel.Use(o.Threads)()
	w := &worker{o: o, c: c, passes: frozenpass.NewWorker(c, group, o.Name, o.Dir)}
	defer w.drop(0)
	return c.Work(ctx, group, o.Name, w.run)
}

// worker runs one job at a time.
type worker struct {
	o     WorkOptions
	c     *cluster.Cluster
	ready []prepared // the most recently used last
	// passes of the frozen region over examples of fits and searches are divided among the same workers
	passes *frozenpass.Worker
	whole  bool // the last task did not panic
}

// prepared is a search whose trials may run.
type prepared struct {
	kit   cluster.Digest
	bench *trials.Bench
}

// mostPrepared is how many searches a worker has prepared at a time.
const mostPrepared = 2

// drop releases all but the last n searches.
func (w *worker) drop(n int) {
	for len(w.ready) > n {
		w.ready[0].bench.Close()
		w.ready = w.ready[1:]
	}
}

// run is a cluster.Handler.
func (w *worker) run(ctx context.Context, j cluster.Job) ([]byte, error) {
	if !w.whole {
		w.drop(0) // what a panic left is not to be trusted
	}
	w.whole = false
	if frozenpass.Is(j) {
		result, told, err := w.passes.Run(ctx, j)
		w.whole = true
		if told != "" {
			w.o.Tell(told)
		}
		return result, err
	}
	of, err := w.task(ctx, j)
	w.whole = true
	if err != nil {
		return nil, err
	}
	return json.Marshal(of)
}

func (w *worker) task(ctx context.Context, j cluster.Job) (of trials.Outcome, err error) {
	var body job
	if err := json.Unmarshal(j.Body, &body); err != nil {
		return of, err
	}
	if w.o.before != nil {
		w.o.before(j.ID)
	}
	b, err := w.bench(ctx, body.Kit)
	if err != nil {
		if ctx.Err() != nil {
			return of, ctx.Err()
		}
		return of, fmt.Errorf("%w for search %s: %w", cluster.ErrUnfit, j.Queue, err)
	}
	b.DropBut(append(body.Open, body.Task.Trial))
	of, err = b.Run(ctx, body.Task)
	if err == nil {
		w.o.Tell(fmt.Sprintf("search %s, trial %d: %s", j.Queue, body.Task.Trial, result(of)))
	}
	return of, err
}

func result(of trials.Outcome) string {
	if of.Failed != "" {
		return "failed: " + of.Failed
	}
	return fmt.Sprintf("%.4g after %d epochs", of.Score, of.Epochs)
}

// bench gives the bench of a search, and prepares it where the worker has not done so.
func (w *worker) bench(ctx context.Context, d cluster.Digest) (*trials.Bench, error) {
	if i := slices.IndexFunc(w.ready, func(p prepared) bool { return p.kit == d }); i >= 0 {
		p := w.ready[i]
		w.ready = append(slices.Delete(w.ready, i, i+1), p)
		return p.bench, nil
	}
	var text strings.Builder
	if err := w.c.Copy(ctx, d, &text); err != nil {
		return nil, err
	}
	var k kit
	if err := json.Unmarshal([]byte(text.String()), &k); err != nil {
		return nil, err
	}
	if k.Kernels != "" && k.Kernels != kernel.Level() {
		return nil, fmt.Errorf("it computes with %s here and with %s there, which differ in the last bits: set PERMAFROST_CPU to one that all have, or search with async", kernel.Level(), k.Kernels)
	}
	w.drop(mostPrepared - 1)
	b, err := w.prepare(ctx, &k)
	if err != nil {
		return nil, err
	}
	w.ready = append(w.ready, prepared{d, b})
	return b, nil
}

// prepare looks for the files of a search where the search has them, which serves on one machine and
// with a shared file system, and fetches them else.
func (w *worker) prepare(ctx context.Context, k *kit) (*trials.Bench, error) {
	cfg, err := config.ParseConfig([]byte(k.Options))
	if err != nil {
		return nil, err
	}
	cfg.Threads = w.o.Threads
	there := cfg
	settle(&there, k.Model.Root, k.Data.Root)
	if _, err := os.Stat(there.Model); k.Model.Sent == "" || err == nil && !w.o.elsewhere {
		b, err := k.open(ctx, there)
		if err == nil || ctx.Err() != nil || k.Model.Sent == "" {
			return b, err
		}
	}
	for again := range 2 {
		model, err := tree.Fetch(ctx, w.c, k.Model.Sent, w.o.Dir)
		if err != nil {
			return nil, err
		}
		data, err := tree.Fetch(ctx, w.c, k.Data.Sent, w.o.Dir)
		if err != nil {
			return nil, err
		}
		own := cfg
		settle(&own, model, data)
		b, err := k.open(ctx, own)
		if err == nil || ctx.Err() != nil || again > 0 {
			return b, err
		}
		// Files that were kept may have been changed since.
		if err := errors.Join(os.RemoveAll(model), os.RemoveAll(data)); err != nil {
			return nil, err
		}
	}
	return nil, io.ErrUnexpectedEOF // not reached
}
