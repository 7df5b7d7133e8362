package run

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/optim"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/report"
)

// checkRegularisation errors on options that do not fit the task. It adds a note for an option that
// has no effect on what trains: several plans may share their options, and another plan may need
// it. Call it after the recipe.
func (s *Session) checkRegularisation() error {
	c := &s.Config
	note := func(format string, args ...any) { s.Notes = append(s.Notes, fmt.Sprintf(format, args...)) }
	if s.onlyNewHead() {
		if c.Start == "probe" {
			note("option start probe does nothing: only a new head trains, from the start")
		}
		if c.LayerDecay != 0 {
			note("option layer_decay %g does nothing: only a new head trains", c.LayerDecay)
		}
		if c.Rates != "" {
			note("option rates %s does nothing: only a new head trains", c.Rates)
		}
		if c.L2SP != 0 {
			note("option l2_sp %g decays to 0, as option weight_decay does: only a new head trains", c.L2SP)
		}
		if c.WiseFT != nil && *c.WiseFT != 1 {
			note("option wise_ft %g does nothing: only a new head trains, which has no pretrained values", *c.WiseFT)
		}
	}
	if c.CacheVariants > 0 && !(data.Options{Augment: c.Augment}).Augmented() {
		note("option cache_variants %d does nothing: there is no augment to make variants", c.CacheVariants)
	}
	if c.Average == "swa" && optim.SWAEpochs(c.Epochs) < 2 {
		note("option average swa does nothing: the last quarter of %s has no two to average; 8 do", report.Epochs(c.Epochs))
	}
	if c.Average == "swa" && c.LRSchedule == "cosine" {
		note("option average swa is at its best with option lr_schedule constant: at the small rates at the end of a cosine there is little to average")
	}
	switch {
	case c.Mixup != 0 && s.Task.PerPosition():
		return option.Errorf("mixup", "the task %s has an answer at every position, which cannot be mixed", s.Task.Name())
	case c.Mixup != 0 && s.Base.Feed.Form().Varies():
		return option.Errorf("mixup", "examples of different lengths cannot be mixed")
	}
	return nil
}
