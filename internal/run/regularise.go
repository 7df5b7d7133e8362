package run

import (
	"fmt"
	"math"

	"github.com/permafrost-ml/permafrost/internal/optim"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/split"
)

// validateRegularisation errors on options of rates and regularisation that cannot be meant, by the options alone.
func (c *Config) validateRegularisation() error {
	for _, text := range c.LRMult {
		if err := split.CheckMultiplier(text); err != nil {
			return err
		}
	}
	if c.Average != "" {
		if _, err := optim.NewAverage(c.Average, 1); err != nil {
			return err
		}
	}
	switch {
	case !(c.LayerDecay >= 0 && c.LayerDecay <= 1):
		return option.Errorf("layer_decay", "%g is not above 0 and at most 1", c.LayerDecay)
	case c.Rates != "" && c.Rates != autoRGN:
		return option.Errorf("rates", "%q is none of %s", c.Rates, autoRGN)
	case c.Rates != "" && c.LayerDecay != 0:
		return option.Errorf("layer_decay", "rates %s sets the rate of every layer by itself; give one of the two", c.Rates)
	case c.Rates != "" && c.Schedule != "":
		return option.Errorf("rates", "%s measures what trains from the start, and schedule %s changes it; give one of the two", c.Rates, c.Schedule)
	case !(c.L2SP >= 0) || math.IsInf(c.L2SP, 0):
		return option.Errorf("l2_sp", "%g is not a number from 0", c.L2SP)
	case c.L2SP != 0 && c.WeightDecay != nil:
		return option.Errorf("l2_sp", "it takes the place of weight_decay; give one of the two")
	case !(c.Mixup == 0 || c.Mixup >= 0.01 && c.Mixup <= 100):
		return option.Errorf("mixup", "%g is neither 0 nor from 0.01 to 100", c.Mixup)
	case c.WiseFT != nil && !(*c.WiseFT > 0 && *c.WiseFT <= 1):
		return option.Errorf("wise_ft", "%g is not above 0, the pretrained weights, and at most 1, the trained ones", *c.WiseFT)
	case c.Average == "swa" && c.Patience > 0:
		return option.Errorf("patience", "average swa takes the last quarter of the epochs, which patience would leave out; give one of the two")
	case c.WiseFT != nil && *c.WiseFT != 1 && c.Adapter != "":
		return option.Errorf("wise_ft", "adapter %s leaves the pretrained weights as they are, so there is nothing to go back to", c.Adapter)
	}
	return nil
}

// checkRegularisation errors on options that make no sense for the task, and notes those that do nothing for what trains: several plans may
// share their options, and for one of them they may. It comes after the recipe.
func (s *Session) checkRegularisation() error {
	c := &s.Config
	note := func(format string, args ...any) { s.Notes = append(s.Notes, fmt.Sprintf(format, args...)) }
	if s.HeadOnly() && s.Headed.Fresh && c.Adapter == "" {
		if c.LayerDecay != 0 {
			note("layer-decay %g does nothing: only a new head trains", c.LayerDecay)
		}
		if c.Rates != "" {
			note("rates %s does nothing: only a new head trains", c.Rates)
		}
		if c.L2SP != 0 {
			note("l2-sp %g decays to 0, as weight-decay does: only a new head trains", c.L2SP)
		}
		if c.WiseFT != nil && *c.WiseFT != 1 {
			note("wise-ft %g does nothing: only a new head trains, which has no pretrained values", *c.WiseFT)
		}
	}
	if c.Average == "swa" && optim.SWAEpochs(c.Epochs) < 2 {
		note("average swa does nothing: the last quarter of %s has no two to average; 8 do", epochs(c.Epochs))
	}
	if c.Average == "swa" && c.LRSchedule == "cosine" {
		note("average swa is at its best with option lr_schedule constant: at the small rates at the end of a cosine there is little to average")
	}
	switch {
	case c.Mixup != 0 && s.Task.PerPosition():
		return option.Errorf("mixup", "the task %s has an answer at every position, which cannot be mixed", s.Task.Name())
	case c.Mixup != 0 && s.Base.Feed.Form().Varies():
		return option.Errorf("mixup", "examples of different lengths cannot be mixed")
	}
	return nil
}
