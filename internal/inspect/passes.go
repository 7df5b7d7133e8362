package inspect

import (
	"context"

	"github.com/permafrost-ml/permafrost/internal/compile"
)

// InspectPasses returns the model's graph as text, with the plan's head, before and after the
// compiler's passes. The first is specialised to the batch. In the second, frozen weights are
// constants, and everything is folded, fused and laid out.
func InspectPasses(ctx context.Context, o InspectOptions) (before, after string, err error) {
	p, err := openProbe(o.Config.Model, o.Sets.FeedOptions(&o.Config))
	if err != nil {
		return "", "", err
	}
	if p.task, err = madeUpTask(&o.Config, o.Classes); err != nil {
		return "", "", err
	}
	t, err := p.trainable(o.Config, usualExamples)
	if err != nil {
		return "", "", err
	}
	batch := max(1, o.Config.Batch)
	g, err := compile.Model(t.net.Headed.Graph, compile.Options{Shapes: p.batch(batch), Plain: true})
	if err != nil {
		return "", "", err
	}
	before = g.String()
	if g, err = t.sized.Graph(batch); err != nil {
		return "", "", err
	}
	return before, g.String(), ctx.Err()
}
