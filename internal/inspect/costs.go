package inspect

import (
	"context"

	"github.com/permafrost-ml/permafrost/internal/run"
)

// Cost is what a fit by a plan is predicted to take.
type Cost struct {
	*Prediction
	Epochs       int     // that the fit makes by default
	Seconds      float64 // of all of them
	ParamsThawed int
}

// Choice is a plan by what a user would ask for.
type Choice struct {
	Thaw    []string
	Adapter string // "" for none
}

// Costs predicts plans for the model and data of a session side by side, each from runs of a few
// examples on this machine. Decode is the time that an example takes to be read, in seconds.
func Costs(ctx context.Context, s *run.Session, cfg run.Config, decode float64, plans []Choice) ([]Cost, error) {
	tr, val := s.Train, s.Val
	cfg.Head = s.Config.Head
	p, err := openProbe(cfg.Model, cfg.FeedOptions())
	if err != nil {
		return nil, err
	}
	p.task = s.Task
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
