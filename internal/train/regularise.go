package train

import (
	"fmt"
	"math"

	"github.com/permafrost-ml/permafrost/internal/task"
)

// validateRegularisation errors on options of rates and regularisation that cannot be meant, by the options alone.
func (c *Config) validateRegularisation() error {
	for _, text := range c.LRMult {
		if _, err := parseMultiplier(text); err != nil {
			return err
		}
	}
	if c.Average != "" {
		if _, err := parseAverage(c.Average); err != nil {
			return err
		}
	}
	switch {
	case !(c.LayerDecay >= 0 && c.LayerDecay <= 1):
		return fmt.Errorf("layer_decay: %g is not above 0 and at most 1", c.LayerDecay)
	case c.Rates != "" && c.Rates != autoRGN:
		return fmt.Errorf("rates: %q is none of %s", c.Rates, autoRGN)
	case c.Rates != "" && c.LayerDecay != 0:
		return fmt.Errorf("layer_decay: rates %s sets the rate of every layer by itself; give one of the two", c.Rates)
	case c.Rates != "" && c.Schedule != "":
		return fmt.Errorf("rates: %s measures what trains from the start, and schedule %s changes it; give one of the two", c.Rates, c.Schedule)
	case !(c.L2SP >= 0) || math.IsInf(c.L2SP, 0):
		return fmt.Errorf("l2_sp: %g is not a number from 0", c.L2SP)
	case c.L2SP != 0 && c.WeightDecay != nil:
		return fmt.Errorf("l2_sp: it takes the place of weight_decay; give one of the two")
	case !(c.Mixup == 0 || c.Mixup >= 0.01 && c.Mixup <= 100):
		return fmt.Errorf("mixup: %g is neither 0 nor from 0.01 to 100", c.Mixup)
	case c.WiseFT != nil && !(*c.WiseFT > 0 && *c.WiseFT <= 1):
		return fmt.Errorf("wise_ft: %g is not above 0, the pretrained weights, and at most 1, the trained ones", *c.WiseFT)
	case c.Average == "swa" && c.Patience > 0:
		return fmt.Errorf("patience: average swa takes the last quarter of the epochs, which patience would leave out; give one of the two")
	case c.WiseFT != nil && *c.WiseFT != 1 && c.Adapter != "":
		return fmt.Errorf("wise_ft: adapter %s leaves the pretrained weights as they are, so there is nothing to go back to", c.Adapter)
	}
	return nil
}

// checkRegularisation errors on options that make no sense for what trains and for the task. It comes after the recipe.
func (s *Session) checkRegularisation() error {
	c := &s.Config
	if s.HeadOnly() && s.Headed.Fresh && c.Adapter == "" {
		for _, o := range []struct {
			option string
			given  bool
			why    string
		}{
			{"layer-decay", c.LayerDecay != 0, "has no layers to tell apart"},
			{"rates", c.Rates != "", "has no weights to compare"},
			{"l2-sp", c.L2SP != 0, "has no pretrained values; --weight-decay decays to 0"},
			{"wise-ft", c.WiseFT != nil && *c.WiseFT != 1, "has no pretrained values"},
		} {
			if o.given {
				return fmt.Errorf("--%s: only a new head trains, which %s", o.option, o.why)
			}
		}
	}
	switch name := s.Task.Name(); {
	case c.Average == "swa" && swaEpochs(c.Epochs) < 2:
		return fmt.Errorf("--average swa: the last quarter of %d epochs has no two to average: give --epochs 8 or more, or --average ema:0.999", c.Epochs)
	case c.Mixup != 0 && (name == task.NameLM || name == task.NameCTC):
		return fmt.Errorf("--mixup: the task %s has an answer at every position, which cannot be mixed", name)
	case c.Mixup != 0 && s.Base.Feed.Form().Varies():
		return fmt.Errorf("--mixup: examples of different lengths cannot be mixed")
	}
	return nil
}
