package train

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// averaging is the option average, read: the decay of ema, or swa.
type averaging struct {
	swa   bool
	decay float64
}

func parseAverage(text string) (averaging, error) {
	kind, arg, _ := strings.Cut(text, ":")
	switch {
	case text == "swa":
		return averaging{swa: true}, nil
	case kind == "ema":
		d, err := strconv.ParseFloat(arg, 64)
		if err != nil || !(d > 0 && d < 1) {
			return averaging{}, fmt.Errorf("average: %q: ema takes a decay between 0 and 1, as ema:0.999", text)
		}
		return averaging{decay: d}, nil
	}
	return averaging{}, fmt.Errorf("average: %q is none of ema:D, swa", text)
}

// average is a running mean of the thawed weights. It is what is validated, and what is written. Frozen weights, those that a
// schedule froze again included, have no part in it.
//
// ema, an exponential mean after every step t (from 0) by the decay d = min(D, (1+t)/(10+t)), so that a short run does not remember its
// start: m = d m + (1-d) w. Running statistics of batch normalisations have the same mean.
//
// swa, the plain mean of the weights at the end of each of the last quarter of the epochs (Izmailov, Podoprikhin, Garipov, Vetrov
// and Wilson, Averaging Weights Leads to Wider Optima and Better Generalization, UAI 2018). Running statistics are those of the mean's
// own activations, see reestimate. Only these epochs count as candidates for the best.
type average struct {
	averaging
	first  int                  // swa: the first epoch that counts
	values map[string][]float32 // of the thawed elements, by weight; of running statistics likewise
}

// swaPart is the share of the epochs that swa averages.
const swaPart = 0.25

func swaEpochs(epochs int) int { return max(1, int(swaPart*float64(epochs))) }

func newAverage(c *Config) *average {
	if c.Average == "" {
		return nil
	}
	a, err := parseAverage(c.Average)
	if err != nil {
		panic(err) // Validate has passed it
	}
	return &average{averaging: a, first: c.Epochs - swaEpochs(c.Epochs), values: map[string][]float32{}}
}

// ema takes the weights after a step in.
func (a *average) ema(f *fitter) {
	t := float64(f.st.Averaged)
	f.st.Averaged++
	a.mix(f, float32(1-math.Min(a.decay, (1+t)/(10+t))), true)
}

// epoch takes the weights at the end of an epoch in, once, however often the end of that epoch is come to.
func (a *average) epoch(f *fitter) {
	if f.st.Averaged != f.st.Epoch-a.first {
		return
	}
	f.st.Averaged++
	a.mix(f, 1/float32(f.st.Averaged), false)
}

// mix moves the mean by the share x towards the present weights. One that was not there takes their place.
func (a *average) mix(f *fitter, x float32, stats bool) {
	now := map[string][]float32{}
	for _, s := range f.opt.Slots() {
		now[s.Name] = f.opt.value(s)
	}
	if stats {
		for name, t := range f.stats() {
			now[name] = t.F32()
		}
	}
	for name, w := range now {
		m := a.values[name]
		if m == nil {
			a.values[name] = slices.Clone(w)
			continue
		}
		for i, v := range w {
			m[i] += x * (v - m[i])
		}
	}
	for name := range a.values {
		if now[name] == nil {
			delete(a.values, name)
		}
	}
}

// value is a copy of a parameter's thawed elements in float32, or where possible the elements themselves.
func (o *Optimizer) value(s *Slot) []float32 {
	if st := o.state[s.Name]; st.master != nil {
		return st.master
	}
	if s.direct(s.Value) {
		return s.Value.F32()
	}
	v := make([]float32, s.Len())
	s.gather(v, s.Value)
	return v
}

// put makes the mean the present weights.
func (a *average) put(f *fitter) {
	for _, s := range f.opt.Slots() {
		if m := a.values[s.Name]; m != nil {
			s.scatter(m)
		}
	}
	for name, t := range f.stats() {
		if m := a.values[name]; m != nil {
			copy(t.F32(), m)
		}
	}
}

// averagePrefix is where a checkpoint holds the mean.
const averagePrefix = "average/"

// save adds the mean to a checkpoint.
func (a *average) save(c *Checkpoint) {
	if a == nil {
		return
	}
	for name, v := range a.values {
		c.Tensors[averagePrefix+name] = tensor.Of(v)
	}
}

// restore takes the mean out of a checkpoint.
func (a *average) restore(c *Checkpoint) {
	for key, t := range c.Tensors {
		if name, ok := strings.CutPrefix(key, averagePrefix); ok && a != nil {
			a.values[name] = slices.Clone(t.F32())
			delete(c.Tensors, key)
		}
	}
}

// averages reports whether there is a mean to be put in the place of the weights.
func (f *fitter) averages() bool {
	return f.average != nil && len(f.average.values) > 0 && (!f.average.swa || f.st.Averaged > 0)
}

// stepped comes behind every optimiser step.
func (f *fitter) stepped() {
	f.watch.step(f)
	if f.average != nil && !f.average.swa {
		f.average.ema(f)
	}
}

// judge validates what would be kept if this epoch were the last: the weights as they are, or their mean. It keeps a copy where it is
// the best so far.
func (f *fitter) judge(ctx context.Context) (val *Metrics, best bool, err error) {
	f.watch.epoch(f)
	if a := f.average; a != nil && a.swa && f.st.Epoch >= a.first {
		if f.st.Epoch == a.first && f.st.Averaged == 0 {
			f.st.Best = Best{} // what was not averaged does not compete with what is
		}
		a.epoch(f)
	}
	if f.averages() {
		now := f.weights()
		defer func() {
			if e := f.restoreWeights(now); err == nil {
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
	if best = f.st.Best.Observe(f.st.Epoch, val.Score()); best {
		f.best, f.unsaved = f.weights(), true
	}
	return val, best, nil
}

func (f *fitter) putAverage(ctx context.Context) error {
	f.average.put(f)
	if f.average.swa {
		return f.reestimate(ctx)
	}
	return nil
}

// reestimate makes the running statistics of thawed batch normalisations those of the present weights: means over one pass through the
// training examples in the order of the first epoch, each batch counting the same, as torch.optim.swa_utils.update_bn takes them.
func (f *fitter) reestimate(ctx context.Context) error {
	stats := f.stats()
	if len(stats) == 0 {
		return nil
	}
	sums := map[*float32][]float64{} // by the first element of the statistic
	n := 0
	for b, err := range f.train.batches(ctx, f.Train.Groups(Order(f.Config.Seed, 0, f.Train.Len()), f.Config.Batch), 0) {
		if err != nil {
			return err
		}
		net := f.Net.At(b.Length)
		step, err := net.Train(len(b.Indices))
		if err != nil {
			return err
		}
		labels := f.unmixed(f.labels(f.Train, b, step.program.OutputTensor(1).Shape))
		if _, _, err := step.run(ctx, b.given(net), labels, stepSeed(f.Config.Seed, 0, b.Indices[0])); err != nil {
			return err
		}
		n++
		for _, s := range step.stats {
			addTo(sums, s.mean.F32(), s.batchMean.F32(), 1)
			addTo(sums, s.variance.F32(), s.batchVar.F32(), s.unbias())
		}
	}
	settleStats(stats, sums, n)
	return nil
}

// settleStats sets statistics to the mean of n batches.
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
