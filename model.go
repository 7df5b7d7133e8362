package permafrost

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"sync"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/decode"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// ErrClosed is the error of a closed Model.
var ErrClosed = tuned.ErrClosed

// Model is a tuned model ready for use. Labels, preprocessing and tokenizer come from its file. It may
// also be a model that was not tuned and has a classifier of its own, see Tuned.
//
// It is safe for use from many goroutines. As many batches run at once as there are processors, and
// likewise as many text continuations. Later callers wait, or return when their context ends.
// Running calls share the weights and have their own memory for computed values, so memory does not
// grow with the number of callers. An answer does not depend on other calls, nor on the number of
// threads.
type Model struct {
	p       *tuned.Predictor
	release func() // threads
}

// Open reads a tuned model from a file or the Hugging Face hub, see Config.Model, or a model that was not tuned: its own classifier then
// answers. Its labels are those of id2label in a config.json beside it, else the lines of a
// labels.txt, else the numbers of its scores; its inputs are prepared as in a fit, see
// WithPreparation. Open errors with ErrBadInput on a model without a classifier. Close releases the
// model.
func Open(path string, opts ...Option) (*Model, error) {
	if err := fetched(context.Background(), optionsOf(opts).sinks, &path); err != nil {
		return nil, err
	}
	m, err := onnx.Open(path)
	if err != nil {
		return nil, badInput(err)
	}
	return newModel(m, path, opts)
}

// ReadModel is Open for a stream, such as a download or an embedded file.
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

// WithBeam sets the beam width with which an opened Model of the task ctc decodes transcripts; 1,
// the default, takes the best symbol at every step.
func WithBeam(n int) Option { return func(o *options) { o.beam = n } }

// WithThreads lets an opened Model use n threads and run n batches at once; 0, the default, is one
// per core. Answers do not depend on it. All running calls share the threads: there are as many as
// the largest requested number.
func WithThreads(n int) Option { return func(o *options) { o.threads = n } }

// WithPreparation says how the inputs of an opened Model that was not tuned are prepared: by the
// options Preprocess, Layout, Size, Tokenizer, MaxLength, Input, Shape, TextColumn and LabelColumn of
// a configuration. A tuned model says this itself, and Open errors if there are any.
func WithPreparation(c Config) Option {
	return func(o *options) { o.preparation = c }
}

// prepared errors if a configuration says how inputs are prepared.
func (c *Config) prepared() error {
	if name := (*config.Config)(c).Prepares(); name != "" {
		return badOption(name, "the tuned model says itself how its examples are prepared; leave it out")
	}
	return nil
}

func newModel(m *onnx.Model, name string, opts []Option) (*Model, error) {
	o := optionsOf(opts)
	if tuned.Tuned(m.Metadata) {
		if err := o.preparation.prepared(); err != nil {
			return nil, err
		}
	}
	p, err := tuned.New(m, name, o.threads, (*config.Config)(&o.preparation).FeedOptions())
	if err != nil {
		return nil, badInput(err)
	}
	if s, ok := p.Task.(task.Searched); ok {
		s.SetBeam(max(1, o.beam))
	}
	return &Model{p, sync.OnceFunc(kernel.Use(o.threads))}, nil
}

// Close makes new and waiting calls fail with ErrClosed. It waits for running calls and releases
// the memory.
func (m *Model) Close() {
	m.p.Close()
	m.release()
}

// Continues reports whether the model can continue texts, see Continue.
func (m *Model) Continues() bool { return m.p.Continues() }

// Tuned reports whether the model was written by a fit. Otherwise its own classifier answers.
func (m *Model) Tuned() bool { return m.p.Record.Plan != nil }

// Notes returns what a user should know of a model that was not tuned, such as assumptions on how its
// inputs are prepared and what its classes are called.
func (m *Model) Notes() []string { return m.p.Notes }

// Task returns the model's task: classify, multilabel, regress, lm or ctc.
func (m *Model) Task() string { return m.p.Task.Name() }

// Kind returns the kind of data that the model takes: picture, text, sound, vector (numbers), file
// (any file, as bytes), tensor, or the Name of a DataKind.
func (m *Model) Kind() string { return m.p.Feed.Kind() }

// Labels returns the names of the classes, labels or symbols in the order of the model's scores;
// nil if they have none. The caller must not change them.
func (m *Model) Labels() []string { return m.p.Record.Labels }

// Guess is a label with its probability.
type Guess struct {
	Label       string  `json:"label"`
	Probability float64 `json:"probability"` // from 0 to 1
}

// Prediction is a model's answer to one input. The task decides which fields are set.
type Prediction struct {
	// Input is the path of a file, a text, or the Name of an Example.
	Input string `json:"input"`

	// Label is the most probable class, and Probability its probability from 0 to 1. (classify)
	Label       string  `json:"label,omitempty"`
	Probability float64 `json:"probability,omitempty"`
	// Top has all classes or labels, most probable first. (classify, multilabel)
	Top []Guess `json:"top,omitempty"`
	// Labels are those with a probability above one half. (multilabel)
	Labels []string `json:"labels,omitzero"`
	// Value is the number. (regress)
	Value *float64 `json:"value,omitempty"`
	// Text is the transcript (ctc) or the continued text (lm).
	Text *string `json:"text,omitempty"`

	// Logits are the model's raw scores: one for each of Model.Labels or, for a task that scores
	// every position of a sequence, those of all positions in order. For a sound they are the mean
	// over its windows.
	Logits []float32 `json:"logits,omitempty"`
}

