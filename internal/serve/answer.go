package serve

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// output is a kind of answer that a model gives.
type output struct {
	name  string
	wide  int // numbers an example: 1, or as many as labels; 0 for a string or a single number
	put   func(c *contents, m *model, p tuned.Prediction)
	dtype string
}

// outputsOf are the outputs of a model by its task.
func (m *model) outputs() []output {
	labels := len(m.Record.Labels)
	text := output{"text", 0, func(c *contents, _ *model, p tuned.Prediction) { c.strings = append(c.strings, *p.Text) }, bytesType}
	scores := output{"scores", labels, func(c *contents, _ *model, p tuned.Prediction) { c.numbers = append(c.numbers, p.Logits...) }, "FP32"}
	probabilities := output{"probabilities", labels, func(c *contents, m *model, p tuned.Prediction) {
		by := map[string]float64{}
		for _, g := range p.Top {
			by[g.Label] = g.Probability
		}
		for _, l := range m.Record.Labels {
			c.numbers = append(c.numbers, float32(by[l]))
		}
	}, "FP32"}
	switch m.Task.Name() {
	case task.NameClassify:
		return []output{
			{"label", 0, func(c *contents, _ *model, p tuned.Prediction) { c.strings = append(c.strings, p.Label) }, bytesType},
			{"probability", 0, func(c *contents, _ *model, p tuned.Prediction) {
				c.numbers = append(c.numbers, float32(p.Probability))
			}, "FP32"},
			probabilities, scores,
		}
	case task.NameMultilabel:
		return []output{
			{"labels", 0, func(c *contents, _ *model, p tuned.Prediction) {
				c.strings = append(c.strings, strings.Join(p.Labels, "|"))
			}, bytesType},
			probabilities, scores,
		}
	case task.NameRegress:
		return []output{{"value", 0, func(c *contents, _ *model, p tuned.Prediction) { c.wide = append(c.wide, *p.Value) }, "FP64"}}
	}
	return []output{text}
}

// datatype is that of the model's input.
func (m *model) datatype() string {
	if m.Feed.Kind() == feed.KindVector {
		return "FP32"
	}
	return bytesType
}

// tensorInfo describes a tensor of a model.
type tensorInfo struct {
	Name     string `json:"name"`
	Datatype string `json:"datatype"`
	Shape    []int  `json:"shape"`
}

// description is the metadata of a model.
type description struct {
	Name       string         `json:"name"`
	Versions   []string       `json:"versions"`
	Platform   string         `json:"platform"`
	Inputs     []tensorInfo   `json:"inputs"`
	Outputs    []tensorInfo   `json:"outputs"`
	Parameters map[string]any `json:"parameters"`
}

func (m *model) describe() description {
	d := description{Name: m.file.Name, Versions: []string{m.version}, Platform: "permafrost_onnx",
		Parameters: map[string]any{"task": m.Task.Name(), "labels": m.Record.Labels}}
	form := m.Feed.Form()
	switch m.Feed.Kind() {
	case feed.KindTensors:
		for _, in := range form.Inputs {
			shape := append([]int{-1}, form.Shape(in, 1, 1)[1:]...)
			d.Inputs = append(d.Inputs, tensorInfo{in.Name, datatypes[in.DType], shape})
		}
	case feed.KindVector:
		d.Inputs = []tensorInfo{{m.inputName(), "FP32", []int{-1, form.Size()}}}
	default:
		d.Inputs = []tensorInfo{{m.inputName(), bytesType, []int{-1}}}
	}
	for _, o := range m.outputs() {
		shape := []int{-1}
		if o.wide > 0 {
			shape = append(shape, o.wide)
		}
		d.Outputs = append(d.Outputs, tensorInfo{o.name, o.dtype, shape})
	}
	return d
}

