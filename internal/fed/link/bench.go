package link

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/cluster"
	"github.com/permafrost-ml/permafrost/internal/cluster/tree"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/fed"
	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// bench has the client's model and examples, which it opens once.
type bench struct {
	c       *cluster.Cluster
	model   string // the client's own file; "": it is fetched
	data    string
	memory  int64  // to train with, in bytes; 0: any
	dir     string // where models that were fetched stay
	threads int
	tell    func(string) // is given what is odd about the examples

	kit     *fed.Kit
	local   *run.Local
	fetched int64
}

var _ fed.Bench = (*bench)(nil)

// With calls fn with the Local of the kit.
func (b *bench) With(ctx context.Context, kit *fed.Kit, fn func(l *run.Local) error) error {
	if b.kit != kit {
		b.kit, b.local = nil, nil
		l, err := b.open(ctx, kit)
		if err != nil {
			return err
		}
		b.kit, b.local = kit, l
	}
	return fn(b.local)
}

// Affords says from where on the client can train.
func (b *bench) Affords(l *run.Local) (from int, why string, err error) {
	return fed.Affords(l, b.memory)
}

// Fetched is how many bytes of the model came.
func (b *bench) Fetched() int64 { return b.fetched }

// open opens the model that the kit names, with the client's examples.
func (b *bench) open(ctx context.Context, kit *fed.Kit) (*run.Local, error) {
	cfg, err := config.ParseConfig([]byte(kit.Options))
	if err != nil {
		return nil, fmt.Errorf("the options of the federation: %w: run one version of Permafrost on both sides", err)
	}
	cfg.Data, cfg.Val, cfg.Threads = b.data, b.data, b.threads
	if cfg.Model, err = b.file(ctx, kit); err != nil {
		return nil, err
	}
	root := cfg.Model // of the tree in which the kit's paths are
	for range strings.Count(kit.Name, "/") + 1 {
		root = filepath.Dir(root)
	}
	model := cfg.Model
	_ = cfg.EachModelPath(func(path *string) error {
		if *path != model {
			*path = tree.Place(root, modelFolder, *path)
		}
		return nil
	})
	sets := run.Sets{Both: true}
	if len(kit.Classes) > 0 {
		sets.Own = &data.Own{Names: kit.Classes, From: "the federation", Exact: true, Mend: "leave them out"}
	}
	s, err := run.PrepareOn(ctx, cfg, sets)
	if err != nil {
		return nil, err
	}
	s.Place = kit.Place
	if s, err = s.With(cfg, s.Train, s.Train); err != nil {
		return nil, err
	}
	l, err := s.Local(kit.Standard)
	if err != nil {
		return nil, err
	}
	if err := kit.Check(l); err != nil {
		return nil, fmt.Errorf("%w: run one version of Permafrost on both sides, with the files that belong to the model", err)
	}
	for _, note := range s.Train.Notes() {
		b.tell(note)
	}
	kept, err := keep.NewShelf(s.Train).At(ctx, s.Net, s.KeepOptions())
	if err != nil {
		return nil, err
	}
	return l, l.Use(s.Train, kept, data.FileOrder(s.Train.Len()))
}

// file is the model's file: the client's own, which must be that of the federation, or one that is
// fetched.
func (b *bench) file(ctx context.Context, kit *fed.Kit) (string, error) {
	if b.model != "" {
		d, err := digestOf(b.model)
		if err != nil {
			return "", err
		}
		if d != kit.Model {
			return "", fmt.Errorf("%s is another model (%.12s) than that of the federation (%.12s): give that one, or leave the model out, so that it is sent", b.model, d, kit.Model)
		}
		return b.model, nil
	}
	if kit.Files.Digest == "" {
		return "", errors.New("the server does not send the model: name a file that holds it")
	}
	for again := range 2 {
		before := b.c.Traffic().BlobsReceived
		root, err := tree.Fetch(ctx, b.c, cluster.Digest(kit.Files.Digest), b.dir)
		b.fetched += b.c.Traffic().BlobsReceived - before
		if err != nil {
			return "", err
		}
		path := filepath.Join(root, filepath.FromSlash(kit.Name))
		d, err := digestOf(path)
		if err == nil && d == kit.Model {
			return path, nil
		}
		if again > 0 {
			return "", errors.Join(err, fmt.Errorf("the server sent another model (%.12s) than it says (%.12s)", d, kit.Model))
		}
		if err := os.RemoveAll(root); err != nil { // what was kept here has been changed since
			return "", err
		}
	}
	return "", nil // not reached
}

func digestOf(path string) (string, error) {
	m, err := onnx.Open(path)
	if err != nil {
		return "", err
	}
	return m.Digest(), nil
}

// modelFolder stands for the root of the model's tree in the paths of a kit.
const modelFolder = "model"

// Pack puts the model and the files beside it into the cluster, and gives what the kit says of them:
// the options of training without paths of this machine, the tree of files, and the model's name in it.
func Pack(ctx context.Context, c *cluster.Cluster, s *run.Session, cfg config.Config) (fed.Kit, error) {
	var k fed.Kit
	files, err := tree.New(s.ModelFiles(&cfg)...)
	if err != nil {
		return k, err
	}
	for _, path := range s.ModelFiles(&cfg) {
		st, err := os.Stat(path)
		if err != nil {
			return k, err
		}
		k.Files.Size += int(st.Size())
	}
	if k.Name, err = files.Name(cfg.Model); err != nil {
		return k, err
	}
	d, err := files.Send(ctx, c)
	if err != nil {
		return k, err
	}
	k.Files.Digest = string(d)
	err = cfg.EachModelPath(func(path *string) (err error) {
		if files.Has(*path) { // else it is the name of a preset
			*path, err = files.NameIn(modelFolder, *path)
		}
		return err
	})
	if err != nil {
		return k, err
	}
	other := config.DefaultConfig()
	cfg.Data, cfg.Val, cfg.Out, cfg.Threads = "", "", other.Out, other.Threads
	cfg.Cache, cfg.CacheBudget = other.Cache, other.CacheBudget
	text, err := cfg.YAML()
	k.Options = string(text)
	return k, err
}