// String returns the answer on one line: the most likely classes, the labels, the number or the
// text.
func (p Prediction) String() string {
	a := task.Answer{Labels: p.Labels, Value: p.Value, Text: p.Text}
	for _, g := range p.Top {
		a.Top = append(a.Top, task.Guess(g))
	}
	return a.String()
}

// answer returns the answer as a table has right ones.
func (p Prediction) answer() string {
	switch {
	case p.Text != nil:
		return *p.Text
	case p.Value != nil:
		return strconv.FormatFloat(*p.Value, 'g', -1, 32)
	case p.Labels != nil:
		return strings.Join(p.Labels, "|")
	}
	return p.Label
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

// Skipped is an unusable input that was skipped.
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

// PredictOne returns the answer for one example. It ignores the example's Label. It errors with
// ErrBadInput if the example is unusable.
func (m *Model) PredictOne(ctx context.Context, e Example) (Prediction, error) {
	found, _, err := m.Predict(ctx, ExampleList(e))
	if err != nil {
		return Prediction{}, err
	}
	return found[0], nil
}

// FindFiles lists the files that paths on disk name, for Files: files as they are, those of the kind
// that the model takes anywhere below a folder, and what a glob such as photos/*.jpg matches. Files
// of a folder or a glob are in natural order, 2 before 10, without hidden ones. For a model of texts
// these are .txt files. It errors with ErrBadInput on a folder or a glob without such files; a file
// that does not exist is reported when it is read.
func (m *Model) FindFiles(paths ...string) ([]string, error) {
	found, err := m.p.Feed.FindFiles(paths)
	return found, badInput(err)
}

// Predict returns the answers for Files, Texts or Examples in their order, computed in batches, and
// the unusable inputs that were skipped. It errors with ErrBadInput if all are unusable.
func (m *Model) Predict(ctx context.Context, inputs Data) ([]Prediction, []Skipped, error) {
	rows, err := inputs.rows(ctx, m.Kind())
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

// Evaluation says how well a model does on labelled examples.
type Evaluation struct {
	Accuracy float64 `json:"accuracy"`             // classify only, from 0 to 1
	Metric   *Metric `json:"val_metric,omitempty"` // for other tasks; nil for classify
	// ECE is the expected calibration error, from 0 to 1, see Result.ECE; nil for other tasks.
	ECE *float64 `json:"ece,omitempty"`
	// GuessLoss is the loss of guessing on these examples, see Result.GuessLoss.
	GuessLoss *float64 `json:"guess_loss,omitempty"`
	// ECEChance is the ECE that right probabilities show by chance on as many examples.
	ECEChance *float64 `json:"ece_chance,omitempty"`
	Loss      float64  `json:"loss"` // mean per example, for lm per token
	Examples  int      `json:"examples"`
	// Split is the part of the data that was measured: "test" or "val"; "" where they are not divided.
	Split   string  `json:"split,omitempty"`
	Seconds float64 `json:"seconds"`

	Classes []string `json:"classes,omitempty"`
	// classify only: examples by true class (row) and predicted class (column)
	Confusion [][]int64 `json:"confusion,omitempty"`
	// classify and multilabel: how it does on each of Classes
	PerClass []ClassScore `json:"per_class,omitempty"`
	// classify only: the classes that are confused most often, at most ten pairs
	Confused []Confused `json:"confused,omitempty"`
	// how each example came out, in the order of the data; nil for lm
	Each    []Outcome `json:"-"`
	Skipped []Skipped `json:"-"`               // what was left out
	Notes   []string  `json:"notes,omitempty"` // what a user should know of the data
}

// MarshalJSON writes the form that eval --json prints. It omits the accuracy if the task has
// another metric.
func (e *Evaluation) MarshalJSON() ([]byte, error) {
	type plain Evaluation
	if e.Metric == nil {
		return json.Marshal((*plain)(e))
	}
	return json.Marshal(struct {
		*plain
		Accuracy *float64 `json:"accuracy,omitempty"`
	}{plain: (*plain)(e)})
}

// Eval measures the model on labelled examples, whose classes must be among its labels. Of a
// folder or table with splits it uses test, or else val, see Evaluation.Split.
func (m *Model) Eval(ctx context.Context, examples Data) (*Evaluation, error) {
	place, err := examples.open(ctx)
	if err != nil {
		return nil, badInput(err)
	}
	e, err := m.p.EvalPlace(ctx, place)
	if err != nil {
		return nil, badInput(err)
	}
	return evaluationOf(e), nil
}

// Continuation says how a language model continues a text. The zero Continuation always takes the
// best token, up to 128 of them.
type Continuation struct {
	MaxTokens   int     // maximum number of new tokens; 0: 128
	Temperature float64 // divisor of the token scores before drawing one; 0 takes the best
	TopK        int     // draw from the best K tokens; 0: from all
	// draw from the best tokens with this total probability, up to 1; 0: from all
	TopP float64
	Seed uint64 // of the random draws; the same seed gives the same text
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

// Continue continues texts with a language model. It returns the complete texts in Prediction.Text,
// and notes on how they were computed. It errors with ErrBadInput if the model has another task.
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

// Generate continues a text with a language model and yields new text piece by piece, as it is
// generated. A piece contains whole characters. It ends when the model ends the text, at
// c.MaxTokens, when the caller's loop stops, or with an error. While a stream is being read, it
// counts as one of the texts that run at once.
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
