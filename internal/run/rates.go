package run

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/optim"
	"github.com/permafrost-ml/permafrost/internal/report"
)

// rgnBatches is the number of batches on which relative gradients are measured. A fresh head first
// trains on as many.
const rgnBatches = 16

// leastRate keeps the learning rate of a weight with a tiny gradient above 0.
const leastRate = 1e-4

// measureRates multiplies the learning rate of every thawed weight by its relative gradient norm
// |g|/|w|, averaged over a few batches and divided by the largest. A resumed run takes the
// multipliers from its checkpoint. A fresh head and a weight that is all zero keep the full rate,
// as they have no pretrained values to stay near. Gradients are taken at the pretrained weights. An
// untrained head would pass useless gradients to the trunk, so a fresh head first trains alone for
// a few batches and is reset after measuring.
//
// Auto-RGN: Lee, Chen, Tajwar, Kumar, Yao, Liang and Finn, Surgical Fine-Tuning Improves Adaptation
// to Distribution Shifts, ICLR 2023, section 4. There the rates are measured again at every epoch.
func (f *loop) measureRates(ctx context.Context) error {
	if f.session.Config.Rates != config.AutoRGN {
		return nil
	}
	if f.st.Rates == nil {
		rates, err := f.relativeGradients(ctx)
		if err != nil {
			return err
		}
		f.st.Rates = rates
	}
	lo, hi := "", ""
	for i := range f.session.Plans.Ever.Params {
		e := &f.session.Plans.Ever.Params[i]
		x, ok := f.st.Rates[e.Name]
		if !ok {
			continue
		}
		e.SetRate(e.Rate() * x)
		s := f.session.active.slots[e.Name]
		s.LR *= float32(x)
		f.session.active.rates[e.Name] = s.LR
		if f.session.Net.IsNew(e.Name) {
			continue
		}
		if lo == "" || x < f.st.Rates[lo] {
			lo = e.Name
		}
		if hi == "" || x > f.st.Rates[hi] {
			hi = e.Name
		}
	}
	if lo != "" {
		f.events.Emit(&report.Warning{Message: fmt.Sprintf("auto-rgn: learning rates from %.2g (%s) to %.2g (%s) of the whole; plan.json has all", f.st.Rates[lo], lo, f.st.Rates[hi], hi)})
	}
	plan, err := f.session.planJSON()
	if err != nil {
		return err
	}
	f.st.Plan = plan
	if f.dir == nil {
		return nil
	}
	return f.dir.WriteFile(PlanFile, append(plan, '\n'))
}

// relativeGradients measures |g|/|w| of every thawed weight and divides it by the largest.
func (f *loop) relativeGradients(ctx context.Context) (map[string]float64, error) {
	slots := f.session.active.Opt.Slots()
	before := f.weights()
	quiet := *f
	quiet.events = report.NewEvents()
	var head []*optim.Slot
	for _, s := range slots {
		if f.session.Net.IsNew(s.Name) {
			head = append(head, &optim.Slot{Name: s.Name, Value: s.Value, LR: s.LR, Decay: s.Decay, Mask: s.Mask})
		}
	}
	opt := f.session.Config.NewOptimizer()
	if err := opt.Add(head...); err != nil {
		return nil, err
	}
	learns := 0
	if len(head) > 0 {
		learns = rgnBatches
	}
	ratio := make([]float64, len(slots))
	n := 0
	for epoch := 0; n < learns+rgnBatches; epoch++ {
		groups := f.session.groups(epoch)
		for b, err := range f.frontier.Train.Batches(ctx, groups[:min(len(groups), learns+rgnBatches-n)], epoch) {
			if err != nil {
				return nil, err
			}
			_, step, err := quiet.forwardBackward(ctx, b, f.session.Task.NewMetrics())
			if err != nil {
				return nil, err
			}
			at := 0
			for i, s := range slots {
				s.Grad = step.Grads[i]
				if f.session.Net.IsNew(s.Name) {
					head[at].Grad = s.Grad
					at++
				} else if n >= learns {
					if w := s.ValueNorm(); w > 0 {
						ratio[i] += math.Sqrt(s.SumSquares()) / w
					}
				}
				s.Grad = nil
			}
			if err := opt.Step(f.session.Config.LR); err != nil {
				return nil, err
			}
			n++
		}
	}
	if err := f.session.restoreWeights(before); err != nil {
		return nil, err
	}
	largest := slices.Max(ratio)
	rates := map[string]float64{}
	for i, s := range slots {
		switch {
		case f.session.Net.IsNew(s.Name) || s.ValueNorm() == 0 || largest == 0:
			rates[s.Name] = 1
		default:
			rates[s.Name] = max(leastRate, ratio[i]/largest)
		}
	}
	return rates, nil
}
