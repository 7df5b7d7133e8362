package run

import (
	"context"
	"fmt"
	"math"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/optim"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// forwardBackward runs one batch and adds to its metrics. It returns the loss as reported.
func (f *loop) forwardBackward(ctx context.Context, b *split.Batch, m *task.Metrics) (float64, *split.Step, error) {
	first := f.st.Step == 0 && f.session.Config.Memory > 0
	net := f.session.Net.At(b.Length)
	step, err := net.Train(len(b.Indices))
	if err != nil {
		return 0, nil, err
	}
	if again := step.Program.Recomputed(); first && again.Values > 0 {
		f.events.Emit(&report.Warning{Message: "memory: " + again.String()})
	}
	if n := step.Program.ArenaBytes(); first && n > int(f.session.Config.Memory) {
		f.events.Emit(&report.Warning{Message: fmt.Sprintf("memory: a step takes %s and no cheap value is left to compute again; lower option batch (and raise option accumulate) to fit", report.ByteCount(int64(n)))})
	}
	labels := f.session.labels(f.session.Train, b, step.Program.OutputTensor(1).Shape)
	seed := split.StepSeed(f.session.Config.Seed, f.st.Epoch, b.Indices[0])
	given, answers := f.mix(b, b.Given(net), labels, step.Program.OutputTensor(1).Shape)
	l, scores, err := step.Run(ctx, given, answers, seed)
	if err != nil {
		return 0, nil, err
	}
	loss := float64(l)
	if math.IsNaN(loss) || math.IsInf(loss, 0) {
		where, err := step.Program.FirstNonFinite(ctx, step.Inputs(given, answers, seed)...)
		if err != nil {
			return 0, nil, err
		}
		return 0, nil, &DivergedError{Epoch: f.st.Epoch, Step: f.st.Step, Where: where}
	}
	f.session.Task.Measure(m, scores, labels)
	return task.Reported(f.session.Net.Task, loss), step, nil
}

// labels are the right answers of a batch whose scores have the given shape.
func (s *Session) labels(ds *data.Dataset, b *split.Batch, scores tensor.Shape) []*tensor.Tensor {
	targets := make([]data.Target, len(b.Indices))
	for k, i := range b.Indices {
		targets[k] = s.targets[ds][i]
	}
	positions := task.Positions(s.Task, scores, len(targets))
	return s.Task.Labels(targets, data.Scaled(b.Lengths, b.Length, positions), positions)
}

// update clips the gradients and moves the thawed weights. norm is the gradient norm.
func (f *loop) update(grads []*tensor.Tensor, lr float64) (norm float64, err error) {
	slots := f.session.active.Opt.Slots()
	for i, s := range slots {
		s.Grad = grads[i]
	}
	f.pace(slots)
	f.meter.gather(slots)
	if f.session.Config.Clip > 0 {
		norm = optim.Clip(slots, f.session.Config.Clip)
	} else {
		norm = optim.GradNorm(slots)
	}
	if math.IsNaN(norm) || math.IsInf(norm, 0) {
		for _, s := range slots {
			if s.Grad != nil && !finiteTensor(s.Grad) {
				return norm, &DivergedError{Epoch: f.st.Epoch, Step: f.st.Step, Where: fmt.Sprintf("the gradient of %q", s.Name)}
			}
		}
	}
	return norm, f.session.active.Opt.Step(lr)
}

func finiteTensor(t *tensor.Tensor) bool {
	for _, v := range t.Float64s() {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return false
		}
	}
	return true
}

// gradSum averages the gradients of several batches before a step.
type gradSum struct {
	sums     []*tensor.Tensor
	examples int
	batches  int
}

// add adds a batch's gradients, which are means over its examples. When a step is due, after
// accumulate batches or the last batch of the epoch, it returns the mean over all batches since the
// last step.
func (g *gradSum) add(grads []*tensor.Tensor, examples, accumulate int, last bool) []*tensor.Tensor {
	if accumulate <= 1 {
		return grads
	}
	if g.sums == nil {
		g.sums = make([]*tensor.Tensor, len(grads))
	}
	for i, t := range grads {
		if t == nil {
			continue
		}
		if g.sums[i] == nil {
			g.sums[i] = tensor.New(t.DType, t.Shape...)
		}
		if g.batches == 0 {
			clear(g.sums[i].Bytes)
		}
		kernel.Axpy(g.sums[i].F32(), t.F32(), float32(examples))
	}
	g.examples += examples
	g.batches++
	if g.batches < accumulate && !last {
		return nil
	}
	for _, t := range g.sums {
		if t != nil {
			kernel.Scale(t.F32(), t.F32(), 1/float32(g.examples))
		}
	}
	g.examples, g.batches = 0, 0
	return g.sums
}
