package run

import (
	"context"
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Head is a trained head on standardised features, by the names of its weights.
type Head map[string]*tensor.Tensor

// Head copies the weights of the session's fresh head as they are, nil where the model keeps its
// own.
func (s *Session) Head() Head {
	if !s.Net.Headed.Fresh {
		return nil
	}
	h := Head{}
	for _, name := range s.Net.Headed.Weights {
		h[name] = s.Net.Set.ByName(name).Value.Data.Clone()
	}
	return h
}

// StartFrom gives a fresh head the weights of one that was trained on the same frozen trunk, whose
// features both standardise. It errors on a head of another form.
func (s *Session) StartFrom(h Head) error {
	if !s.Net.Headed.Fresh {
		return fmt.Errorf("run: the session has no fresh head to start from another")
	}
	for _, name := range s.Net.Headed.Weights {
		to, from := s.Net.Set.ByName(name).Value.Data, h[name]
		if from == nil || !from.Shape.Equal(to.Shape) {
			return fmt.Errorf("run: weight %s of the head to start from does not fit", name)
		}
		copy(to.Bytes, from.Bytes)
	}
	return nil
}

// probeHead trains a fresh head by itself, by the default recipe and to its last epoch, and lets
// the fit start from it. The first steps of a head that knows nothing would spoil the features that
// it reads; after a head of its own the trunk moves only as far as that head falls short (LP-FT:
// Kumar et al., Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution,
// ICLR 2022). A plan that trains nothing else needs no start.
func (f *loop) probeHead(ctx context.Context) error {
	if f.session.Config.Start != "probe" || !f.session.Net.Headed.Fresh || f.session.HeadOnly() {
		return nil
	}
	s, err := f.session.With(f.session.Config.Probe(), f.session.Train, f.session.Val)
	if err != nil {
		return err
	}
	if _, err := s.Fit(ctx, nil, false); err != nil {
		return fmt.Errorf("the head to start from: %w", err)
	}
	return f.session.StartFrom(s.Head())
}

// Probe is the configuration by which a head is trained alone, by the default recipe, for others to
// start from.
func (c *Config) Probe() Config {
	p := DefaultConfig()
	p.Model, p.Data, p.Val, p.Task, p.TextColumn, p.LabelColumn = c.Model, c.Data, c.Val, c.Task, c.TextColumn, c.LabelColumn
	p.Preprocess, p.Tokenizer, p.MaxLength, p.Augment = c.Preprocess, c.Tokenizer, c.MaxLength, c.Augment
	p.Input, p.Shape = c.Input, c.Shape
	p.Head, p.Attach, p.Pool = c.Head, c.Attach, c.Pool
	p.LabelSmoothing, p.ClassWeights, p.Keep = c.LabelSmoothing, c.ClassWeights, "last"
	p.Seed, p.Threads, p.Memory = c.Seed, c.Threads, c.Memory
	p.Cache, p.CacheBudget, p.CachePrecision, p.CacheVariants = c.Cache, c.CacheBudget, c.CachePrecision, c.CacheVariants
	return p
}

// HeadOnly reports whether nothing but the head trains.
func (s *Session) HeadOnly() bool {
	only := true
	s.Plans.Ever.Thawed(s.Net.Set).Each(func(w *freeze.Weight, _ freeze.Entry) { only = only && w.Head })
	return only
}

// With is a session of the same model and cache by other options, on the given examples.
func (s *Session) With(cfg Config, tr, val *data.Dataset) (*Session, error) {
	t, err := NewSession(cfg, s.Base, tr, val)
	if err != nil {
		return nil, err
	}
	t.Cache = s.Cache
	return t, nil
}
