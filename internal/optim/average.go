package optim

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Average is a running mean of the thawed weights, which is validated and written in place of the
// weights. Frozen weights are not averaged, including those that a schedule froze again.
//
// ema is an exponential mean, updated after every step t (from 0): m = d m + (1-d) w, with the
// decay d = min(D, (1+t)/(10+t)), so that a short run forgets its start. Running statistics of
// batch normalisations are averaged in the same way.
//
// swa is the plain mean of the weights at the end of each of the last quarter of the epochs
// (Izmailov, Podoprikhin, Garipov, Vetrov and Wilson, Averaging Weights Leads to Wider Optima and
// Better Generalization, UAI 2018). The caller measures running statistics on the activations of
// the averaged network. Only these epochs compete for the best.
type Average struct {
	SWA    bool                 // swa; otherwise ema
	First  int                  // swa: the first averaged epoch
	decay  float64              // of ema
	values map[string][]float32 // of the thawed elements, by weight, and of running statistics
}

// NewAverage parses the option ema:D or swa for a run of that many epochs. It returns nil for ""
// and errors on any other text.
func NewAverage(text string, epochs int) (*Average, error) {
	kind, arg, _ := strings.Cut(text, ":")
	a := &Average{First: epochs - SWAEpochs(epochs), values: map[string][]float32{}}
	switch {
	case text == "":
		return nil, nil
	case text == "swa":
		a.SWA = true
		return a, nil
	case kind == "ema":
		d, err := strconv.ParseFloat(arg, 64)
		if err != nil || !(d > 0 && d < 1) {
			return nil, option.Errorf("average", "%q: ema takes a decay between 0 and 1, as ema:0.999", text)
		}
		a.decay = d
		return a, nil
	}
	return nil, option.Errorf("average", "%q is none of ema:D, swa", text)
}

// swaPart is the fraction of the epochs that swa averages.
const swaPart = 0.25

// SWAEpochs returns how many of a run's epochs swa averages.
func SWAEpochs(epochs int) int { return max(1, int(swaPart*float64(epochs))) }

// Step adds the weights after optimiser step t, from 0, to an exponential mean.
func (a *Average) Step(t int, opt *Optimizer, stats map[string]*tensor.Tensor) {
	d := math.Min(a.decay, (1+float64(t))/(10+float64(t)))
	a.mix(float32(1-d), opt, stats)
}

// Epoch adds the weights at the end of an epoch to a plain mean. n is the number of epochs in the
// mean, including this one.
func (a *Average) Epoch(n int, opt *Optimizer) { a.mix(1/float32(n), opt, nil) }

// mix moves the mean by the fraction x towards the current weights. A weight without a mean starts
// with its current value.
func (a *Average) mix(x float32, opt *Optimizer, stats map[string]*tensor.Tensor) {
	present := map[string][]float32{}
	for _, s := range opt.slots {
		present[s.Name] = opt.value(s)
	}
	for name, t := range stats {
		present[name] = t.F32()
	}
	for name, w := range present {
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
		if present[name] == nil {
			delete(a.values, name)
		}
	}
}

// Empty reports whether nothing has been averaged yet.
func (a *Average) Empty() bool { return len(a.values) == 0 }

// Put sets the current weights and statistics to the mean.
func (a *Average) Put(opt *Optimizer, stats map[string]*tensor.Tensor) {
	for _, s := range opt.slots {
		if m := a.values[s.Name]; m != nil {
			s.Scatter(m)
		}
	}
	for name, t := range stats {
		if m := a.values[name]; m != nil {
			copy(t.F32(), m)
		}
	}
}

// averagePrefix starts the name of a mean in a checkpoint.
const averagePrefix = "average/"

// Save adds the mean to the tensors of a checkpoint, which share its memory.
func (a *Average) Save(tensors map[string]*tensor.Tensor) {
	if a == nil {
		return
	}
	for name, v := range a.values {
		tensors[averagePrefix+name] = tensor.Of(v)
	}
}

// Restore takes the mean from the tensors of a checkpoint.
func (a *Average) Restore(tensors map[string]*tensor.Tensor) {
	for key, t := range tensors {
		if name, ok := strings.CutPrefix(key, averagePrefix); ok && a != nil {
			a.values[name] = slices.Clone(t.F32())
			delete(tensors, key)
		}
	}
}
