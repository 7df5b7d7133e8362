package fed

import (
	"context"
	"math"
	mathrand "math/rand/v2"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/fed/aggregate"
	"github.com/permafrost-ml/permafrost/internal/fed/freezing"
	"github.com/permafrost-ml/permafrost/internal/fed/privacy"
	"github.com/permafrost-ml/permafrost/internal/random"
	"github.com/permafrost-ml/permafrost/internal/report"
)

// round makes a round of those who are there. It errors with tooFew where another try may succeed,
// and has changed nothing then.
func (s *Server) round(ctx context.Context, r *report.RoundEvent, there []string) error {
	cohort, err := s.cohort(there)
	if err != nil {
		return err
	}
	r.Cohort, r.LR = cohort, s.o.LRs(s.st.Round)
	r.Full = 2 * 4 * int64(s.o.Local.Session().ParamsTotal()) * int64(len(cohort))
	var next []float32
	var mask freezing.Mask
	if s.plan.oneShot > 0 {
		next, err = s.oneShot(ctx, r)
	} else {
		if mask, err = s.mask(); err != nil {
			return err
		}
		r.Active = sent(s.pieces, mask, s.o.Settings.Statistics).Active(s.n)
		var delta []float32
		if s.o.Settings.Secure {
			delta, err = s.secureRound(ctx, r, mask)
		} else {
			delta, err = s.openRound(ctx, r, mask)
		}
		if err != nil {
			return err
		}
		next, err = s.apply(r, mask, delta)
	}
	if err != nil {
		return err
	}
	m, err := s.validate(ctx, next)
	if err != nil {
		return err
	}
	s.st.weights, s.st.mask, s.val = next, mask, m
	r.Accuracy, r.ValLoss, r.Metric = report.Number(m.Accuracy()), report.Number(m.Loss()), "accuracy"
	if named := m.Named(); named != nil {
		r.Metric, r.Accuracy = named.Name, report.Number(math.NaN())
		if named.Value != nil {
			r.Accuracy = report.Number(*named.Value)
		}
	}
	if score := m.Score(); score.Finite() && (s.st.best == nil || score.Better(s.st.Score)) {
		s.st.best, s.st.Best, s.st.Score = slices.Clone(next), r.Round, m.Score()
	}
	return s.publish(ctx)
}

// cohort draws the clients of a round, in order.
func (s *Server) cohort(there []string) ([]string, error) {
	f := s.o.Settings.Fraction
	if f == 1 {
		return there, nil
	}
	rng := random.For(s.o.Local.Session().Config.Seed, random.Clients, s.st.Round)
	if s.o.Settings.Epsilon > 0 && !s.o.Settings.LocalDP {
		// What is counted holds for clients that are drawn each by itself, and nobody can foretell.
		if !s.o.Settings.Seeded {
			src, err := privacy.Secret()
			if err != nil {
				return nil, err
			}
			rng = mathrand.New(src)
		}
		var out []string
		for _, name := range there {
			if rng.Float64() < f {
				out = append(out, name)
			}
		}
		return out, nil
	}
	k := max(s.need(), int(math.Round(f*float64(len(there)))))
	out := slices.Clone(there)
	rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	out = out[:min(k, len(out))]
	slices.Sort(out)
	return out, nil
}

// mask is what takes part in the round.
func (s *Server) mask() (freezing.Mask, error) {
	switch {
	case s.part != nil:
		return s.part.Mask(s.st.Round), nil
	case s.apf == nil:
		return nil, nil
	}
	m := s.apf.Mask()
	for m.Active(s.params) == 0 { // all sleep: time goes on until some wake
		if err := s.apf.Observe(make([]float32, s.params)); err != nil {
			return nil, err
		}
		m = s.apf.Mask()
	}
	if m.Active(s.params) == s.params {
		return nil, nil
	}
	return append(m, slices.Repeat([]bool{true}, s.n-s.params)...), nil // statistics always move
}

// openRound lets the cohort train, and combines what it sends.
func (s *Server) openRound(ctx context.Context, r *report.RoundEvent, mask freezing.Mask) ([]float32, error) {
	mb, err := s.putMask(ctx, mask)
	if err != nil {
		return nil, err
	}
	tasks := map[string]*Task{}
	for _, name := range r.Cohort {
		tasks[name] = s.training(name, mb, r)
	}
	answers, err := s.collect(ctx, r, "train", tasks)
	if err != nil {
		return nil, err
	}
	var updates []deep
	for _, name := range r.Cohort {
		a := answers[name]
		if a == nil {
			continue
		}
		u, err := s.update(name, a, mask)
		if err != nil {
			s.reject(r, name, err)
			continue
		}
		updates = append(updates, *u)
	}
	updates = s.within(r, updates)
	private := s.o.Settings.Epsilon > 0
	if need := s.need(); len(updates) < need && !private {
		return nil, few("%d of %d clients sent a change that counts, and %d are needed%s", len(updates), len(r.Cohort), need, whyNot(r))
	}
	for _, u := range updates {
		a := answers[u.Client]
		s.count(r, u.Client, a, aggregate.Norm(u.Delta))
	}
	if private {
		return s.privately(r, updates)
	}
	return s.combined(r, updates)
}
