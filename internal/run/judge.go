package run

import (
	"context"

	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// averages reports whether there is a mean that can replace the weights.
func (f *loop) averages() bool {
	return f.average != nil && !f.average.Empty() && (!f.average.SWA || f.st.Averaged > 0)
}

// stepped is called after every optimiser step.
func (f *loop) stepped() {
	f.watch.step(f)
	if f.average != nil && !f.average.SWA {
		f.average.Step(f.st.Averaged, f.session.active.Opt, f.session.stats())
		f.st.Averaged++
	}
}

// judge validates the weights that would be written if this epoch were the last: the current
// weights or their mean. It keeps a copy if they are the best so far. A brief fit judges those of the
// last epoch alone, and val is nil for the others.
func (f *loop) judge(ctx context.Context) (val *task.Metrics, best bool, err error) {
	kernel.ReleaseScratch() // most of it is that of gradients
	f.watch.epoch(f)
	f.temper(f.st.Epoch)
	if a := f.average; a != nil && a.SWA && f.st.Epoch >= a.First {
		if f.st.Epoch == a.First && f.st.Averaged == 0 {
			f.st.Best = Best{} // weights before averaging do not compete with averaged ones
		}
		// only once for each epoch, even if its end is reached again after resuming
		if f.st.Averaged == f.st.Epoch-a.First {
			f.st.Averaged++
			a.Epoch(f.st.Averaged, f.session.active.Opt)
		}
	}
	if f.session.Brief && f.st.Epoch+1 < f.session.Config.Epochs && !f.holder.enough {
		return nil, false, nil
	}
	if f.averages() {
		now := f.weights()
		defer func() {
			if e := f.session.restoreWeights(now); err == nil {
				err = e
			}
		}()
		if err := f.putAverage(ctx); err != nil {
			return nil, false, err
		}
	}
	if val, err = f.validate(ctx); err != nil {
		return nil, false, err
	}
	if best = f.st.Best.Observe(f.st.Epoch, val.Score()); best && !f.session.Brief {
		f.kept.best.take(f.current(), f.session.onDisk)
		f.kept.unsaved, f.kept.mistakes = true, f.mistakes
	}
	return val, best, nil
}

func (f *loop) putAverage(ctx context.Context) error {
	f.average.Put(f.session.active.Opt, f.session.stats())
	if f.average.SWA {
		return f.reestimate(ctx)
	}
	return nil
}

// reestimate computes the running statistics of thawed batch normalisations for the current
// weights. They are means over one pass through the training examples in the order of the first
// epoch. Every batch counts the same, as in torch.optim.swa_utils.update_bn.
func (f *loop) reestimate(ctx context.Context) error {
	stats := f.session.stats()
	if len(stats) == 0 {
		return nil
	}
	sums := map[*float32][]float64{} // keyed by the first element of the statistic
	n := 0
	for b, err := range f.frontier.Train.Batches(ctx, f.session.groups(0), 0) {
		if err != nil {
			return err
		}
		net := f.session.Net.At(b.Length)
		step, err := net.Train(len(b.Indices))
		if err != nil {
			return err
		}
		labels := task.Unmixed(f.session.Net.Task, f.session.labels(f.session.Train, b, step.Program.OutputTensor(1).Shape))
		if _, _, err := step.Run(ctx, b.Given(net), labels, split.StepSeed(f.session.Config.Seed, 0, b.Indices[0])); err != nil {
			return err
		}
		n++
		for _, s := range step.Stats {
			addTo(sums, s.Mean.F32(), s.BatchMean.F32(), 1)
			addTo(sums, s.Variance.F32(), s.BatchVar.F32(), s.Unbias())
		}
	}
	settleStats(stats, sums, n)
	return nil
}

// settleStats sets statistics to their mean over n batches.
func settleStats(stats map[string]*tensor.Tensor, sums map[*float32][]float64, n int) {
	for _, t := range stats {
		v := t.F32()
		sum := sums[&v[0]]
		for i := range sum {
			v[i] = float32(sum[i] / float64(n))
		}
	}
}

func addTo(sums map[*float32][]float64, of, batch []float32, scale float32) {
	sum := sums[&of[0]]
	if sum == nil {
		sum = make([]float64, len(of))
		sums[&of[0]] = sum
	}
	for i, v := range batch {
		sum[i] += float64(scale * v)
	}
}
