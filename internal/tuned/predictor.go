package tuned

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/exec"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Predictor runs a tuned file by itself: labels and preprocessing come from its record.
type Predictor struct {
	Record   *Record
	Pipeline *data.Pipeline
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
	return &Predictor{Record: r, Pipeline: pl, model: m, programs: map[int]*exec.Program{}}, nil
}

// Scores runs the model on one batch of prepared inputs [N,C,H,W] and returns [N,classes] logits, valid until
// the next call.
func (p *Predictor) Scores(ctx context.Context, x *tensor.Tensor) ([]float32, error) {
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
	if scores.DType != tensor.Float32 || scores.Len() != n*len(p.Record.Labels) {
		return nil, fmt.Errorf("the model gives %v scores for %d labels: the file's record does not fit its graph", scores.Shape, len(p.Record.Labels))
	}
	return scores.F32(), nil
}

// Guess is a label with its probability.
type Guess struct {
	Label       string  `json:"label"`
	Probability float64 `json:"probability"`
}

// Prediction is what the model says of one input.
type Prediction struct {
	Input string `json:"input"`
	Guess
	Top    []Guess   `json:"top"`
	Logits []float32 `json:"logits"`
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
	err = p.each(ctx, ds, func(i int, scores []float32, _ int) {
		out[i] = p.prediction(ds.Examples[i].Path, scores, top)
	})
	return out, ds.Skipped, err
}

func (p *Predictor) prediction(input string, scores []float32, top int) Prediction {
	prob := softmax(scores)
	order := make([]int, len(prob))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case prob[a] > prob[b]:
			return -1
		case prob[a] < prob[b]:
			return 1
		}
		return 0
	})
	r := Prediction{Input: input, Logits: slices.Clone(scores)}
	for _, i := range order[:min(top, len(order))] {
		r.Top = append(r.Top, Guess{p.Record.Labels[i], prob[i]})
	}
	r.Guess = Guess{p.Record.Labels[order[0]], prob[order[0]]}
	return r
}

func softmax(x []float32) []float64 {
	m := float64(slices.Max(x))
	out := make([]float64, len(x))
	sum := 0.0
	for i, v := range x {
		out[i] = math.Exp(float64(v) - m)
		sum += out[i]
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}

// crossEntropy is -log softmax(x)[label], exact where the probability itself would vanish.
func crossEntropy(x []float32, label int) float64 {
	m := float64(slices.Max(x))
	sum := 0.0
	for _, v := range x {
		sum += math.Exp(float64(v) - m)
	}
	return math.Log(sum) + m - float64(x[label])
}

// each runs the model over a data set in order.
func (p *Predictor) each(ctx context.Context, ds *data.Dataset, fn func(i int, scores []float32, label int)) error {
	c := len(p.Record.Labels)
	for b, err := range ds.Loader(batch).Batches(ctx, data.FileOrder(ds.Len()), data.Plain) {
		if err != nil {
			return err
		}
		scores, err := p.Scores(ctx, b.Inputs[0])
		if err != nil {
			return err
		}
		for k, i := range b.Indices {
			fn(i, scores[k*c:(k+1)*c], b.Labels[k])
		}
	}
	return nil
}

// Evaluation is how a tuned file does on labelled data; its JSON form is what eval --json prints.
type Evaluation struct {
	Accuracy float64 `json:"accuracy"`
	Loss     float64 `json:"loss"`
	Examples int     `json:"examples"`
	Seconds  float64 `json:"seconds"`

	Classes   []string       `json:"classes"`
	Confusion [][]int64      `json:"confusion"` // row: the true class, column: the guess
	Skipped   []data.Skipped `json:"-"`
}

// Eval measures the model on class folders, whose names must be among the file's labels.
func (p *Predictor) Eval(ctx context.Context, path string) (*Evaluation, error) {
	began := time.Now()
	ds, err := data.OpenEval(ctx, path, p.Record.Labels, data.Options{Pipeline: p.Pipeline, Workers: kernel.Threads(), Budget: 64 << 20})
	if err != nil {
		return nil, err
	}
	e := &Evaluation{Examples: ds.Len(), Classes: p.Record.Labels, Skipped: ds.Skipped}
	for range e.Classes {
		e.Confusion = append(e.Confusion, make([]int64, len(e.Classes)))
	}
	correct := 0
	err = p.each(ctx, ds, func(_ int, scores []float32, label int) {
		e.Loss += crossEntropy(scores, label)
		guess := 0
		for c := range scores {
			if scores[c] > scores[guess] {
				guess = c
			}
		}
		e.Confusion[label][guess]++
		if guess == label {
			correct++
		}
	})
	e.Accuracy = float64(correct) / float64(max(e.Examples, 1))
	e.Loss /= float64(max(e.Examples, 1))
	e.Seconds = time.Since(began).Seconds()
	return e, err
}
