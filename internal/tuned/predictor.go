package tuned

import (
	"context"
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Predictor runs a tuned file by itself: labels and preprocessing come from its record.
type Predictor struct {
	Record   *Record
	Feed     feed.Feed
	Task     task.Task
	model    *onnx.Model
	programs map[[2]int]*compile.Program // by batch size and length
}

// Open reads a tuned file. It errors on a model that no fit wrote.
func Open(path string) (*Predictor, error) {
	m, err := onnx.Open(path)
	if err != nil {
		return nil, err
	}
	r, err := ReadRecord(m.Metadata)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f, err := feed.Of(m, feed.Options{Kind: r.Input, Settings: r.Preprocess})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	t, err := task.Of(r.Task, r.Labels)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Predictor{Record: r, Feed: f, Task: t, model: m, programs: map[[2]int]*compile.Program{}}, nil
}

// Scores runs the model on a batch of examples and returns the task's scores, [N,classes] for
// classify, valid until the next call. Where an example is several rows of the model, its scores are the mean of theirs, or for a task
// PerPosition those of all rows, one behind the other.
func (p *Predictor) Scores(ctx context.Context, b *data.Batch) (*tensor.Tensor, error) {
	n, form := len(b.Indices), p.Feed.Form()
	prog := p.programs[[2]int{n, b.Length}]
	if prog == nil {
		var err error
		if prog, err = compile.Inference(p.model.Graph, form.Shapes(n, b.Length), compile.Memory{}); err != nil {
			return nil, err
		}
		p.programs[[2]int{n, b.Length}] = prog
	}
	var inputs []*tensor.Tensor
	for _, v := range prog.Graph().Inputs {
		k := slices.IndexFunc(form.Inputs, func(in data.Input) bool { return in.Name == v.Name })
		if k < 0 {
			return nil, fmt.Errorf("nothing feeds the model's input %q", v.Name)
		}
		inputs = append(inputs, b.Inputs[k])
	}
	out, err := prog.Run(ctx, inputs...)
	if err != nil {
		return nil, err
	}
	scores, rows := out[len(out)-1], n
	if form.Rows {
		rows *= b.Length
	}
	want, rank := p.Task.Scores(), len(scores.Shape)
	fits := scores.DType == tensor.Float32 && rank > 0 && scores.Shape[0] == rows && (want == 0 || scores.Shape[rank-1] == want) &&
		(p.Task.PerPosition() || scores.Len() == rows*want)
	if !fits {
		return nil, fmt.Errorf("the model gives %v scores, not those of the task %s with %d: the file's record does not fit its graph", scores.Shape, p.Task.Name(), want)
	}
	if rows > n && !p.Task.PerPosition() {
		return meanRows(scores, b), nil
	}
	return scores, nil
}

// meanRows averages scores [N*L,C] over the rows of each example that are no padding.
func meanRows(scores *tensor.Tensor, b *data.Batch) *tensor.Tensor {
	n := len(b.Indices)
	c := scores.Len() / (n * b.Length)
	out := tensor.New(tensor.Float32, n, c)
	for k, length := range b.Lengths {
		dst := out.F32()[k*c : (k+1)*c]
		for r := range length {
			for i, v := range scores.F32()[(k*b.Length+r)*c:][:c] {
				dst[i] += v
			}
		}
		for i := range dst {
			dst[i] /= float32(length)
		}
	}
	return out
}

// batch is how many examples are run at once.
const batch = 16

// Predict answers for inputs, files or texts as the model takes them, and returns up to top guesses for each, most probable first, with
// the damaged ones that were skipped. It errors when every one is damaged.
func (p *Predictor) Predict(ctx context.Context, inputs []string, top int) ([]Prediction, []data.Skipped, error) {
	ds, err := p.Feed.OpenInputs(ctx, feed.Inputs(p.Feed.Kind(), inputs), data.Options{Workers: kernel.Threads(), Budget: 64 << 20})
	if err != nil {
		return nil, nil, err
	}
	out := make([]Prediction, ds.Len())
	err = p.each(ctx, ds, func(b *data.Batch, scores *tensor.Tensor) {
		row := scores.Len() / len(b.Indices)
		for k, i := range b.Indices {
			counts := row
			if p.Task.PerPosition() { // not the padding
				counts = row / b.Length * b.Lengths[k]
			}
			out[i] = p.prediction(ds.Examples[i].Path, scores.F32()[k*row:][:counts], top)
		}
	})
	return out, ds.Skipped, err
}

// each runs the model over a data set, batch by batch.
func (p *Predictor) each(ctx context.Context, ds *data.Dataset, fn func(b *data.Batch, scores *tensor.Tensor)) error {
	for b, err := range ds.Loader(batch).Batches(ctx, data.FileOrder(ds.Len()), data.Plain) {
		if err != nil {
			return err
		}
		scores, err := p.Scores(ctx, b)
		if err != nil {
			return err
		}
		fn(b, scores)
	}
	return nil
}
