package run

import (
	"context"
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/report"
)

// settle puts the weights in place that the run will write: those of the best or last epoch, or
// their mean. With wise_ft it then interpolates between them and the pretrained ones, and validates
// the result.
func (f *loop) settle(ctx context.Context) error {
	f.temper(f.keptEpoch())
	switch {
	case f.session.Config.Keep == "best" && f.kept.best.tensors != nil:
		if err := f.kept.best.check(); err != nil {
			return err
		}
		if err := f.session.restoreWeights(f.kept.best.tensors); err != nil {
			return err
		}
		f.kept.best.drop()
	case f.averages():
		if err := f.putAverage(ctx); err != nil {
			return err
		}
	}
	if share := f.session.Config.WiseFT; share == nil || *share == 1 || f.session.onlyNewHead() {
		return nil
	}
	return f.wise(ctx, *f.session.Config.WiseFT)
}

// wise moves every weight that trained in any stage to base + share (trained - base). A new weight,
// such as one of a fresh head, has no base and stays as trained. Running statistics of batch
// normalisations are then measured again: those of a network between two others are not between
// theirs.
//
// Source: Wortsman, Ilharco, Kim, Li, Kornblith, Roelofs, Lopes, Hajishirzi, Farhadi, Namkoong and
// Schmidt, Robust Fine-Tuning of Zero-Shot Models, CVPR 2022.
func (f *loop) wise(ctx context.Context, share float64) error {
	for _, s := range f.session.active.params(f.session.Net.Set) {
		if f.session.Net.IsNew(s.Name) {
			continue
		}
		w, base := make([]float32, s.Len()), make([]float32, s.Len())
		s.Gather(w, s.Value)
		s.Gather(base, f.session.active.pretrained[s.Name])
		for i, b := range base {
			w[i] = b + float32(share)*(w[i]-b)
		}
		s.Scatter(w)
	}
	if f.session.stage.schedule != nil { // weights that an earlier stage trained must be read again
		if err := f.session.adopt(f.session.Plans.Ever); err != nil {
			return err
		}
		if err := f.rebuild(ctx); err != nil {
			return err
		}
	}
	if err := f.reestimate(ctx); err != nil {
		return err
	}
	f.temper(f.session.Config.Epochs)
	var err error
	if f.final, err = f.validate(ctx); err == nil {
		f.events.Emit(&report.Warning{Message: fmt.Sprintf("option wise_ft %g: %s on validation", share, report.MetricText(f.final.Named(), f.final.Accuracy()))})
	}
	return err
}
