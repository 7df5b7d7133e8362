package split

import (
	"context"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/grad"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Step is the live region compiled for training at one batch size: a forward pass, the loss and the
// gradients of the thawed weights.
type Step struct {
	Program *compile.Program
	labels  int              // number of label inputs, which follow the frontier values
	drops   bool             // takes a dropout seed after the labels
	Grads   []*tensor.Tensor // one per thawed weight, in order; views of the program's memory
	Stats   []BatchStatistics
}

// BatchStatistics gives access to the running and batch statistics of a batch normalisation that
// trains.
type BatchStatistics struct {
	Mean, Variance *tensor.Tensor // running statistics, updated in place
	BatchMean      *tensor.Tensor
	BatchVar       *tensor.Tensor
	Count          int     // elements per channel
	momentum       float32 // weight of the old value
}

// Train returns the live region as a training step: from the frontier and the labels to the loss
// and the gradients.
func (n *Network) Train(batch int) (*Step, error) {
	if s := n.steps[batch]; s != nil {
		return s, nil
	}
	g, cut, err := n.LiveGraph(batch)
	if err != nil {
		return nil, err
	}
	if n.oneByOne(batch) {
		if err := n.oneByOneLive(g, cut); err != nil {
			return nil, err
		}
	}
	if err := n.standardise(g); err != nil {
		return nil, err
	}
	if err := n.dropInHead(g); err != nil {
		return nil, err
	}
	wrt := n.thawed(g)
	var used []*ir.Value
	for _, v := range wrt {
		if v != nil {
			used = append(used, v)
		}
	}
	training, err := compile.Train(g, compile.TrainOptions{
		Thawed: used,
		Tracks: func(mean *ir.Value) bool { return n.Plan.Of(mean.Name).State == freeze.Tracking },
	})
	if err != nil {
		return nil, err
	}
	given, err := n.average(g, batch)
	if err != nil {
		return nil, err
	}
	scores := g.Outputs[0]
	var labels []*ir.Value
	for _, t := range n.Task.LabelTypes(batch, task.Positions(n.Task, scores.Type.Shape, batch)) {
		labels = append(labels, g.AddInput("labels", t))
	}
	b := ir.NewBuilder(g, "loss")
	loss := n.Task.Loss(b, scores, labels)
	if err := b.Err(); err != nil {
		return nil, err
	}
	grads, err := grad.Differentiate(g, loss, used)
	if err != nil {
		return nil, err
	}
	outputs := []*ir.Value{loss, scores}
	at := map[*ir.Value]int{}
	for i, v := range used {
		if grads[i] != nil {
			at[v] = len(outputs)
			outputs = append(outputs, grads[i])
		}
	}
	first := len(outputs)
	for _, bn := range training.Norms {
		outputs = append(outputs, bn.BatchMean, bn.BatchVariance)
	}
	given = slices.Concat(cut, given, labels)
	if training.Seed != nil {
		given = append(given, training.Seed)
	}
	sub, _ := ir.Extract(g, "train", given, outputs)
	p, err := n.region(sub, n.Memory)
	if err != nil {
		return nil, err
	}
	s := &Step{Program: p, labels: len(labels), drops: training.Seed != nil}
	for _, v := range wrt {
		var t *tensor.Tensor
		if k, ok := at[v]; ok && v != nil {
			t = p.OutputTensor(k)
		}
		s.Grads = append(s.Grads, t)
	}
	for i, bn := range training.Norms {
		s.Stats = append(s.Stats, BatchStatistics{
			Mean: bn.Mean.Data, Variance: bn.Variance.Data, momentum: bn.Momentum, Count: bn.Count,
			BatchMean: p.OutputTensor(first + 2*i), BatchVar: p.OutputTensor(first + 2*i + 1),
		})
	}
	if n.steps == nil {
		n.steps = map[int]*Step{}
	}
	n.steps[batch] = s
	return s, nil
}

// Run computes the loss, the scores and the gradients of a batch. It takes the frontier values, the
// task's labels and the dropout seed. Results are valid until the next run.
func (s *Step) Run(ctx context.Context, values, labels []*tensor.Tensor, seed int64) (loss float32, scores *tensor.Tensor, err error) {
	out, err := s.Program.Run(ctx, s.Inputs(values, labels, seed)...)
	if err != nil {
		return 0, nil, err
	}
	return out[0].F32()[0], out[1], nil
}

func (s *Step) Inputs(values, labels []*tensor.Tensor, seed int64) []*tensor.Tensor {
	in := slices.Concat(values, labels)
	if s.drops {
		in = append(in, tensor.Scalar(seed))
	}
	return in
}

// FirstLabel returns the index of the first label among the program's inputs.
func (s *Step) FirstLabel() int {
	n := len(s.Program.Graph().Inputs) - s.labels
	if s.drops {
		n--
	}
	return n
}

// Update updates the running statistics of batch normalisations that train.
func (s *Step) Update() {
	for _, b := range s.Stats {
		track(b.Mean.F32(), b.BatchMean.F32(), b.momentum, 1)
		track(b.Variance.F32(), b.BatchVar.F32(), b.momentum, b.Unbias())
	}
}

// Unbias returns the factor that makes a batch's variance an unbiased estimate.
func (b *BatchStatistics) Unbias() float32 {
	if b.Count <= 1 {
		return 1
	}
	return float32(b.Count) / float32(b.Count-1)
}

// track moves a running statistic towards a batch's: r = m r + (1-m) scale x, as PyTorch does with
// the unbiased variance.
func track(running, batch []float32, momentum, scale float32) {
	for i, x := range batch {
		running[i] = momentum*running[i] + (1-momentum)*scale*x
	}
}
