package serve

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/tensor"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// question is an inference request that was understood.
type question struct {
	id       string
	models   []*model // the one in the path, and those that parameter models names
	examples []given
	wanted   []wantedOutput // nil: all outputs
	inBinary bool           // unless an output says otherwise

	tuned.Continuation // of a language model
}

// given is one example of a request.
type given struct {
	key  [sha256.Size]byte // of equal contents
	read func(context.Context, *model) (*data.Batch, error)
	text string
}

// inputName is the input of a model that takes examples as they come: its kind of data.
func (m *model) inputName() string { return m.Feed.Kind() }

// question reads a request.
func (m *model) question(st *state, h http.Header, body []byte) (*question, error) {
	r := &inferRequest{}
	if single(h) {
		if m.Feed.Kind() == feed.KindVector || m.Feed.Kind() == feed.KindTensors {
			return nil, bad("model %s takes numbers: send an inference request, in JSON or with the header %s", m.file.Name, headerLength)
		}
		b := binary.LittleEndian.AppendUint32(nil, uint32(len(body)))
		r.Inputs = []inputTensor{{Name: m.inputName(), Shape: []int64{1}, Datatype: bytesType, binary: append(b, body...)}}
	} else {
		var err error
		if r, err = readRequest(h, body); err != nil {
			return nil, err
		}
	}
	q := &question{id: r.ID, models: []*model{m}, wanted: r.Outputs}
	var err error
	if q.inBinary, err = truth(r.Parameters, "binary_data_output"); err != nil {
		return nil, err
	}
	if err := q.more(st, r.Parameters["models"]); err != nil {
		return nil, err
	}
	if err := q.continuation(m, r.Parameters); err != nil {
		return nil, err
	}
	for name := range r.Parameters {
		if !slices.Contains([]string{"binary_data_output", "models", "max_tokens", "temperature", "top_k", "top_p", "seed"}, name) {
			return nil, bad("parameter %s is not known", name)
		}
	}
	for _, o := range q.wanted {
		if _, err := truth(o.Parameters, "binary_data"); err != nil {
			return nil, bad("output %q: %v", o.Name, err)
		}
	}
	q.examples, err = m.examples(r.Inputs)
	return q, err
}

// more adds the models that parameter models names, "*" for all that prepare examples alike.
func (q *question) more(st *state, v any) error {
	m := q.models[0]
	switch v := v.(type) {
	case nil:
	case string:
		if v != "*" {
			return bad(`parameter models is %q: a list of names, or "*"`, v)
		}
		if m.group != nil {
			for _, other := range m.group.models {
				if other != m {
					q.models = append(q.models, other)
				}
			}
		}
	case []any:
		for _, x := range v {
			name, ok := x.(string)
			other := st.models[name]
			switch {
			case !ok || other == nil:
				return bad("parameter models: there is no model %v", x)
			case m.group == nil || other.group != m.group:
				return bad("parameter models: model %s does not prepare its examples as %s does: ask it by itself", name, m.file.Name)
			case !slices.Contains(q.models, other):
				q.models = append(q.models, other)
			}
		}
	default:
		return bad(`parameter models is %v: a list of names, or "*"`, v)
	}
	return nil
}

