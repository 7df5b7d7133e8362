package frozenpass

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/cluster"
	"github.com/permafrost-ml/permafrost/internal/cluster/tree"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// kit is what a worker needs to compute values, whichever the examples are.
type kit struct {
	Engine  string         `json:"engine"`  // who has another computes other bits
	Options string         `json:"options"` // YAML; its paths are names in the tree
	Root    string         `json:"root"`    // of the model's files where the command runs; a worker may find them there too
	Model   cluster.Digest `json:"model"`   // the same files, sent
	Kind    string         `json:"kind"`    // of data
	Feed    string         `json:"feed"`    // digest of how examples are prepared
	Task    string         `json:"task"`
	Names   []string       `json:"names"` // of the scores
	Plan    *freeze.Plan   `json:"plan"`
	Values  []string       `json:"values"` // digests of how they are computed
	Half    bool           `json:"half"`   // they are rounded to float16
}

// modelFolder stands for the root of the model's files in the paths of a kit.
const modelFolder = "model"

// pack puts the kit of a pass into the cluster, and the model.
func (c *Crew) pack(ctx context.Context, s *run.Session, p *keep.Pass) (cluster.Digest, error) {
	cfg := s.Config
	cfg.Data, cfg.Val, cfg.Out, cfg.Extends = "", "", "", ""
	model, sent, err := c.send(ctx, s.ModelFiles(&cfg))
	if err != nil {
		return "", err
	}
	err = cfg.EachModelPath(func(path *string) (err error) {
		if model.Has(*path) { // else it is the name of a preset
			*path, err = model.NameIn(modelFolder, *path)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	options, err := cfg.YAML()
	if err != nil {
		return "", err
	}
	k := kit{Engine: keep.Engine(), Options: string(options), Root: model.Root(), Model: sent, Kind: s.Base.Feed.Kind(), Feed: feedDigest(s.Base),
		Task: s.Task.Name(), Names: s.Task.Names(), Plan: p.Net.Plan, Half: p.Half != nil}
	for _, v := range p.At.Points {
		k.Values = append(k.Values, hex.EncodeToString(v.Sum[:]))
	}
	b, err := json.Marshal(k)
	if err != nil {
		return "", err
	}
	return c.c.Put(ctx, bytes.NewReader(b))
}

// send puts the model's files into the cluster, once: what is sent again is read there and compared.
func (c *Crew) send(ctx context.Context, files []string) (t tree.Tree, sent cluster.Digest, err error) {
	if t, err = tree.New(files...); err != nil {
		return t, "", err
	}
	c.opening.Lock()
	defer c.opening.Unlock()
	name := strings.Join(files, "\n")
	if sent = c.models[name]; sent == "" {
		if sent, err = t.Send(ctx, c.c); err == nil {
			c.models[name] = sent
		}
	}
	return t, sent, err
}

func feedDigest(b *split.Base) string {
	sum := b.Feed.Digest()
	return hex.EncodeToString(sum[:])
}

// prepared is a kit whose values a worker can compute.
type prepared struct {
	id     cluster.Digest
	base   *split.Base
	values *keep.Computer
	half   bool
	feed   string // see kit
}

// errCannot says that no worker of this version can compute the values, so that the command does.
var errCannot = errors.New("workers cannot compute these values")

// prepare looks for the model where the command has it, which serves on one machine and with a shared
// file system, and fetches it else.
func (w *Worker) prepare(ctx context.Context, id cluster.Digest, k *kit) (*prepared, error) {
	if own := keep.Engine(); k.Engine != own {
		return nil, fmt.Errorf("%w: it computes with %q here and with %q there, which may differ in the last bits: run one build of Permafrost, and set PERMAFROST_CPU to one that all have", cluster.ErrUnfit, own, k.Engine)
	}
	if p, err := k.open(id, k.Root); err == nil && !w.elsewhere {
		return p, nil
	}
	for again := range 2 {
		root, err := tree.Fetch(ctx, w.c, k.Model, w.dir)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", cluster.ErrUnfit, err)
		}
		p, err := k.open(id, root)
		if err == nil {
			return p, nil
		}
		if again > 0 {
			return nil, fmt.Errorf("%w: %w", errCannot, err)
		}
		if err := os.RemoveAll(root); err != nil { // files that were kept may have been changed since
			return nil, fmt.Errorf("%w: %w", cluster.ErrUnfit, err)
		}
	}
	return nil, io.ErrUnexpectedEOF // not reached
}

// open builds the network of a kit from model files below root, and finds its values.
func (k *kit) open(id cluster.Digest, root string) (*prepared, error) {
	cfg, err := config.ParseConfig([]byte(k.Options))
	if err != nil {
		return nil, err
	}
	_ = cfg.EachModelPath(func(path *string) error {
		*path = tree.Place(root, modelFolder, *path)
		return nil
	})
	model, err := onnx.Open(cfg.Model)
	if err != nil {
		return nil, err
	}
	if model.Digest() != k.Plan.Model {
		return nil, fmt.Errorf("%s is another model", cfg.Model)
	}
	fed := cfg.FeedOptions()
	if fed.Augment = ""; model.Metadata[feed.KeyKind] == "" { // else the model says it
		fed.Kind = k.Kind
	}
	base, err := split.NewBase(model, fed)
	if err != nil {
		return nil, err
	}
	kind, err := task.Lookup(k.Task)
	if err != nil {
		return nil, err
	}
	net, err := split.New(base, kind.Named(k.Names, task.Options{}), cfg.NetworkOptions())
	if err != nil {
		return nil, err
	}
	net = net.With(k.Plan)
	outline, err := net.Outline()
	if err != nil {
		return nil, err
	}
	var sums []split.Digest
	for _, text := range k.Values {
		b, err := hex.DecodeString(text)
		if err != nil || len(b) != len(split.Digest{}) {
			return nil, fmt.Errorf("value %q is no digest", text)
		}
		sums = append(sums, split.Digest(b))
	}
	at := outline.Find(sums)
	if at == nil {
		return nil, errors.New("the network here has not all of them")
	}
	return &prepared{id: id, base: base, values: keep.NewComputer(net, outline, at), half: k.Half, feed: k.Feed}, nil
}
