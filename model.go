package permafrost

import (
	"context"
	"fmt"
	"io"
	"iter"
	"sync"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/decode"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// ErrClosed is the error of a Model that was closed.
var ErrClosed = tuned.ErrClosed

// Model is a tuned model ready for use. Labels, preprocessing and tokenizer come from its file.
//
// It is safe for use by many goroutines. As many batches run at once as there are processors, and
// as many texts are continued; whoever comes later waits, or gives up when its context ends. Those
// that run share the weights and have memory of their own for what they compute, so that memory
// does not grow with the number of callers. An answer does not depend on what else runs, nor on the
// number of threads.
type Model struct {
	p       *tuned.Predictor
	release func() // threads
}

// Open reads a tuned model from a file. It errors with ErrBadInput on one that no fit wrote. Close
// lets go of it.
func Open(path string, opts ...Option) (*Model, error) {
	m, err := onnx.Open(path)
	if err != nil {
		return nil, badInput(err)
	}
	return newModel(m, path, opts)
}

// ReadModel is Open for what r holds: a download, a file embedded in the program.
func ReadModel(r io.Reader, opts ...Option) (*Model, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, badInput(fmt.Errorf("model: %w", err))
	}
	m, err := onnx.Parse(b, "")
	if err != nil {
		return nil, badInput(fmt.Errorf("model: %w", err))
	}
	return newModel(m, "model", opts)
}

// WithBeam follows so many beginnings of a transcript at once where a Model of the task ctc is
// opened; 1, the default, takes the best symbol at every step.
func WithBeam(n int) Option { return func(o *options) { o.beam = n } }

// WithThreads lets an opened Model use n threads and run n batches at once; 0, the default, is one
// a core. Answers do not depend on it. The threads of all that is going on are shared: there are as
// many as the largest number that was asked for.
func WithThreads(n int) Option { return func(o *options) { o.threads = n } }

func newModel(m *onnx.Model, name string, opts []Option) (*Model, error) {
	o := optionsOf(opts)
	p, err := tuned.New(m, name, o.threads)
	if err != nil {
		return nil, badInput(err)
	}
	if s, ok := p.Task.(task.Searched); ok {
		s.SetBeam(max(1, o.beam))
	}
	return &Model{p, sync.OnceFunc(kernel.Use(o.threads))}, nil
}

// Close turns away whoever comes or waits with ErrClosed, waits for the calls that run, and lets go
// of the memory.
func (m *Model) Close() {
	m.p.Close()
	m.release()
}

// Continues reports whether the model continues texts, see Continue.
func (m *Model) Continues() bool { return m.p.Continues() }

// Task is what the model is for: classify, multilabel, regress, lm or ctc.
func (m *Model) Task() string { return m.p.Task.Name() }

// Kind is the kind of data that the model takes: picture, text, sound, file (any file, as bytes),
// tensor, or the Name of a DataKind.
func (m *Model) Kind() string { return m.p.Feed.Kind() }

// Labels are the names of the classes, labels or symbols in the order of the model's scores; nil
// where they have none. The caller must not change them.
func (m *Model) Labels() []string { return m.p.Record.Labels }

// Guess is a label with its probability.
type Guess struct {
	Label       string  `json:"label"`
	Probability float64 `json:"probability"` // from 0 to 1
}

// Prediction is what a model says of one input. Which fields are set depends on the task.
type Prediction struct {
	// Input is the path of a file, a text, or the Name of an Example.
	Input string `json:"input"`

	// Label is the most probable class and Probability how probable it is, from 0 to 1. (classify)
	Label       string  `json:"label,omitempty"`
	Probability float64 `json:"probability,omitempty"`
	// Top is every class or label, most probable first. (classify, multilabel)
	Top []Guess `json:"top,omitempty"`
	// Labels are those that are more probable than not. (multilabel)
	Labels []string `json:"labels,omitzero"`
	// Value is the number. (regress)
	Value *float64 `json:"value,omitempty"`
	// Text is the transcript (ctc) or the continued text (lm).
	Text *string `json:"text,omitempty"`

	// Logits are the raw scores as the model gives them: one for each of Model.Labels, or for a
	// task that scores every position of a sequence those of all positions, one behind the other.
	// Of a sound they are the mean over its windows.
	Logits []float32 `json:"logits,omitempty"`
}

// String is the answer on one line: the likely classes, the labels that hold, the number or the
// text.
func (p Prediction) String() string {
	a := task.Answer{Labels: p.Labels, Value: p.Value, Text: p.Text}
	for _, g := range p.Top {
		a.Top = append(a.Top, task.Guess(g))
	}
	return a.String()
}

func predictionOf(p tuned.Prediction) Prediction {
	out := Prediction{Input: p.Input, Labels: p.Labels, Value: p.Value, Text: p.Text, Logits: p.Logits}
	if p.Guess != nil {
		out.Label, out.Probability = p.Label, p.Probability
	}
	for _, g := range p.Top {
		out.Top = append(out.Top, Guess(g))
	}
	return out
}

// Skipped is an input that cannot be used and was left out.
type Skipped struct {
	Path string // of a file, or its name
	Err  error  // what is wrong with it
}

func skippedOf(s []data.Skipped) (out []Skipped) {
	for _, x := range s {
		out = append(out, Skipped(x))
	}
	return out
}