// answer answers a question.
func (s *Server) answer(ctx context.Context, q *question) (*inferResponse, error) {
	m := q.models[0]
	if err := q.checkOutputs(); err != nil {
		return nil, err
	}
	found := make([][]tuned.Prediction, len(q.models)) // by model and example
	for k := range found {
		found[k] = make([]tuned.Prediction, len(q.examples))
	}
	if m.group == nil {
		var texts []string
		for _, x := range q.examples {
			texts = append(texts, x.text)
		}
		said, _, err := m.Continue(ctx, texts, q.Continuation)
		if err != nil {
			return nil, usable(ctx, err)
		}
		found[0] = said
	} else if err := s.predict(ctx, q, found); err != nil {
		return nil, err
	}
	r := &inferResponse{ModelName: m.file.Name, ModelVersion: m.version, ID: q.id, Outputs: []outputTensor{}}
	for k, m := range q.models {
		for _, o := range m.outputs() {
			name := q.outputName(k, o.name)
			if q.want(name, o.name) == nil && q.wanted != nil {
				continue
			}
			out := outputTensor{Name: name, Datatype: o.dtype, Shape: []int{len(q.examples)}}
			if o.wide > 0 {
				out.Shape = append(out.Shape, o.wide)
			}
			for _, p := range found[k] {
				o.put(&out.contents, m, p)
			}
			r.Outputs = append(r.Outputs, out)
		}
	}
	for _, m := range q.models {
		s.numbers.answers.WithLabelValues(m.file.Name).Add(float64(len(q.examples)))
	}
	return r, nil
}

// outputName is the name of an output in the answer: plain for the model in the path, after the
// model's name for others.
func (q *question) outputName(k int, name string) string {
	if k == 0 {
		return name
	}
	return q.models[k].file.Name + "/" + name
}

// want is what the request says of an output. A plain name is that of the output of every model.
func (q *question) want(name, plain string) *wantedOutput {
	for i := range q.wanted {
		if w := &q.wanted[i]; w.Name == name || w.Name == plain {
			return w
		}
	}
	return nil
}

// checkOutputs errors on an output that no model has.
func (q *question) checkOutputs() error {
	for _, w := range q.wanted {
		var known []string
		for k, m := range q.models {
			for _, o := range m.outputs() {
				known = append(known, o.name, q.outputName(k, o.name))
			}
		}
		if !slices.Contains(known, w.Name) {
			slices.Sort(known)
			known = slices.Compact(known)
			return bad("there is no output %q: the outputs are %s", w.Name, strings.Join(known[:min(len(known), 12)], ", "))
		}
	}
	return nil
}

// binary reports whether an output is written in binary.
func (q *question) binary(name string) bool {
	_, plain, ok := strings.Cut(name, "/")
	if !ok {
		plain = name
	}
	if w := q.want(name, plain); w != nil {
		if v, ok := w.Parameters["binary_data"].(bool); ok {
			return v
		}
	}
	return q.inBinary
}

// predict answers examples side by side, as many as the family has places for.
func (s *Server) predict(ctx context.Context, q *question, found [][]tuned.Prediction) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var work sync.WaitGroup
	lanes := make(chan struct{}, s.o.MaxBatch)
	for e := range q.examples {
		select {
		case lanes <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		one := func() {
			defer func() { <-lanes }()
			if err := s.guarded(func() error { return s.predictOne(ctx, q, e, found) }); err != nil {
				cancel(err)
			}
		}
		if len(q.examples) == 1 {
			one()
		} else {
			work.Go(one)
		}
	}
	work.Wait()
	return context.Cause(ctx)
}

func (s *Server) predictOne(ctx context.Context, q *question, e int, found [][]tuned.Prediction) error {
	g := q.models[0].group
	f := g.family
	f.coming.Add(1)
	x, err := f.prepare(ctx, q.examples[e].key, func(ctx context.Context) (*data.Batch, []*tensor.Tensor, error) {
		b, err := q.examples[e].read(ctx, q.models[0])
		if err != nil {
			return nil, nil, usable(ctx, err)
		}
		inputs, err := q.models[0].Inputs(b)
		return b, inputs, err
	})
	if err != nil {
		f.coming.Add(-1)
		return err
	}
	defer f.release(x)
	models := make([]int, len(q.models))
	for k, m := range q.models {
		models[k] = m.index
	}
	raw, err := f.run(ctx, g, x, models)
	if err != nil {
		return err
	}
	for k, m := range q.models {
		if found[k][e], err = m.Answer(x.batch, raw[k]); err != nil {
			return err
		}
	}
	return nil
}

// usable is the failure of an example that cannot be used.
func usable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return bad("%v", err)
}