// continuation reads the parameters of a language model.
func (q *question) continuation(m *model, p parameters) error {
	q.Tokens = 128
	number := func(name string, least, most float64, to func(float64)) error {
		v, ok := p[name]
		if !ok {
			return nil
		}
		if m.group != nil {
			return bad("parameter %s: only a language model continues texts", name)
		}
		x, isNumber := v.(float64)
		if !isNumber || x < least || x > most {
			return bad("parameter %s is %v: a number from %v to %v", name, v, least, most)
		}
		to(x)
		return nil
	}
	s := &q.Sampler
	for _, err := range []error{
		number("max_tokens", 1, 4096, func(x float64) { q.Tokens = int(x) }),
		number("temperature", 0, math.MaxFloat32, func(x float64) { s.Temperature = x }),
		number("top_k", 0, math.MaxInt32, func(x float64) { s.TopK = int(x) }),
		number("top_p", 0, 1, func(x float64) { s.TopP = x }),
		number("seed", 0, 1<<53, func(x float64) { s.Seed = uint64(x) }),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// examples reads the inputs: examples as they come, in one input called by their kind, or prepared
// tensors, in the model's own inputs.
func (m *model) examples(inputs []inputTensor) ([]given, error) {
	kind := m.Feed.Kind()
	if len(inputs) == 1 && inputs[0].Name == m.inputName() && (kind == feed.KindVector || inputs[0].Datatype == bytesType) {
		return m.plain(&inputs[0])
	}
	form := m.Feed.Form()
	if m.group == nil || form.Varies() {
		return nil, bad("model %s takes one input, %q, of %s; the request has %s", m.file.Name, m.inputName(), m.datatype(), namesOf(inputs))
	}
	if len(inputs) != len(form.Inputs) {
		return nil, bad("model %s takes the input %q, or prepared tensors in all of %s; the request has %s", m.file.Name, m.inputName(), namesOfForm(form), namesOf(inputs))
	}
	batches := map[int]*data.Batch{}
	n := 0
	for k, want := range form.Inputs {
		i := slices.IndexFunc(inputs, func(in inputTensor) bool { return in.Name == want.Name })
		if i < 0 {
			return nil, bad("model %s takes the input %q, or prepared tensors in all of %s; the request has %s", m.file.Name, m.inputName(), namesOfForm(form), namesOf(inputs))
		}
		in := &inputs[i]
		if in.Datatype != datatypes[want.DType] {
			return nil, bad("input %q has the datatype %q, and takes %s", in.Name, in.Datatype, datatypes[want.DType])
		}
		one := form.Shape(want, 1, 1)[1:]
		rows, err := in.rows(one...)
		if err != nil {
			return nil, err
		}
		if k > 0 && rows != n {
			return nil, bad("input %q has %d examples, and input %q has %d", in.Name, rows, form.Inputs[0].Name, n)
		}
		n = rows
		t, err := in.tensor(want.DType, n, one)
		if err != nil {
			return nil, err
		}
		size := len(t.Bytes) / n
		for e := range n {
			if batches[e] == nil {
				batches[e] = &data.Batch{Inputs: make([]*tensor.Tensor, len(form.Inputs)), Labels: []int{-1}, Indices: []int{0}, Length: 1, Lengths: []int{1}}
			}
			batches[e].Inputs[k] = &tensor.Tensor{DType: t.DType, Shape: append(tensor.Shape{1}, one...), Bytes: t.Bytes[e*size : (e+1)*size : (e+1)*size]}
		}
	}
	var out []given
	for e := range n {
		h := sha256.New()
		h.Write([]byte("tensors"))
		for _, t := range batches[e].Inputs {
			h.Write(t.Bytes)
		}
		out = append(out, given{key: [sha256.Size]byte(h.Sum(nil)), read: func(context.Context, *model) (*data.Batch, error) { return batches[e], nil }})
	}
	return out, nil
}

// plain reads examples as they come.
func (m *model) plain(in *inputTensor) ([]given, error) {
	kind := m.Feed.Kind()
	if kind == feed.KindVector {
		return m.vectors(in)
	}
	if kind == feed.KindTensors {
		return nil, bad("model %s takes prepared tensors, in %s", m.file.Name, namesOfForm(m.Feed.Form()))
	}
	n, err := in.rows()
	if len(in.Shape) == 2 {
		n, err = in.rows(1)
	}
	if err != nil {
		return nil, err
	}
	list, err := in.elements(n, kind == feed.KindText)
	if err != nil {
		return nil, err
	}
	var out []given
	for i, b := range list {
		g := given{key: sha256.Sum256(b), text: string(b)}
		if kind != feed.KindText {
			g.text = ""
		}
		g.read = func(ctx context.Context, m *model) (*data.Batch, error) {
			rows := feed.Inputs(kind, []string{g.text})
			if kind != feed.KindText {
				var err error
				if rows, err = collect(feed.Example{Name: fmt.Sprintf("%s %d", kind, i), Bytes: b}); err != nil {
					return nil, err
				}
			}
			return m.Example(ctx, rows)
		}
		out = append(out, g)
	}
	return out, nil
}

// vectors reads rows of numbers.
func (m *model) vectors(in *inputTensor) ([]given, error) {
	if in.Datatype != "FP32" {
		return nil, bad("input %q has the datatype %q, and takes FP32", in.Name, in.Datatype)
	}
	width := m.Feed.Form().Size()
	n, err := in.rows(width)
	if err != nil {
		return nil, err
	}
	t, err := in.tensor(tensor.Float32, n, tensor.Shape{width})
	if err != nil {
		return nil, err
	}
	var out []given
	for i := range n {
		row := t.F32()[i*width : (i+1)*width]
		out = append(out, given{key: sha256.Sum256(t.Bytes[4*i*width : 4*(i+1)*width]), read: func(ctx context.Context, m *model) (*data.Batch, error) {
			rows, err := collect(feed.Example{Name: fmt.Sprintf("vector %d", i), Vector: row})
			if err != nil {
				return nil, err
			}
			return m.Example(ctx, rows)
		}})
	}
	return out, nil
}

func collect(e feed.Example) (data.Place, error) {
	return feed.Collect(func(yield func(feed.Example, error) bool) { yield(e, nil) })
}

func namesOf(inputs []inputTensor) string {
	var names []string
	for _, in := range inputs {
		names = append(names, fmt.Sprintf("%q of %s", in.Name, in.Datatype))
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names[:min(len(names), 8)], ", ")
}

func namesOfForm(f data.Form) string {
	var names []string
	for _, in := range f.Inputs {
		names = append(names, fmt.Sprintf("%q of %s", in.Name, datatypes[in.DType]))
	}
	return strings.Join(names, ", ")
}
