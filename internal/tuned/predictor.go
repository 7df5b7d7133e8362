package tuned

import (
	"context"
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/exec"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Predictor runs a tuned file by itself: labels and preprocessing come from its record.
type Predictor struct {
	Record   *Record
	Pipeline *data.Pipeline
	Task     task.Task
	model    *onnx.Model
	programs map[int]*exec.Program // by batch size
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
	in, err := PictureInput(m)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	pl, err := r.Preprocess.For(in.Channels, in.Height, in.Width)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	t, err := task.Of(r.Task, r.Labels)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Predictor{Record: r, Pipeline: pl, Task: t, model: m, programs: map[int]*exec.Program{}}, nil
}

// Scores runs the model on one batch of prepared inputs [N,C,H,W] and returns the task's scores, [N,classes] for
// classify, valid until the next call.
func (p *Predictor) Scores(ctx context.Context, x *tensor.Tensor) (*tensor.Tensor, error) {
	n := x.Shape[0]
	prog := p.programs[n]
	if prog == nil {
		g, err := exec.Specialise(p.model.Graph, map[string]tensor.Shape{p.model.Graph.Inputs[0].Name: x.Shape})
		if err != nil {
			return nil, err
		}
		exec.Freeze(g, func(*ir.Value) bool { return true })
		if err := exec.Simplify(g); err != nil {
			return nil, err
		}
		if prog, err = exec.Compile(g); err != nil {
			return nil, err
		}
		p.programs[n] = prog
	}
	out, err := prog.Run(ctx, x)
	if err != nil {
		return nil, err
	}
	scores := out[len(out)-1]
	want, rank := p.Task.Scores(), len(scores.Shape)
	fits := scores.DType == tensor.Float32 && rank > 0 && scores.Shape[0] == n && (want == 0 || scores.Shape[rank-1] == want) &&
		(p.Task.PerPosition() || scores.Len() == n*want)
	if !fits {
		return nil, fmt.Errorf("the model gives %v scores, not those of the task %s with %d: the file's record does not fit its graph", scores.Shape, p.Task.Name(), want)
	}
	return scores, nil
}

// batch is how many pictures are run at once.
const batch = 16

// Predict classifies picture files, and returns up to top guesses for each, most probable first, with
// the damaged files that were skipped. It errors when every file is damaged.
func (p *Predictor) Predict(ctx context.Context, files []string, top int) ([]Prediction, []data.Skipped, error) {
	ds, err := data.OpenFiles(ctx, files, data.Options{Pipeline: p.Pipeline, Workers: kernel.Threads(), Budget: 64 << 20})
	if err != nil {
		return nil, nil, err
	}
	out := make([]Prediction, ds.Len())
	err = p.each(ctx, ds, func(indices []int, scores *tensor.Tensor) {
		row := scores.Len() / len(indices)
		for k, i := range indices {
			out[i] = p.prediction(ds.Examples[i].Path, scores.F32()[k*row:(k+1)*row], top)
		}
	})
	return out, ds.Skipped, err
}

// each runs the model over a data set in order, batch by batch.
func (p *Predictor) each(ctx context.Context, ds *data.Dataset, fn func(indices []int, scores *tensor.Tensor)) error {
	for b, err := range ds.Loader(batch).Batches(ctx, data.FileOrder(ds.Len()), data.Plain) {
		if err != nil {
			return err
		}
		scores, err := p.Scores(ctx, b.Inputs[0])
		if err != nil {
			return err
		}
		fn(b.Indices, scores)
	}
	return nil
}
