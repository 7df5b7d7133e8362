package run

import (
	"context"
	"fmt"
	"math"
	"strconv"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/optim"
	"github.com/permafrost-ml/permafrost/internal/random"
	"github.com/permafrost-ml/permafrost/internal/schedule"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// meter measures what a schedule asks for, from one question to the next. Its memory is part of a
// checkpoint.
type meter struct {
	kind  schedule.Statistic
	units int

	// marks is the reference. By weight, it is the sum of gradients or the weights at the last
	// question. By a unit's number, it is the similarity of the examples in the unit's output when
	// the reference was made.
	marks map[string]*tensor.Tensor
	grams map[string]*tensor.Tensor // of the last measurement
}

// newMeter starts measuring what the schedule asks for.
func (f *loop) newMeter(ctx context.Context) error {
	f.meter = &meter{kind: f.session.stage.schedule.Measures(), units: f.session.stage.units}
	if f.meter.kind == schedule.Plasticity {
		if _, err := f.measure(ctx); err != nil {
			return err
		}
	}
	f.mark(true)
	return nil
}

// gather adds the gradients of a step. On a nil meter it does nothing.
func (m *meter) gather(slots []*optim.Slot) {
	if m == nil || m.kind != schedule.Gradient {
		return
	}
	for _, s := range slots {
		if s.Grad == nil || s.Grad.DType != tensor.Float32 {
			continue
		}
		if m.marks[s.Name] == nil {
			m.marks[s.Name] = tensor.New(tensor.Float32, s.Grad.Shape...)
		}
		kernel.Axpy(m.marks[s.Name].F32(), s.Grad.F32(), 1)
	}
}

// measure returns the statistic of every unit, NaN where none of its weights trains.
func (f *loop) measure(ctx context.Context) ([]float64, error) {
	m := f.meter
	top, bottom := make([]float64, m.units), make([]float64, m.units)
	out := make([]float64, m.units)
	seen := make([]bool, m.units)
	slots := f.session.active.Opt.Slots()
	switch m.kind {
	case schedule.Nothing:
		return nil, nil
	case schedule.Plasticity:
		return f.plasticity(ctx)
	case schedule.Gradient:
		for _, s := range slots {
			u := f.session.stage.unit[s.Name]
			seen[u] = true
			if g := m.marks[s.Name]; g != nil {
				top[u] += (&optim.Slot{Value: s.Value, Grad: g, Mask: s.Mask}).SumSquares()
			}
		}
		for u := range out {
			out[u] = math.Sqrt(top[u])
		}
	case schedule.Change:
		for _, s := range slots {
			u := f.session.stage.unit[s.Name]
			seen[u] = true
			was := m.marks[s.Name].Float64s()
			for i, w := range s.Thawed().Float64s() {
				top[u] += math.Abs(w - was[i])
				bottom[u] += math.Abs(was[i])
			}
		}
		for u := range out {
			out[u] = top[u] / max(bottom[u], math.SmallestNonzeroFloat64)
		}
	}
	for u := range out {
		if !seen[u] {
			out[u] = math.NaN()
		}
	}
	return out, nil
}

// mark starts a new measurement. If refer is true, the last measured similarities become the
// reference.
func (f *loop) mark(refer bool) {
	m := f.meter
	switch m.kind {
	case schedule.Gradient:
		m.marks = map[string]*tensor.Tensor{}
	case schedule.Change:
		m.marks = map[string]*tensor.Tensor{}
		for _, s := range f.session.active.Opt.Slots() {
			m.marks[s.Name] = s.Thawed().Clone()
		}
	case schedule.Plasticity:
		if refer {
			m.marks = m.grams
		}
	}
}

// referenceExamples is the number of training examples on which plasticity is measured.
const referenceExamples = 32

// plasticity runs some examples through the live region in inference. For each unit it compares the
// similarity of the examples in the unit's output with the reference.
func (f *loop) plasticity(ctx context.Context) ([]float64, error) {
	m := f.meter
	out := make([]float64, m.units)
	for u := range out {
		out[u] = math.NaN()
	}
	order := random.Permutation(f.session.Config.Seed, 0, f.session.Train.Len())
	groups := f.session.Train.Groups(order[:min(referenceExamples, len(order))], referenceExamples)
	m.grams = map[string]*tensor.Tensor{}
	sum, count := make([]float64, m.units), make([]int, m.units)
	group := 0
	for b, err := range f.frontier.Train.Batches(ctx, groups, data.Plain) {
		if err != nil {
			return nil, err
		}
		n := len(b.Indices)
		results, err := f.session.Net.At(b.Length).UnitResults(n, f.session.stage.unit, m.units)
		if err != nil {
			return nil, err
		}
		values, err := results.Program.Run(ctx, b.Values...)
		if err != nil {
			return nil, err
		}
		grams := map[int]*tensor.Tensor{}
		for k, u := range results.Unit {
			if grams[u] == nil {
				grams[u] = tensor.New(tensor.Float64, n, n)
			}
			schedule.Gram(tensor.Data[float64](grams[u]), values[k].F32(), n)
		}
		for u, g := range grams {
			v := tensor.Data[float64](g)
			schedule.Normalise(v, n)
			key := fmt.Sprintf("%d/%s", group, strconv.Itoa(u))
			m.grams[key] = g
			if r := m.marks[key]; r != nil {
				sum[u] += schedule.Distance(v, tensor.Data[float64](r)) * float64(n)
				count[u] += n
			}
		}
		group++
	}
	for u, n := range count {
		if n > 0 {
			out[u] = sum[u] / float64(n)
		}
	}
	return out, nil
}

// marksPrefix starts the name of a meter's mark in a checkpoint.
const marksPrefix = "schedule/"

// save adds the marks to a checkpoint.
func (m *meter) save(c *Checkpoint) {
	if m == nil {
		return
	}
	for name, t := range m.marks {
		c.Tensors[marksPrefix+name] = t
	}
}
