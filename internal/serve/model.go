package serve

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"time"
	"weak"

	"github.com/permafrost-ml/permafrost/internal/joint"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// state is what the server serves at a time. It never changes; a reload makes another.
type state struct {
	models map[string]*model
	names  []string // sorted
}

// model is one that is served.
type model struct {
	*loaded
	group *group // nil for a language model, which continues texts by itself
	index int    // in the group
}

// group is the models of a family that run as one network.
type group struct {
	family  *family
	network *joint.Network
	models  []*model
}

// loaded is a model as its file has it.
type loaded struct {
	*tuned.Predictor
	file    File
	stamp   stamp
	version string
	key     string // of its family
}

// stamp tells whether files have changed.
type stamp struct {
	base, delta fileStamp
}

type fileStamp struct {
	time time.Time
	size int64
}

func (f File) stamp() (stamp, error) {
	of := func(path string) (fileStamp, error) {
		if path == "" {
			return fileStamp{}, nil
		}
		st, err := os.Stat(path)
		if err != nil {
			return fileStamp{}, err
		}
		return fileStamp{st.ModTime(), st.Size()}, nil
	}
	base, err := of(f.Path)
	if err != nil {
		return stamp{}, err
	}
	delta, err := of(f.Delta)
	return stamp{base, delta}, err
}

// load reads a model and lets go of its file.
func (s *Server) load(f File) (*loaded, error) {
	at, err := f.stamp()
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", f.Name, err)
	}
	var m *onnx.Model
	if f.Delta == "" {
		m, err = onnx.Open(f.Path)
	} else {
		m, _, err = tuned.Restore(f.Path, f.Delta)
	}
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", f.Name, err)
	}
	p, err := tuned.New(m, f.Path, 0, s.o.Feed)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", f.Name, err)
	}
	for _, note := range p.Notes {
		s.say("model %s: %s", f.Name, note)
	}
	p.Detach(s.tensors.share)
	l := &loaded{Predictor: p, file: f, stamp: at, version: p.Digest()[:12]}
	settings, err := p.Feed.Settings()
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", f.Name, err)
	}
	key, err := json.Marshal([]any{p.Feed.Kind(), settings, fmt.Sprintf("%x", p.Feed.Digest()), p.Feed.Form(), p.InputNames(), p.OneByOne()})
	l.key = string(key)
	return l, err
}

// arrange makes a state of models. Groups that stay the same are those of the state before.
func (s *Server) arrange(files map[string]*loaded) (*state, error) {
	st := &state{models: map[string]*model{}, names: slices.Sorted(maps.Keys(files))}
	kin := map[string][]*model{}
	for _, name := range st.names {
		m := &model{loaded: files[name]}
		st.models[name] = m
		if m.Continues() {
			continue
		}
		kin[m.key] = append(kin[m.key], m)
	}
	for _, key := range slices.Sorted(maps.Keys(kin)) {
		members := kin[key]
		if g := s.same(members); g != nil {
			for i, m := range members {
				m.group, m.index = g, i
			}
			continue
		}
		g := &group{family: s.families.get(key), models: members}
		var names []string
		var nets []joint.Source
		for i, m := range members {
			m.group, m.index = g, i
			names, nets = append(names, "model "+m.file.Name), append(nets, m.Predictor)
		}
		g.network = joint.New(g.family.shelf, names, nets)
		length := members[0].Length()
		if err := g.network.Prepare(length, s.o.MaxBatch); err != nil {
			return nil, err
		}
		g.network.Sweep()
		if len(members) > 1 {
			s.say("%d models share %.0f%% of their work", len(members), 100*g.network.Shared(length))
		}
	}
	debug.FreeOSMemory() // files and graphs, which are larger than what stays
	return st, nil
}

// same is the group of the current state that has just these models, nil for none.
func (s *Server) same(members []*model) *group {
	old := s.state.Load()
	if old == nil {
		return nil
	}
	m := old.models[members[0].file.Name]
	if m == nil || m.group == nil || !slices.EqualFunc(m.group.models, members, func(a, b *model) bool { return a.loaded == b.loaded }) {
		return nil
	}
	return m.group
}

// tensorPool keeps each contents once, however many models have it, as long as one of them does.
type tensorPool struct {
	mu  sync.Mutex
	all map[[sha256.Size]byte]weak.Pointer[tensor.Tensor]
}

func newTensorPool() *tensorPool {
	return &tensorPool{all: map[[sha256.Size]byte]weak.Pointer[tensor.Tensor]{}}
}

// share returns a tensor that equals t and belongs to no file.
func (p *tensorPool) share(t *tensor.Tensor) *tensor.Tensor {
	h := sha256.New()
	fmt.Fprintf(h, "%v %v ", t.DType, t.Shape)
	h.Write(t.Bytes)
	key := [sha256.Size]byte(h.Sum(nil))
	p.mu.Lock()
	defer p.mu.Unlock()
	if same := p.all[key].Value(); same != nil {
		return same
	}
	c := t.Clone()
	p.all[key] = weak.Make(c)
	return c
}

// sweep forgets contents that no model has.
func (p *tensorPool) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.all, func(_ [sha256.Size]byte, w weak.Pointer[tensor.Tensor]) bool { return w.Value() == nil })
}
