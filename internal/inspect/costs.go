package inspect

import (
	"context"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// Cost is the predicted cost of a fit under a plan.
type Cost struct {
	*Prediction
	Epochs       int     // the default number for the fit
	Seconds      float64 // of all epochs
	ParamsThawed int
}

// Choice is a plan, given by the options with which a user asks for it.
type Choice struct {
	Thaw    []string
	Adapter string // "" for none
}

// Costs predicts the cost of several plans for a session's model and data. Each prediction comes
// from runs of a few examples on this machine. decode is the time to read an example, in seconds.
func Costs(ctx context.Context, s *run.Session, cfg config.Config, decode float64, plans []Choice) ([]Cost, error) {
	return costs(ctx, s, cfg, decode, plans, false)
}

func costs(ctx context.Context, s *run.Session, cfg config.Config, decode float64, plans []Choice, hasty bool) ([]Cost, error) {
	tr, val := s.Train, s.Val
	cfg.Head = s.Config.Head
	p := &probe{base: s.Base, task: s.Task}
	p.suppose()
	p.see(tr, val)
	var out []Cost
	for _, plan := range plans {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c := cfg
		c.Thaw, c.Adapter = plan.Thaw, plan.Adapter
		t, err := p.trainable(c, tr.Len())
		if err != nil {
			return nil, err
		}
		t.hasty = hasty
		c = t.cfg
		t.cfg.Batch = min(c.Batch, tr.Len())
		r, err := t.predict(ctx, p, tr.Len(), val.Len(), decode)
		if err != nil {
			return nil, err
		}
		out = append(out, Cost{Prediction: r, Epochs: c.Epochs, ParamsThawed: t.net.Plan.Thawed(t.net.Set).Elements(),
			Seconds: r.FirstEpoch + float64(c.Epochs-1)*r.LaterEpoch})
	}
	return out, nil
}
