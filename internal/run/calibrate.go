package run

import (
	"context"
	"errors"
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/calibrate"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// Calibration on held-out training examples. Validation examples have no part in it: they choose the
// epoch, and measure.
const (
	calibrationFolds  = 5        // parts of the training examples, of which one at a time is held out
	calibrationLeast  = 50       // training examples, below which nothing is calibrated
	calibrationEnough = 150      // held-out examples, below which a temperature is hardly ever evident
	calibrationBytes  = 64 << 20 // of the scores of held-out examples, unless so many are not enough
)

// calibrates reports whether the fit is to be calibrated. With auto that is a fit of a head alone to
// examples that are the same in every epoch: there a further fit costs next to nothing.
func (s *Session) calibrates() bool {
	c := &s.Config
	if !task.KindOf(s.Task).Answers.Classes || s.Train.Len() < calibrationLeast {
		return false
	}
	plain := !(data.Options{Augment: c.Augment}).Augmented()
	return c.Calibrate == "on" || c.Calibrate == "auto" && s.HeadOnly() && s.stage.schedule == nil && plain
}

// calibrate chooses the learning rate of a new head, if that was left open, and for every epoch the
// temperature by which to divide the scores. It judges both by training examples that were held out
// from a fit to the others. Call it before the first step.
func (s *Session) calibrate(ctx context.Context, events *report.Events) error {
	if !s.calibrates() {
		return s.tellUncalibrated()
	}
	c, err := s.newCalibration(ctx, events)
	if err != nil {
		return err
	}
	recipe, err := c.try(ctx, s.Config.LR)
	if err != nil || recipe == nil { // a fit that diverges says so itself
		return err
	}
	chosen, what := recipe, "the temperature was"
	if s.rateOpen && s.onlyNewHead() && s.stage.schedule == nil {
		if chosen, err = c.chooseRate(ctx, recipe); err != nil {
			return err
		}
		what = fmt.Sprintf("the learning rate, %.3g, and the temperature were", chosen.rate)
	}
	s.Config.LR = chosen.rate
	// Unasked, there are temperatures only if the end needs one: one of many epochs seems to by chance.
	if s.Config.Calibrate == "on" || chosen.end().Evident(calibrate.VeryStrong) != 1 {
		s.temperatures = make([]float64, len(chosen.scores))
		kernel.Parallel(len(chosen.scores), func(e int) { s.temperatures[e] = chosen.scores[e].Evident(calibrate.Strong) })
	}
	s.Notes = append(s.Notes, fmt.Sprintf("%s chosen on %s of the training examples, held out in turn (option calibrate off does without)",
		what, report.Count(c.held)))
	return nil
}

// tellUncalibrated says in a note that scores of a kept head that had a temperature lose it.
func (s *Session) tellUncalibrated() error {
	if s.Net.Headed.Fresh || !tuned.Tuned(s.Base.Model.Metadata) {
		return nil
	}
	r, err := tuned.ReadRecord(s.Base.Model.Metadata)
	if err == nil && r.Temperature != 1 {
		s.Notes = append(s.Notes, fmt.Sprintf("the model's metadata have the temperature %.3g, by which its scores were divided: this fit leaves it out, and its scores are undivided (option calibrate on chooses another)", r.Temperature))
	}
	return err
}

// calibration holds out parts of the training examples.
type calibration struct {
	session *Session
	kept    *keep.Kept // nil: the frozen values change with every epoch
	folds   [][]int    // the parts that are held out, one at a time
	held    int        // examples in folds
	each    float64    // work of a fit with each of them held out
	left    float64    // work that may still be spent
}

// newCalibration holds out all parts in turn as long as the fits to the others are less work than
// computing the frozen values once, and in any case as many parts as are enough. Work is counted, so
// that the choice is the same on every machine.
func (s *Session) newCalibration(ctx context.Context, events *report.Events) (*calibration, error) {
	c := &calibration{session: s}
	work, err := s.Work()
	if err != nil {
		return nil, err
	}
	parts, err := s.Train.Folds(calibrationFolds, s.Config.Seed, nil)
	if err != nil {
		return nil, err
	}
	one := float64(s.Config.Epochs) * (float64(s.Train.Len())*work.Live + float64(s.stepsPerEpoch())*work.Step)
	c.left = float64(s.Train.Len()) * work.Frozen
	for _, p := range parts {
		if len(p) > 0 && (c.held < calibrationEnough || c.each+one < c.left) {
			c.folds = append(c.folds, p)
			c.held += len(p)
			c.each += one
		}
	}
	c.thin(max(calibrationEnough, calibrationBytes/(4*s.Task.Scores()*(s.Config.Epochs+1))))
	c.kept, err = s.keepFrozen(ctx, events)
	return c, err
}

// thin holds out no more than about most examples, evenly over the folds, whose examples are in the
// order of their classes.
func (c *calibration) thin(most int) {
	stride := (c.held + most - 1) / most
	c.held = 0
	for k, f := range c.folds {
		var some []int
		for i := 0; i < len(f); i += stride {
			some = append(some, f[i])
		}
		c.folds[k] = some
		c.held += len(some)
	}
}

// candidate is a learning rate with the scores of the held-out examples after every epoch.
type candidate struct {
	rate   float64
	scores []calibrate.Scores // the last ones of the written weights, see heldOutScores
	losses []float64          // of the examples after the last epoch, at their temperature
}

// end is the scores after the last epoch.
func (c *candidate) end() *calibrate.Scores { return &c.scores[len(c.scores)-2] }

// try fits at a learning rate. It returns nil if the loss became infinite or NaN.
func (c *calibration) try(ctx context.Context, rate float64) (*candidate, error) {
	c.left -= c.each
	parts, errs := make([][]calibrate.Scores, len(c.folds)), make([]error, len(c.folds))
	fit := func(k int) { parts[k], errs[k] = c.session.heldOutScores(ctx, rate, c.folds[k], c.kept) }
	if c.session.HeadOnly() { // small steps, which leave threads idle, and little memory
		kernel.Parallel(len(c.folds), fit)
	} else {
		for k := 0; k < len(c.folds) && (k == 0 || errs[k-1] == nil); k++ {
			fit(k)
		}
	}
	all := make([]calibrate.Scores, c.session.Config.Epochs+1)
	for k, scores := range parts {
		var diverged *DivergedError
		switch {
		case errors.As(errs[k], &diverged):
			return nil, nil
		case errs[k] != nil:
			return nil, errs[k]
		}
		for e := range all {
			all[e].Add(&scores[e])
		}
	}
	found := &candidate{rate: rate, scores: all}
	found.losses = found.end().Losses(found.end().Temperature())
	return found, nil
}

// chooseRate tries lower learning rates than the recipe's as long as each is better, and a higher
// one if none is. It takes the nearest to the recipe's against which there is no strong evidence.
func (c *calibration) chooseRate(ctx context.Context, recipe *candidate) (*candidate, error) {
	tried, best := []*candidate{recipe}, recipe
	better := func(factor float64) (bool, error) {
		if c.left < c.each {
			return false, nil
		}
		next, err := c.try(ctx, recipe.rate*factor)
		if err != nil || next == nil || calibrate.Evidence(best.losses, next.losses) <= 0 {
			return false, err
		}
		tried, best = append(tried, next), next
		return true, nil
	}
	for _, factor := range []float64{0.3, 0.1, 0.03} {
		if ok, err := better(factor); err != nil {
			return nil, err
		} else if !ok {
			break
		}
	}
	if best == recipe {
		if _, err := better(3); err != nil {
			return nil, err
		}
	}
	for _, near := range tried {
		if calibrate.Evidence(near.losses, best.losses) < calibrate.Strong {
			return near, nil
		}
	}
	return best, nil
}

// heldOutScores fits all training examples but some, and returns the scores of these after every
// epoch, and of the weights that would be written if those are of no epoch.
func (s *Session) heldOutScores(ctx context.Context, rate float64, held []int, kept *keep.Kept) ([]calibrate.Scores, error) {
	cfg := s.Config
	cfg.LR, cfg.Calibrate, cfg.Keep, cfg.Patience, cfg.Out = rate, "off", "last", 0, ""
	if cfg.Cache == "off" {
		cfg.Cache = "ram"
	}
	plan, err := planText(s.Plans.Reach)
	if err != nil {
		return nil, err
	}
	rest := data.Except(s.Train.Len(), held)
	t, err := s.With(cfg, s.Train.Subset(rest), s.Train.HeldOutSubset(held))
	if err != nil {
		return nil, err
	}
	if err := t.settle(ctx, plan); err != nil {
		return nil, err
	}
	t.heldOut = make([]calibrate.Scores, cfg.Epochs+1)
	t.digests = map[string]string{} // nothing is written
	f := &loop{session: t, events: report.NewEvents()}
	if kept != nil {
		f.frontier = kept.Parts(rest, held)
	}
	if err := f.fit(ctx, false); err != nil {
		return nil, err
	}
	return t.heldOut, nil
}

// keepFrozen computes the frozen values of all examples, for the fits to parts of them and, unless
// nothing is to be kept, for the fit itself. It returns nil where the examples change with every
// epoch.
func (s *Session) keepFrozen(ctx context.Context, events *report.Events) (*keep.Kept, error) {
	if (data.Options{Augment: s.Config.Augment}).Augmented() {
		return nil, nil
	}
	o := s.keepOptions(events)
	if o.Where == "off" {
		o.Where = "ram"
	}
	e, summary, err := keep.Open(ctx, s.Net, s.Train, s.Val, o, nil)
	if err != nil {
		return nil, err
	}
	k := &keep.Kept{Encoders: e, Net: s.Net, Summary: summary}
	if s.Config.Cache != "off" {
		s.kept = k
	}
	return k, nil
}

// collect keeps the scores of a batch of held-out examples.
func (f *loop) collect(logits []float32, labels []int64) {
	h := &f.session.heldOut[f.st.Epoch]
	h.Classes = len(logits) / len(labels)
	for _, l := range labels {
		h.Labels = append(h.Labels, int(l))
	}
	h.Logits = append(h.Logits, logits...)
}

// temper sets the temperature of the weights of an epoch, or after the last one of those that are
// written.
func (f *loop) temper(epoch int) {
	f.session.temperature = 1
	if t := f.st.Temperatures; epoch >= 0 && epoch < len(t) {
		f.session.temperature = t[epoch]
	}
}

// tempered are scores divided by the session's temperature.
func (s *Session) tempered(scores *tensor.Tensor) *tensor.Tensor {
	if s.temperature == 0 || s.temperature == 1 {
		return scores
	}
	scores = scores.Clone()
	kernel.Scale(scores.F32(), scores.F32(), float32(1/s.temperature))
	return scores
}
