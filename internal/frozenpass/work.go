package frozenpass

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/cluster"
	"github.com/permafrost-ml/permafrost/internal/keep"
)

// Worker computes shards of passes, one at a time. What it computes it keeps in the cache that runs
// share, and what is there it does not compute.
type Worker struct {
	c     *cluster.Cluster
	group string
	name  string
	dir   string      // where models are kept
	ready []*prepared // the most recently used last

	// For tests.
	where     string // what it keeps, see keep.Options
	elsewhere bool   // files of the command are not looked for where it has them
	harm      func(rows [][]byte)
}

// NewWorker returns a worker of a group. Dir is a folder for models.
func NewWorker(c *cluster.Cluster, group, name, dir string) *Worker {
	return &Worker{c: c, group: group, name: name, dir: dir, where: "auto"}
}

// Is reports whether a job is a shard of a pass.
func Is(j cluster.Job) bool {
	var of struct {
		Pass bool `json:"pass"`
	}
	return json.Unmarshal(j.Body, &of) == nil && of.Pass
}

// mostPrepared is how many networks a worker has at a time: those of the last passes.
const mostPrepared = 2

// Run is a cluster.Handler for shards. Told is a line for a person.
func (w *Worker) Run(ctx context.Context, j cluster.Job) (result []byte, told string, err error) {
	var body job
	if err := json.Unmarshal(j.Body, &body); err != nil {
		return nil, "", err
	}
	if slices.Contains(body.Refused, w.name) {
		return nil, "", fmt.Errorf("%w: its values differ from those of the command, which they must not by a bit: is its memory sound?", cluster.ErrUnfit)
	}
	a, told, err := w.compute(ctx, body)
	if errors.Is(err, errCannot) {
		a, err = answer{Cannot: err.Error()}, nil
	}
	if err != nil {
		return nil, "", err
	}
	result, err = json.Marshal(a)
	return result, told, err
}

func (w *Worker) compute(ctx context.Context, body job) (a answer, told string, err error) {
	p, err := w.prepared(ctx, body.Kit)
	if err != nil {
		return a, "", err
	}
	var sent bytes.Buffer
	if err := w.c.Copy(ctx, body.Shard, &sent); err != nil {
		return a, "", err
	}
	content, err := unpacked(sent.Bytes(), 2*mostBytes)
	if err != nil {
		return a, "", fmt.Errorf("%w: %w", errShard, err)
	}
	h, ds, err := openShard(ctx, p, content)
	if err != nil {
		return a, "", err
	}
	o := keep.Options{Where: w.where, Augment: "none", Precision: "float32"}
	if p.half {
		o.Precision = "float16"
	}
	if h.Plain {
		// It is opened each time: others of this machine may have computed the same since.
		o.Shared, _, _ = keep.OpenCache(o) // one that cannot be opened is none
		defer o.Shared.Close()
	}
	rows, cached, err := p.values.Compute(ctx, ds, o)
	if err != nil {
		return a, "", err
	}
	if w.harm != nil {
		w.harm(rows)
	}
	values := bytes.Join(append([][]byte{[]byte(body.Shard)}, rows...), nil) // no other shard has an upload of this content
	a.Cached = cached
	a.Values, err = w.c.Upload(ctx, w.group, packed(values))
	return a, fmt.Sprintf("frozen values of %d examples, of which %d were kept here", len(rows), cached), err
}

// prepared gives the network of a kit, and prepares it where the worker has not done so.
func (w *Worker) prepared(ctx context.Context, id cluster.Digest) (*prepared, error) {
	if i := slices.IndexFunc(w.ready, func(p *prepared) bool { return p.id == id }); i >= 0 {
		p := w.ready[i]
		w.ready = append(slices.Delete(w.ready, i, i+1), p)
		return p, nil
	}
	var text bytes.Buffer
	if err := w.c.Copy(ctx, id, &text); err != nil {
		return nil, err
	}
	var k kit
	if err := json.Unmarshal(text.Bytes(), &k); err != nil {
		return nil, err
	}
	if len(w.ready) >= mostPrepared {
		w.ready = slices.Delete(w.ready, 0, 1)
	}
	p, err := w.prepare(ctx, id, &k)
	if err == nil {
		w.ready = append(w.ready, p)
	}
	return p, err
}
