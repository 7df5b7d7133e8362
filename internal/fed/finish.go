package fed

import (
	"context"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// finish writes the model.
func (s *Server) finish(ctx context.Context) (*Outcome, error) {
	out := &Outcome{Records: s.st.Records, Members: map[string]Member{}, Refused: s.st.Refused}
	weights := s.st.weights
	if out.BestRound = s.written(); out.BestRound < len(s.st.Records) {
		weights = s.st.best
	}
	var err error
	if out.Val, err = s.validate(ctx, weights); err != nil {
		return nil, err
	}
	for name, m := range s.st.Members {
		out.Members[name] = Member{Examples: m.Examples, Rounds: m.Rounds, From: m.From, Why: m.Why, Base: m.Base}
		out.Base += m.Base
	}
	if s.o.Dir != nil {
		out.Bytes, err = s.o.Local.Write(s.o.Dir)
	}
	return out, err
}

// written is the round whose weights are written, from 1; 0 before the first.
func (s *Server) written() int {
	if s.o.Local.Session().Config.Keep == "best" && s.st.best != nil {
		return s.st.Best
	}
	return len(s.st.Records)
}

// validate measures weights on the server's examples.
func (s *Server) validate(ctx context.Context, weights []float32) (*task.Metrics, error) {
	if err := s.o.Local.SetWeights(settled(s.pieces, weights)); err != nil {
		return nil, err
	}
	return s.o.Local.Validate(ctx)
}

// settled is x with its variances at 0 or above: what compression and noise add may carry them below.
func settled(pieces []run.Piece, x []float32) []float32 {
	at, copied := 0, false
	for _, p := range pieces {
		for i := at; p.Positive && i < at+p.Len; i++ {
			if x[i] < 0 {
				if !copied {
					x, copied = slices.Clone(x), true
				}
				x[i] = 0
			}
		}
		at += p.Len
	}
	return x
}
