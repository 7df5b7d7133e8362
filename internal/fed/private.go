package fed

import (
	mathrand "math/rand/v2"

	"github.com/permafrost-ml/permafrost/internal/fed/privacy"
	"github.com/permafrost-ml/permafrost/internal/report"
)

// privately is the mean of the clipped changes with noise. Every client counts the same.
func (s *Server) privately(r *report.RoundEvent, updates []deep) ([]float32, error) {
	sum := make([]float64, s.n)
	for _, u := range updates {
		privacy.Clip(u.Delta, s.o.Settings.ClipNorm)
		for i, v := range u.Delta {
			sum[i] += float64(v)
		}
	}
	return s.noisy(r, sum, len(updates))
}

// noisy makes the mean of a sum of clipped changes, with noise where the clients have added none.
func (s *Server) noisy(r *report.RoundEvent, sum []float64, n int) ([]float32, error) {
	out := make([]float32, s.n)
	for i, v := range sum {
		out[i] = float32(v)
	}
	of := float64(max(1, n))
	if s.o.Settings.Fraction < 1 && !s.o.Settings.LocalDP {
		of = max(1, s.o.Settings.Fraction*float64(len(s.st.Members))) // who was drawn is a secret
	}
	if !s.o.Settings.LocalDP {
		src, err := s.source()
		if err != nil {
			return nil, err
		}
		privacy.AddNoise(out, s.st.Noise*s.o.Settings.ClipNorm, src)
	}
	for i := range out {
		out[i] = float32(float64(out[i]) / of)
	}
	if err := s.accountant.Add(s.mechanism(), 1); err != nil {
		return nil, err
	}
	var err error
	r.Epsilon, err = s.accountant.Epsilon(s.o.Settings.Delta)
	return out, err
}

func (s *Server) source() (mathrand.Source, error) {
	if s.o.Settings.Seeded {
		return privacy.Seeded(s.o.Local.Session().Config.Seed, s.st.Round), nil
	}
	return privacy.Secret()
}
