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
// It also runs a model that was not tuned and has a classifier of its own, see untuned. It is safe
// for concurrent use. As many calls run at once as there are processors, each with its own memory
// but shared weights. Others wait.
type Predictor struct {
	Record *Record
	Feed   feed.Feed
	Task   task.Task
	Notes  []string // what a user should know of a model that was not tuned

	own        *data.Own    // the classes of a model that was not tuned; nil for a tuned file
	columns    data.Columns // of tables, likewise
	base       *split.Base
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

// Open reads a tuned file.
func Open(path string) (*Predictor, error) {
	m, err := onnx.Open(path)
	if err != nil {
		return nil, err
	}
	return New(m, path, 0, feed.Options{})
}

// New is Open for a file in memory; path is its name in errors. parallel is the number of batches
// that run at once, 0 for one per processor. o says how examples of a model that was not tuned are
// prepared; a tuned file says it itself.
func New(m *onnx.Model, path string, parallel int, o feed.Options) (*Predictor, error) {
	p, base, err := open(m, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r := p.Record
	kind, err := task.Lookup(r.Task)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	p.Task, p.lanes, p.texts = kind.Named(r.Labels, task.Options{}), newLanes(parallel), newLanes(parallel)
	p.programs = &pool[shape, *compile.Program]{most: mostPrograms, twin: (*compile.Program).Twin, build: func(s shape) (*compile.Program, error) {
		return base.Inference(s.batch, s.length)
	}}
	p.generators = &pool[int, *Generator]{most: mostGenerators, twin: (*Generator).Twin, build: func(length int) (*Generator, error) {
		return generatorUpTo(base.Model.Graph, length, base.Feed)
	}}
	return p, nil
}

// open finds out what a file is to predict with: a tuned one has a record.
func open(m *onnx.Model, o feed.Options) (p *Predictor, base *split.Base, err error) {
	p = &Predictor{}
	if !Tuned(m.Metadata) {
		if base, p.Record, p.own, err = untuned(m, o); err == nil {
			p.Notes, p.columns = base.Notes, o.Table
		}
	} else if p.Record, err = ReadRecord(m.Metadata); err == nil {
		scored(m)
		base, err = split.NewBase(m, feed.Options{Kind: p.Record.Input, Settings: p.Record.Preprocess})
	}
	if err != nil {
		return nil, nil, err
	}
	p.Feed, p.base = base.Feed, base
	return p, base, nil
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
	prog, of, err := p.programs.take(ctx, shape{len(b.Indices), b.Length})
	if err != nil {
		return nil, err
	}
	defer p.programs.give(of, prog)
	var inputs []*tensor.Tensor
	for _, v := range prog.Graph().Inputs {
		k, err := p.fed(v.Name)
		if err != nil {
			return nil, err
		}
		inputs = append(inputs, b.Inputs[k])
	}
	out, err := prog.Run(ctx, inputs...)
	if err != nil {
		return nil, err
	}
	return p.taskScores(b, out[len(out)-1])
}

// fed is the place among the Form's inputs of the one that the model calls name.
func (p *Predictor) fed(name string) (int, error) {
	k := slices.IndexFunc(p.Feed.Form().Inputs, func(in data.Input) bool { return in.Name == name })
	if k < 0 {
		return 0, fmt.Errorf("nothing feeds the model's input %q", name)
	}
	return k, nil
}

// taskScores makes of what the model gives for a batch, which it leaves as it is, the task's scores.
// See Scores.
func (p *Predictor) taskScores(b *data.Batch, scores *tensor.Tensor) (*tensor.Tensor, error) {
	n, form := len(b.Indices), p.Feed.Form()
	rows := n
	if t := p.Record.Temperature; t != 1 && scores.DType == tensor.Float32 {
		scores = scores.Clone()
		kernel.Scale(scores.F32(), scores.F32(), float32(1/t))
	}
	if form.Rows {
		rows *= b.Length
	}
	want, rank := p.Task.Scores(), len(scores.Shape)
	if scores.DType.IsFloat() && scores.DType != tensor.Float32 { // as a model that was not tuned may give them
		scores = single(scores)
	}
	fits := scores.DType == tensor.Float32 && rank > 0
	if p.Task.PerPosition() { // a row may have several, in an axis of their own or one after another
		fits = fits && rank > 1 && scores.Shape[0]%rows == 0 && (want == 0 || scores.Shape[rank-1] == want)
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

// single returns floating-point numbers of another type as float32.
func single(t *tensor.Tensor) *tensor.Tensor {
	out := tensor.New(tensor.Float32, t.Shape...)
	for i, v := range t.Float64s() {
		out.F32()[i] = float32(v)
	}
	return out
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
		for k, i := range b.Indices {
			out[i] = p.prediction(ds.Examples[i].Path, p.scoresOf(b, k, scores))
		}
	})
	return out, ds.Skipped, err
}

// scoresOf returns the scores of the k-th example of a batch, without those of padding.
func (p *Predictor) scoresOf(b *data.Batch, k int, scores *tensor.Tensor) []float32 {
	row := scores.Len() / len(b.Indices)
	counts := row
	if positions := task.Positions(p.Task, scores.Shape, len(b.Indices)); positions > 0 {
		counts = row / positions * data.Scaled(b.Lengths[k:k+1], b.Length, positions)[0]
	}
	return scores.F32()[k*row:][:counts]
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
