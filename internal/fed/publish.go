package fed

import (
	"context"
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/fed/aggregate"
	"github.com/permafrost-ml/permafrost/internal/fed/compress"
	"github.com/permafrost-ml/permafrost/internal/fed/freezing"
	"github.com/permafrost-ml/permafrost/internal/report"
)

// apply makes the server's step, and gives the weights after it.
func (s *Server) apply(r *report.RoundEvent, mask freezing.Mask, delta []float32) ([]float32, error) {
	step := append(s.optimizer.Step(delta[:s.params:s.params]), delta[s.params:]...)
	next := slices.Clone(s.st.weights)
	for i, v := range step {
		if mask != nil && !mask[i] {
			step[i] = 0
			continue
		}
		next[i] += v
		if next[i]-next[i] != 0 {
			return nil, fmt.Errorf("round %d: the weights are no longer numbers: lower option lr", r.Round)
		}
	}
	for _, c := range r.Clients {
		m := s.st.Members[c.Client]
		m.Held, m.Counted, m.Examples = s.st.Version, s.st.Round, c.Examples
		m.Rounds++
		r.Loss += c.Loss * report.Number(c.Examples)
	}
	if n := examples(r); n > 0 {
		r.Loss /= report.Number(n)
	}
	r.Step = aggregate.Norm(step)
	if s.apf != nil {
		if err := s.apf.Observe(step[:s.params]); err != nil {
			return nil, err
		}
	}
	return settled(s.pieces, next), nil
}

func examples(r *report.RoundEvent) int {
	n := 0
	for _, c := range r.Clients {
		n += c.Examples
	}
	return n
}

// stepsKept is how many changes are kept for clients that missed some.
const stepsKept = 8

// publish makes the weights known to the clients, as the change from what they know. What the
// change loses stays in the difference between weights and known, and travels later.
func (s *Server) publish(ctx context.Context) error {
	change := make([]float32, s.n)
	for i, v := range s.st.weights {
		change[i] = v - s.st.known[i]
	}
	b := s.plan.scheme.Encode(nil, s.st.mask.Gather(change))
	got, err := s.plan.scheme.Decode(b, s.st.mask.Active(s.n))
	if err != nil {
		return err
	}
	if got, err = s.st.mask.Scatter(got, s.n); err != nil {
		return err
	}
	for i, v := range got {
		s.st.known[i] += v
	}
	if _, exact := s.plan.scheme.(compress.None); exact {
		copy(s.st.weights, s.st.known) // to the last bit, which a difference may lose
	}
	st := step{To: s.st.Version + 1}
	if st.Change, err = s.put(ctx, b); err != nil {
		return err
	}
	if st.Mask, err = s.putMask(ctx, s.st.mask); err != nil {
		return err
	}
	before := s.st.Full
	if s.st.Full, err = s.put(ctx, floats(s.st.known)); err != nil {
		return err
	}
	s.st.Version++
	s.st.Steps = append(s.st.Steps, st)
	if before.Digest != "" && before.Digest != s.st.Full.Digest {
		if err := s.o.Carrier.Drop(ctx, before.Digest); err != nil {
			return err
		}
	}
	for len(s.st.Steps) > stepsKept {
		if err := s.o.Carrier.Drop(ctx, s.st.Steps[0].Change.Digest); err != nil {
			return err
		}
		s.st.Steps = s.st.Steps[1:]
	}
	return nil
}
