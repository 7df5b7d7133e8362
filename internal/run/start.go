package run

import (
	"context"
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Head is a trained head on standardised features, by weight name.
type Head map[string]*tensor.Tensor

// Head copies the current weights of the session's fresh head. It is nil if the model keeps its own
// head.
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

// StartFrom gives a fresh head the weights of a head that was trained on the same frozen trunk.
// Both read standardised features. It errors if the head has another form.
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

// probeHead trains a fresh head alone, with the default recipe and to its last epoch, and starts
// the fit from it. The first steps of an untrained head would damage the features that it reads.
// From a trained head, the trunk moves only as far as that head falls short (LP-FT: Kumar et al.,
// Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution, ICLR 2022). A
// plan that trains only the head needs no such start.
func (f *loop) probeHead(ctx context.Context) error {
	if f.session.Config.Start != "probe" || !f.session.Net.Headed.Fresh || f.session.HeadOnly() {
		return nil
	}
	s, err := f.session.With(f.session.Config.Probe(), f.session.Train, f.session.Val)
	if err != nil {
		return err
	}
	s.Net.Norm = f.session.Net.Norm
	if _, err := s.Fit(ctx, nil, false); err != nil {
		return fmt.Errorf("the head to start from: %w", err)
	}
	return f.session.StartFrom(s.Head())
}

// HeadOnly reports whether only the head trains.
func (s *Session) HeadOnly() bool {
	only := true
	s.Plans.Ever.Thawed(s.Net.Set).Each(func(w *freeze.Weight, _ freeze.Entry) { only = only && w.Head })
	return only
}

// onlyNewHead reports whether nothing trains that has pretrained values.
func (s *Session) onlyNewHead() bool {
	return s.HeadOnly() && s.Net.Headed.Fresh && s.Config.Adapter == ""
}

// With returns a session of the same model and cache with other options, on the given examples.
func (s *Session) With(cfg config.Config, tr, val *data.Dataset) (*Session, error) {
	same := cfg.Pool == s.Config.Pool && !cfg.Cuts() && slices.Equal(cfg.Skip, s.Config.Skip) // what was weighed
	if s.Place != nil && len(cfg.Attach) == 0 && cfg.Head != "keep" && same && onlyHead(&cfg) {
		cfg.Attach = s.Place
	}
	t, err := NewSession(cfg, s.Base, tr, val)
	if err != nil {
		return nil, err
	}
	t.Cache, t.Helpers = s.Cache, s.Helpers
	return t, nil
}
