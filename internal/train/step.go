package train

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

// Step is the compiled live region for one batch size: a forward pass, the loss and the gradients of
// the thawed weights.
type Step struct {
	program *compile.Program
	labels  int              // how many inputs they are, behind the frontier's values
	drops   bool             // takes a dropout seed behind the labels
	Grads   []*tensor.Tensor // by thawed weight in order; views of the program's memory
	stats   []batchStat
}

// batchStat is a batch normalisation that trains: its running statistics and where the batch's are.
type batchStat struct {
	mean, variance *tensor.Tensor // running, in place
	batchMean      *tensor.Tensor
	batchVar       *tensor.Tensor
	count          int     // elements per channel
	momentum       float32 // share of the old value that is kept
}

// Train is the live region as training, from the frontier and the labels to the loss and gradients.
func (n *Network) Train(batch int) (*Step, error) {
	if s := n.train[batch]; s != nil {
		return s, nil
	}
	g, cut, err := n.liveGraph(batch)
	if err != nil {
		return nil, err
	}
	if err := n.standardise(g); err != nil {
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
	_, active := n.arenas()
	sub, _ := ir.Extract(g, "train", given, outputs)
	p, err := compile.Region(sub, compile.Memory{Budget: n.Memory, Arena: active})
	if err != nil {
		return nil, err
	}
	s := &Step{program: p, labels: len(labels), drops: training.Seed != nil}
	for _, v := range wrt {
		var t *tensor.Tensor
		if k, ok := at[v]; ok && v != nil {
			t = p.OutputTensor(k)
		}
		s.Grads = append(s.Grads, t)
	}
	for i, bn := range training.Norms {
		s.stats = append(s.stats, batchStat{
			mean: bn.Mean.Data, variance: bn.Variance.Data, momentum: bn.Momentum, count: bn.Count,
			batchMean: p.OutputTensor(first + 2*i), batchVar: p.OutputTensor(first + 2*i + 1),
		})
	}
	if n.train == nil {
		n.train = map[int]*Step{}
	}
	n.train[batch] = s
	return s, nil
}

// run computes the loss, the scores and the gradients of a batch at the frontier, the task's labels and
// the seed of what dropout drops. Results are valid until the next run.
func (s *Step) run(ctx context.Context, values, labels []*tensor.Tensor, seed int64) (loss float32, scores *tensor.Tensor, err error) {
	out, err := s.program.Run(ctx, s.inputs(values, labels, seed)...)
	if err != nil {
		return 0, nil, err
	}
	return out[0].F32()[0], out[1], nil
}

func (s *Step) inputs(values, labels []*tensor.Tensor, seed int64) []*tensor.Tensor {
	in := slices.Concat(values, labels)
	if s.drops {
		in = append(in, tensor.Scalar(seed))
	}
	return in
}

// firstLabel is the position of the first label among the program's inputs.
func (s *Step) firstLabel() int {
	n := len(s.program.Graph().Inputs) - s.labels
	if s.drops {
		n--
	}
	return n
}

// update moves the running statistics of batch normalisations that train.
func (s *Step) update() {
	for _, b := range s.stats {
		track(b.mean.F32(), b.batchMean.F32(), b.momentum, 1)
		track(b.variance.F32(), b.batchVar.F32(), b.momentum, b.unbias())
	}
}

// unbias is what makes a batch's variance an unbiased estimate.
func (b *batchStat) unbias() float32 {
	if b.count <= 1 {
		return 1
	}
	return float32(b.count) / float32(b.count-1)
}

// track moves a running statistic towards a batch's: r = m r + (1-m) scale x, as PyTorch does with the
// unbiased variance.
func track(running, batch []float32, momentum, scale float32) {
	for i, x := range batch {
		running[i] = momentum*running[i] + (1-momentum)*scale*x
	}
}
