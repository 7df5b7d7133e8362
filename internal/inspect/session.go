package inspect

import (
	"context"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// Describe describes the model of a session as it is trained, with layers, blocks and frontier, and
// predicts nothing. It only reads the session, which may have been fitted.
func Describe(s *run.Session) (*Inspection, error) {
	p := &probe{base: s.Base, task: s.Task}
	p.suppose()
	p.see(s.Train, s.Val)
	t := &trainable{net: s.Net, sized: s.Net.At(p.typical()), cfg: s.Config}
	in := &Inspection{Model: s.Config.Model, Opset: s.Base.Model.Opsets[""], Producer: s.Base.Model.Producer, Head: s.Config.Head,
		Thaw: s.Net.Plan.Thaw, Freeze: s.Net.Plan.Freeze, Batch: s.Config.Batch, Plan: s.Plans.Ever, Layers: []Layer{},
		ParamsTotal: s.Net.Set.Elements(), ParamsThawed: s.Plans.Ever.Thawed(s.Net.Set).Elements()}
	if err := in.layers(t, s.Plans.Ever); err != nil {
		return nil, err
	}
	var err error
	_, in.Frontier, err = s.Net.FrontierTypes(1)
	return in, err
}

// PlanCost predicts what the fit of a session costs on this machine, in a few tenths of a second. A plan that training data
// complete, such as fisher:10%, is an error.
func PlanCost(ctx context.Context, s *run.Session) (*Cost, error) {
	return costOf(ctx, s, s.Config, Choice{s.Config.Thaw, s.Config.Adapter})
}

// FullCost predicts what the fit of a session costs on this machine where all weights train, with
// its other options, in a few tenths of a second.
func FullCost(ctx context.Context, s *run.Session) (*Cost, error) {
	cfg := s.Config
	cfg.Freeze, cfg.Schedule, cfg.Adapter, cfg.AdapterTargets, cfg.AdapterAlpha, cfg.AdapterMerge = nil, "", "", nil, 0, false
	return costOf(ctx, s, cfg, Choice{Thaw: []string{"all"}})
}

func costOf(ctx context.Context, s *run.Session, cfg config.Config, c Choice) (*Cost, error) {
	found, err := costs(ctx, s, cfg, 0, []Choice{c}, true)
	if err != nil {
		return nil, err
	}
	return &found[0], nil
}
