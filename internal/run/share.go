package run

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/report"
)

// fisherExamples limits the number of examples whose gradients estimate the Fisher information.
const fisherExamples = 256

// Settle makes the choices that need the examples, and writes nothing. It chooses what a fresh head
// reads, see ChoosePlace. It measures which parameters
// a share by fisher thaws, with a head that it trains first, and errors if the plan then trains
// nothing, or leaves its schedule nothing to choose from. It calibrates a classifier, see
// Config.Calibrate, and puts the learning rate that it chose into the session's Config; so call it
// before a run folder is made. Fit alone does not calibrate.
func (s *Session) Settle(ctx context.Context, sinks ...report.Sink) error {
	defer kernel.Use(s.Config.Threads)()
	began, spent := time.Now(), s.Spent
	defer func() { s.Spent = spent + time.Since(began).Seconds() }() // settle replaces the session
	if err := s.ChoosePlace(ctx, sinks...); err != nil {
		return err
	}
	if err := s.settle(ctx, nil); err != nil {
		return err
	}
	return s.calibrate(ctx, report.NewEvents(sinks...))
}

// settle selects the parameters of a share that depends on the data, once. It takes them from
// recorded, the plan of an earlier start of this run, or measures them if recorded is nil. It then
// rebuilds the session for them.
func (s *Session) settle(ctx context.Context, recorded json.RawMessage) error {
	if !s.Plans.Reach.Pending() {
		return nil
	}
	var resolve func(*freeze.Set, *freeze.Plan) error
	if recorded != nil {
		var was freeze.Plan
		if err := json.Unmarshal(recorded, &was); err != nil {
			return fmt.Errorf("the recorded plan: %w", err)
		}
		resolve = func(set *freeze.Set, p *freeze.Plan) error { return p.Adopt(set, &was) }
	} else {
		scores, err := s.fisher(ctx)
		if err != nil {
			return option.Errorf("thaw", "%s: %w", s.Plans.Reach.Share, err)
		}
		resolve = func(set *freeze.Set, p *freeze.Plan) error { return p.Mask(set, scores) }
	}
	t, err := newSession(s.Config, s.Base, s.Train, s.Val, resolve)
	if err != nil {
		return err
	}
	if s.Net.Headed.Fresh { // the head may have been given initial weights
		if err := t.StartFrom(s.Head()); err != nil {
			return err
		}
	}
	t.Net.Norm = s.Net.Norm
	t.Cache, t.Notes, t.MeasureEach = s.Cache, s.Notes, s.MeasureEach
	*s = *t
	return nil
}

// fisher estimates the diagonal of the empirical Fisher information at the pretrained weights: the
// mean over training examples of each parameter's squared gradient, up to a common factor. Running
// statistics do not change. An untrained head passes no useful gradient on, so a fresh head is
// first trained alone.
//
// Sung, Nair, Raffel, Training Neural Networks with Fixed Sparse Masks, NeurIPS 2021 (FISH Mask).
func (s *Session) fisher(ctx context.Context) (map[string][]float32, error) {
	head, err := s.With(s.Config.Probe(), s.Train, s.Val)
	if err != nil {
		return nil, err
	}
	cfg := s.Config.Probe()
	cfg.Thaw, cfg.Freeze, cfg.BatchNorm, cfg.Batch = s.Config.Thaw, s.Config.Freeze, "frozen", 1
	cfg.Adapter, cfg.AdapterTargets, cfg.AdapterAlpha = s.Config.Adapter, s.Config.AdapterTargets, s.Config.AdapterAlpha
	all, err := newSession(cfg, s.Base, s.Train, s.Val, func(_ *freeze.Set, p *freeze.Plan) error {
		p.Share = nil
		return nil
	})
	if err != nil {
		return nil, err
	}
	all.Cache = s.Cache
	if s.Net.Headed.Fresh {
		if _, err := head.Fit(ctx, nil, false); err != nil {
			return nil, fmt.Errorf("a head to measure gradients with: %w", err)
		}
		if err := all.StartFrom(head.Head()); err != nil {
			return nil, err
		}
		all.Net.Norm = head.Net.Norm
	}
	scores := map[string][]float32{}
	_, err = all.Gradients(ctx, fisherExamples, func(w *freeze.Weight, grad []float32) {
		if scores[w.Name] == nil {
			scores[w.Name] = make([]float32, len(grad))
		}
		for i, g := range grad {
			scores[w.Name][i] += g * g
		}
	})
	return scores, err
}
