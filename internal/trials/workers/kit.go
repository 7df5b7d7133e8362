package workers

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/cluster"
	"github.com/permafrost-ml/permafrost/internal/cluster/tree"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/search"
	"github.com/permafrost-ml/permafrost/internal/trials"
)

// Group is the group of workers that run trials.
const Group = "search"

const group = Group

// kit is what a worker needs for the trials of a search, once.
type kit struct {
	Options string   `json:"options"` // YAML of what all trials share; its paths are names in the trees
	Space   string   `json:"space"`   // YAML, for its limits
	Near    []int    `json:"near,omitempty"`
	Place   []string `json:"place,omitempty"` // what a fresh head reads, see run.Session.Place
	Model   part     `json:"model"`
	Data    part     `json:"data"`

	// What a worker's session must be like.
	ModelDigest string `json:"model_digest"`
	Feed        string `json:"feed"`
	Examples    string `json:"examples"`
	Division    string `json:"division"`
	Kernels     string `json:"kernels"` // "" for any
}

// part is a tree as a worker gets it.
type part struct {
	Root string         `json:"root"` // where it lies for the search; a worker may find it there too
	Sent cluster.Digest `json:"sent,omitempty"`
}

// The folders of the trees in the paths of a kit.
const (
	modelFolder = "model"
	dataFolder  = "data"
)

// job is the body of a job.
type job struct {
	Kit  cluster.Digest `json:"kit"`
	Task search.Task    `json:"task"`
	Open []int          `json:"open"` // trials that may go on; what is kept of others may go
}

// pack makes the kit of a search and puts it into the cluster, and with it the model and the data
// unless all workers find them where they lie.
func pack(ctx context.Context, c *cluster.Cluster, s *trials.Search, here bool) (cluster.Digest, error) {
	cfg := s.Shared()
	model, err := tree.New(s.Session.ModelFiles(&cfg)...)
	if err != nil {
		return "", err
	}
	examples, err := dataTree(s.Session, &cfg)
	if err != nil {
		return "", err
	}
	k := kit{Space: s.Header.Space, ModelDigest: s.Header.Model, Examples: s.Header.Data, Feed: feedDigest(s.Session), Division: s.Bench.Division(), Near: s.Near, Place: s.Session.Place,
		Model: part{Root: model.Root()}, Data: part{Root: examples.Root()}}
	if !s.Header.Async {
		k.Kernels = kernel.Level()
	}
	if err := rename(&cfg, model, examples); err != nil {
		return "", err
	}
	options, err := cfg.YAML()
	if err != nil {
		return "", err
	}
	k.Options = string(options)
	if !here {
		if k.Model.Sent, err = model.Send(ctx, c); err != nil {
			return "", err
		}
		if k.Data.Sent, err = examples.Send(ctx, c); err != nil {
			return "", err
		}
	}
	b, err := json.Marshal(k)
	if err != nil {
		return "", err
	}
	return c.Put(ctx, bytes.NewReader(b))
}

func feedDigest(s *run.Session) string {
	sum := s.Base.Feed.Digest()
	return hex.EncodeToString(sum[:])
}

// rename gives the paths of a configuration the names that they have in the trees.
func rename(c *config.Config, model, examples tree.Tree) error {
	for _, path := range []*string{&c.Data, &c.Val} {
		if *path == "" {
			continue
		}
		name, err := examples.NameIn(dataFolder, *path)
		if err != nil {
			return err
		}
		*path = name
	}
	return c.EachModelPath(func(path *string) (err error) {
		if model.Has(*path) { // else it is the name of a preset
			*path, err = model.NameIn(modelFolder, *path)
		}
		return err
	})
}

// settle gives the paths of a kit's configuration their place on this machine.
func settle(c *config.Config, model, examples string) {
	for _, path := range []*string{&c.Data, &c.Val} {
		*path = tree.Place(examples, dataFolder, *path)
	}
	_ = c.EachModelPath(func(path *string) error {
		*path = tree.Place(model, modelFolder, *path)
		return nil
	})
}

// open prepares the session and the bench of a kit.
func (k *kit) open(ctx context.Context, cfg config.Config) (*trials.Bench, error) {
	s, err := run.PrepareOn(ctx, cfg, run.Sets{})
	if err != nil {
		return nil, err
	}
	s.Place = k.Place
	data, err := s.Train.Fingerprint()
	if err != nil {
		return nil, err
	}
	b, err := trials.NewBenchFor(s, cfg, k.Space, k.Near)
	if err != nil {
		return nil, err
	}
	for _, d := range []struct{ what, is, want string }{
		{"model", s.Base.Model.Digest(), k.ModelDigest}, {"way to prepare examples", feedDigest(s), k.Feed}, {"training examples", hex.EncodeToString(data[:]), k.Examples},
		{"division of the examples", b.Division(), k.Division},
	} {
		if d.is != d.want {
			return nil, fmt.Errorf("the %s here differs from that of the search", d.what)
		}
	}
	return b, nil
}