// PredictOne answers for one example. Its Label plays no part. It errors with ErrBadInput where the
// example cannot be used.
func (m *Model) PredictOne(ctx context.Context, e Example) (Prediction, error) {
	found, _, err := m.Predict(ctx, ExampleList(e))
	if err != nil {
		return Prediction{}, err
	}
	return found[0], nil
}

// Predict answers for Files, Texts or Examples in their order, in batches, and says which were left
// out because they cannot be used. It errors with ErrBadInput when none can.
func (m *Model) Predict(ctx context.Context, inputs Data) ([]Prediction, []Skipped, error) {
	rows, err := inputs.rows(m.Kind())
	if err != nil {
		return nil, nil, badInput(err)
	}
	found, skipped, err := m.p.PredictRows(ctx, rows)
	if err != nil {
		return nil, nil, badInput(err)
	}
	out := make([]Prediction, len(found))
	for i, p := range found {
		out[i] = predictionOf(p)
	}
	return out, skippedOf(skipped), nil
}

// Evaluation is how a model does on labelled examples.
type Evaluation struct {
	Accuracy float64 `json:"accuracy"`             // of classify, a share of 1
	Metric   *Metric `json:"val_metric,omitempty"` // of the other tasks; nil for classify
	Loss     float64 `json:"loss"`                 // mean of an example, for lm of a token
	Examples int     `json:"examples"`
	Seconds  float64 `json:"seconds"`

	Classes   []string  `json:"classes,omitempty"`
	Confusion [][]int64 `json:"confusion,omitempty"` // of classify: examples by true class (row) and guess (column)
	Skipped   []Skipped `json:"-"`                   // what was left out
}

// MarshalJSON is the form that eval --json prints. It leaves the accuracy out where a task has
// another metric.
func (e *Evaluation) MarshalJSON() ([]byte, error) {
	in := tuned.Evaluation{Accuracy: e.Accuracy, Loss: e.Loss, Examples: e.Examples, Seconds: e.Seconds, Classes: e.Classes, Confusion: e.Confusion}
	if e.Metric != nil {
		in.Metric = &task.Named{Name: e.Metric.Name, Value: task.Finite(e.Metric.Value)}
	}
	return in.MarshalJSON()
}

// Eval measures the model on labelled examples, whose classes must be among its labels. Of a folder
// with train and val it takes val.
func (m *Model) Eval(ctx context.Context, examples Data) (*Evaluation, error) {
	place, err := examples.open()
	if err != nil {
		return nil, badInput(err)
	}
	e, err := m.p.EvalPlace(ctx, place)
	if err != nil {
		return nil, badInput(err)
	}
	return &Evaluation{e.Accuracy, metricOf(e.Metric), e.Loss, e.Examples, e.Seconds, e.Classes, e.Confusion, skippedOf(e.Skipped)}, nil
}

// Continuation says how a language model continues a text. The zero Continuation takes the best
// token always, up to 128.
type Continuation struct {
	MaxTokens   int     // by which a text is continued at most; 0: 128
	Temperature float64 // by which the scores of tokens are divided before one is drawn; 0 takes the best
	TopK        int     // draw from the best K tokens; 0: from all
	TopP        float64 // draw from the best tokens that have this probability together, up to 1; 0: from all
	Seed        uint64  // of what is drawn; the same seed gives the same text
}

func (c Continuation) internal() (tuned.Continuation, error) {
	switch {
	case c.MaxTokens < 0:
		return tuned.Continuation{}, badOption("max_tokens", "%d: at least 1", c.MaxTokens)
	case c.Temperature < 0:
		return tuned.Continuation{}, badOption("temperature", "%g: at least 0", c.Temperature)
	case c.TopK < 0:
		return tuned.Continuation{}, badOption("top_k", "%d: at least 0", c.TopK)
	case c.TopP < 0 || c.TopP > 1:
		return tuned.Continuation{}, badOption("top_p", "%g: from 0 to 1", c.TopP)
	case c.MaxTokens == 0:
		c.MaxTokens = 128
	}
	return tuned.Continuation{Tokens: c.MaxTokens, Sampler: decode.Sampler{Temperature: c.Temperature, TopK: c.TopK, TopP: c.TopP, Seed: c.Seed}}, nil
}

// Continue continues texts with a language model and returns them whole in Prediction.Text, with
// notes on how it was done. It errors with ErrBadInput where the model has another task.
func (m *Model) Continue(ctx context.Context, texts []string, c Continuation) (found []Prediction, notes []string, err error) {
	how, err := c.internal()
	if err != nil {
		return nil, nil, err
	}
	all, notes, err := m.p.Continue(ctx, texts, how)
	if err != nil {
		return nil, nil, badInput(err)
	}
	for _, p := range all {
		found = append(found, predictionOf(p))
	}
	return found, notes, nil
}

// Generate continues a text with a language model and yields what comes behind it, piece by piece,
// as it is drawn. A piece holds whole characters. It ends where the model ends the text, at
// c.MaxTokens, when the loop over it is broken off, or with an error. A stream that is being read
// takes the place of one of the texts that run at once.
func (m *Model) Generate(ctx context.Context, text string, c Continuation) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		how, err := c.internal()
		if err != nil {
			yield("", err)
			return
		}
		err = m.p.Generate(ctx, text, how, func(piece string) bool { return yield(piece, nil) })
		if err != nil {
			yield("", badInput(err))
		}
	}
}
