package run

import (
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/optim"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/report"
)

// idleOptions adds a note for each option that changes nothing in this run, or less than it says.
// These are no errors: several plans may share their options, and another plan may need them. batch
// is the given batch size, 0 for none.
func (s *Session) idleOptions(batch int) {
	c, examples := &s.Config, s.Train.Len()
	note := func(format string, args ...any) { s.Notes = append(s.Notes, fmt.Sprintf(format, args...)) }
	if batch > examples {
		note("option batch %d is more than the %d training examples: each batch holds them all", batch, examples)
	}
	batches := (examples + c.Batch - 1) / c.Batch
	if c.Accumulate > batches && c.Accumulate > 1 {
		note("option accumulate %d is more than the %d batches of an epoch: each epoch makes one step", c.Accumulate, batches)
	}
	steps := c.Epochs * ((batches + c.Accumulate - 1) / c.Accumulate)
	if c.Warmup > 0 && steps > 0 && c.LRs(steps).WarmupSteps() >= steps {
		note("option warmup %g takes all %d steps: the full rate is reached at the end only", c.Warmup, steps)
	}
	if c.Patience >= c.Epochs && c.Patience > 0 {
		note("option patience %d does nothing in %s", c.Patience, report.Epochs(c.Epochs))
	}
	s.idleForNewHead(note)
	s.idleForHead(note)
	s.idleCache(note)
	if c.BatchNorm == "frozen" && !c.Auto && !s.Plans.Reach.Unfreezes(s.Net.Set) {
		note("option batchnorm frozen does nothing: no batch normalisation trains")
	}
	if counts := s.Train.Counts(); c.ClassWeights == "balanced" && s.Task.Name() == data.DefaultTask && slices.Max(counts) == slices.Min(counts) {
		note("option class_weights balanced does nothing: each class has %s", report.Counted(counts[0], "training example"))
	}
	if c.Calibrate == "on" && !s.calibrates() {
		note("option calibrate on does nothing: it takes classes, and %d training examples or more", calibrationLeast)
	}
	if c.Average == "swa" && optim.SWAEpochs(c.Epochs) < 2 {
		note("option average swa does nothing: the last quarter of %s has no two to average; 8 do", report.Epochs(c.Epochs))
	}
	if c.Average == "swa" && c.LRSchedule == "cosine" {
		note("option average swa is at its best with option lr_schedule constant: at the small rates at the end of a cosine there is little to average")
	}
}

// NoteIdleGroups adds a note if the option group does nothing in a fit of this session: there,
// unlike in a search, nothing may be held out.
func (s *Session) NoteIdleGroups() {
	if s.Config.Group != "" && !s.Val.HeldOut && !s.calibrates() {
		s.Notes = append(s.Notes, fmt.Sprintf("option group %s does nothing: no training examples are held out in this fit", s.Config.Group))
	}
}

// idleForNewHead notes what needs pretrained weights that train.
func (s *Session) idleForNewHead(note func(format string, args ...any)) {
	c := &s.Config
	if !s.onlyNewHead() {
		return
	}
	if slices.Equal(c.Thaw, []string{"none"}) {
		note("option thaw none: the new head trains all the same; option head keep keeps the model's own")
	}
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
	if c.Cache == "off" && c.Epochs > 1 && !s.augmented() {
		note("option cache off computes the whole frozen part again in each of %s; kept, it is computed once", report.Epochs(c.Epochs))
	}
}

// idleForHead notes what only some heads have.
func (s *Session) idleForHead(note func(format string, args ...any)) {
	c := &s.Config
	if c.HeadDropout > 0 && !s.Net.Headed.Fresh {
		note("option head_dropout %g does nothing: head keep is the model's own", c.HeadDropout)
	}
	if c.HeadActivation != config.DefaultConfig().HeadActivation && !strings.HasPrefix(c.Head, "mlp") {
		note("option head_activation %s does nothing: head %s has no hidden layer", c.HeadActivation, c.Head)
	}
}

// augmented reports whether training examples change from epoch to epoch.
func (s *Session) augmented() bool { return (data.Options{Augment: s.Config.Augment}).Augmented() }

// idleCache notes options of a cache that is off.
func (s *Session) idleCache(note func(format string, args ...any)) {
	c, usual := &s.Config, config.DefaultConfig()
	switch {
	case c.CacheVariants > 0 && !s.augmented():
		note("option cache_variants %d does nothing: there is no augment to make variants", c.CacheVariants)
	case c.CacheVariants > 0 && c.Cache == "off":
		note("option cache_variants %d saves nothing: option cache is off, so each epoch computes its variants again", c.CacheVariants)
	}
	if c.Cache != "off" {
		return
	}
	if c.CacheBudget != usual.CacheBudget {
		note("option cache_budget %v does nothing: option cache is off", option.Size(c.CacheBudget))
	}
	if c.CachePrecision != usual.CachePrecision {
		note("option cache_precision %s does nothing: option cache is off", c.CachePrecision)
	}
}
