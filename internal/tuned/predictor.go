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
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Predictor runs a tuned file without further files: labels and preprocessing come from its record.
// It is safe for concurrent use. As many calls run at once as there are processors, each with its
// own memory but shared weights. Others wait.
type Predictor struct {
	Record *Record
	Feed   feed.Feed
	Task   task.Task

	model      *onnx.Model
	lanes      *lanes // for batches
	texts      *lanes // for continuing texts
	programs   *pool[shape, *compile.Program]
	generators *pool[int, *Generator] // by their room for tokens
}

// shape is what a program is compiled for.
type shape struct{ batch, length int }

// Limits on the forms for which programs are kept. Each form has its own packed weights.
const (
	mostPrograms   = 8
	mostGenerators = 2
)

// Open reads a tuned file. It errors on a model that was not written by a fit.
func Open(path string) (*Predictor, error) {
	m, err := onnx.Open(path)
	if err != nil {
		return nil, err
	}
	return New(m, path, 0)
}

// New is Open for a file in memory; path is its name in errors. parallel is the number of batches
// that run at once, 0 for one per processor.
func New(m *onnx.Model, path string, parallel int) (*Predictor, error) {
	r, err := ReadRecord(m.Metadata)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	scored(m)
	base, err := split.NewBase(m, feed.Options{Kind: r.Input, Settings: r.Preprocess})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	kind, err := task.Lookup(r.Task)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	p := &Predictor{Record: r, Feed: base.Feed, Task: kind.Named(r.Labels, task.Options{}), model: m, lanes: newLanes(parallel), texts: newLanes(parallel)}
	p.programs = &pool[shape, *compile.Program]{most: mostPrograms, twin: (*compile.Program).Twin, build: func(s shape) (*compile.Program, error) {
		return base.Inference(s.batch, s.length)
	}}
	p.generators = &pool[int, *Generator]{most: mostGenerators, twin: (*Generator).Twin, build: func(length int) (*Generator, error) {
		return generatorUpTo(m.Graph, length, base.Feed)
	}}
	return p, nil
}

// Close makes new and waiting calls fail with ErrClosed. It waits for running calls and releases
// the memory.
func (p *Predictor) Close() {
	p.lanes.close()
	p.texts.close()
	p.programs.clear()
	p.generators.clear()
}

// Scores runs the model on a batch of examples and returns the task's scores, [N,classes] for
// classify. If an example is several rows of the model, its scores are the mean of theirs, or, for
// a task with PerPosition, those of all rows in order.
func (p *Predictor) Scores(ctx context.Context, b *data.Batch) (*tensor.Tensor, error) {
	if err := p.lanes.enter(ctx); err != nil {
		return nil, err
	}
	defer p.lanes.leave()
	return p.scores(ctx, b)
}

// scores is Scores for a caller that has entered a lane.
func (p *Predictor) scores(ctx context.Context, b *data.Batch) (*tensor.Tensor, error) {
	n, form := len(b.Indices), p.Feed.Form()
	prog, of, err := p.programs.take(ctx, shape{n, b.Length})
	if err != nil {
		return nil, err
	}
	defer p.programs.give(of, prog)
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
	if t := p.Record.Temperature; t != 1 && scores.DType == tensor.Float32 {
		scores = scores.Clone()
		kernel.Scale(scores.F32(), scores.F32(), float32(1/t))
	}
	if form.Rows {
		rows *= b.Length
	}
	want, rank := p.Task.Scores(), len(scores.Shape)
	fits := scores.DType == tensor.Float32 && rank > 0 && (want == 0 || scores.Shape[rank-1] == want)
	if p.Task.PerPosition() { // a row may have several, in an axis of their own or one after another
		fits = fits && rank > 1 && scores.Shape[0]%rows == 0
	} else {
		fits = fits && scores.Shape[0] == rows && scores.Len() == rows*want
	}
	if !fits {
		return nil, fmt.Errorf("the model gives %v scores, not those of the task %s with %d: the file's record does not fit its graph", scores.Shape, p.Task.Name(), want)
	}
	if rows > n && !p.Task.PerPosition() {
		return meanRows(scores, b), nil
	}
	return scores.Clone(), nil // another caller may run the program next
}

// meanRows averages scores [N*L,C] over the rows of each example that are not padding.
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

// batch is how many examples run at once.
const batch = 16

// Predict is PredictRows for files, or for texts if the model takes texts.
func (p *Predictor) Predict(ctx context.Context, inputs []string) ([]Prediction, []data.Skipped, error) {
	return p.PredictRows(ctx, feed.Inputs(p.Feed.Kind(), inputs))
}

// PredictRows returns the answers for rows, see feed.Inputs and feed.Collect, and the unusable
// rows. It errors if all are unusable.
func (p *Predictor) PredictRows(ctx context.Context, rows data.Place) ([]Prediction, []data.Skipped, error) {
	if err := p.lanes.enter(ctx); err != nil { // before decoding, which also needs memory
		return nil, nil, err
	}
	defer p.lanes.leave()
	ds, err := p.Feed.OpenInputs(ctx, rows, data.Options{Workers: kernel.Threads(), Budget: 64 << 20})
	if err != nil {
		return nil, nil, err
	}
	out := make([]Prediction, ds.Len())
	err = p.each(ctx, ds, p.scores, func(b *data.Batch, scores *tensor.Tensor) {
		row := scores.Len() / len(b.Indices)
		positions := task.Positions(p.Task, scores.Shape, len(b.Indices))
		for k, i := range b.Indices {
			counts := row
			if positions > 0 { // without the padding
				counts = row / positions * data.Scaled(b.Lengths[k:k+1], b.Length, positions)[0]
			}
			out[i] = p.prediction(ds.Examples[i].Path, scores.F32()[k*row:][:counts])
		}
	})
	return out, ds.Skipped, err
}

// each scores a data set, batch by batch.
func (p *Predictor) each(ctx context.Context, ds *data.Dataset, score func(context.Context, *data.Batch) (*tensor.Tensor, error), fn func(b *data.Batch, scores *tensor.Tensor)) error {
	for b, err := range ds.Loader(batch).Batches(ctx, data.FileOrder(ds.Len()), data.Plain) {
		if err != nil {
			return err
		}
		scores, err := score(ctx, b)
		if err != nil {
			return err
		}
		fn(b, scores)
	}
	return nil
}
