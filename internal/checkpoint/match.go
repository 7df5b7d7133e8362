package checkpoint

import (
	"bytes"
	"fmt"
	"path"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Options say how to match a checkpoint with a model.
type Options struct {
	// of folded batch normalisation; 0: that of the model's other ones, else PyTorch's default 1e-5
	Eps     float64
	Convert bool // types may be narrowed, as float32 to float16
	// globs of the model's tensors that keep their values where the checkpoint has none
	Keep   []string
	Ignore []string // globs of the checkpoint's tensors that may remain unused
}

// Match is one tensor of the model and its source.
type Match struct {
	Tensor string
	Shape  []int
	// in the checkpoint: one tensor, or a weight and the batch norm folded into it
	From []string
	// equal name or node path, then the transformations and the types where they differ
	How string

	target *target
	form   form
	source *source   // nil for the bias of a convolution that had none
	fold   *fold     // for folded forms
	gates  *gates    // for the recurrent form
	table  *gathered // for gathered rows
	tied   bool      // a copy of a tensor that another match has
}

// form is the transformation of a tensor on its way into the model.
type form uint8

const (
	asIs form = iota
	transposed
	foldedWeight
	foldedBias
	recurrent
	gatheredRows
)

// source is one tensor of the checkpoint.
type source struct {
	Named
	key  string // its name without the prefix that the model's names do not have
	at   int    // its place in the checkpoint
	used bool
}

// Find matches a checkpoint with a model of the same architecture. For each tensor of the model it
// tries, in order:
//
//   - a tensor of equal name;
//   - the path of the node that reads it, where the exporter made up its name;
//   - gathering the rows of a table in that node's module;
//   - folding a batch norm that only the checkpoint has into the convolution before it.
//
// A matrix is transposed only where the node takes [in,out] and the shape agrees. Find errors on a
// bad glob. What does not match is listed, see Check.
func Find(m *onnx.Model, c *Checkpoint, o Options) (*Result, error) {
	for _, g := range slices.Concat(o.Keep, o.Ignore) {
		if _, err := path.Match(g, ""); err != nil {
			return nil, fmt.Errorf("%q is no pattern of names: %w", g, err)
		}
	}
	r := &Result{Matched: []*Match{}, Missing: []Lack{}, Unused: []Lack{}, Kept: []Lack{}, Ignored: []Lack{},
		targets: targets(m), users: m.Graph.Users(), options: o}
	for i, t := range c.Tensors {
		if !t.Tensor.DType.IsFloat() {
			r.Integers++
			if t.Tensor.DType == tensor.Int64 || t.Tensor.DType == tensor.Int32 {
				r.indices = append(r.indices, &source{Named: t, key: t.Name, at: i})
			}
			continue
		}
		r.sources = append(r.sources, &source{Named: t, key: t.Name, at: i})
	}
	r.alignPrefixes()
	byKey := make(map[string]*source, len(r.sources))
	for _, s := range r.sources {
		byKey[s.key] = s
	}
	matches := make(map[*target]*Match, len(r.targets))
	why := map[*target]string{}
	for _, t := range r.targets {
		if s := byKey[r.key(t.name)]; s != nil {
			mt, err := fit(t, s, "equal name")
			if err != nil {
				why[t] = err.Error()
				continue
			}
			matches[t] = mt
		}
	}
	for _, t := range r.targets {
		if matches[t] != nil || why[t] != "" {
			continue
		}
		mt := r.byGates(t, m.Graph, byKey)
		if mt == nil {
			mt = r.byPath(t, byKey)
		}
		if mt == nil {
			mt = r.byTable(t)
		}
		if mt != nil {
			matches[t] = mt
		}
	}
	for _, t := range r.targets {
		if matches[t] == nil && why[t] == "" && t.madeUp() && t.param.Node < 0 {
			if mt := r.tied(t, matches); mt != nil {
				matches[t] = mt
			}
		}
	}
	if err := r.foldNorms(matches, m.Graph); err != nil {
		return nil, err
	}
	for _, t := range r.targets {
		if mt := matches[t]; mt != nil {
			mt.describe()
			if err := mt.checkType(o.Convert); err != nil {
				why[t] = err.Error()
			} else {
				r.Matched = append(r.Matched, mt)
				continue
			}
		}
		r.lack(t, why[t])
	}
	for _, s := range r.sources {
		switch l := (Lack{Name: s.Name, Shape: s.Tensor.Shape}); {
		case s.used:
		case matchesAny(o.Ignore, s.Name):
			r.Ignored = append(r.Ignored, l)
		default:
			r.Unused = append(r.Unused, l)
		}
	}
	return r, nil
}

// fit matches a tensor with a source where the shapes allow it.
func fit(t *target, s *source, how string) (*Match, error) {
	m := &Match{Tensor: t.name, Shape: t.shape(), How: how, target: t, source: s}
	want, have := t.shape(), s.Tensor.Shape
	turn := t.transposable() && len(have) == 2 && have[0] == want[1] && have[1] == want[0]
	switch {
	case turn && (!have.Equal(want) || how != "equal name"):
		// A square matrix is transposed only where the exporter renamed it.
		m.form = transposed
	case have.Equal(want):
	case slices.Equal(squeezed(have), squeezed(want)):
	default:
		return nil, fmt.Errorf("the checkpoint has it as %v", have)
	}
	s.used = true
	return m, nil
}

// tied finds the tensor that t is a copy of: tied weights, one of which an exporter wrote
// transposed. It recognises them by the model's own contents, which are equal.
func (r *Result) tied(t *target, matches map[*target]*Match) *Match {
	if len(bytes.Trim(t.param.Tensor.Bytes, "\x00")) == 0 {
		return nil // zeros equal all other zeros
	}
	o := copied(t, r.targets)
	if o == nil || matches[o] == nil || matches[o].form != asIs {
		return nil
	}
	m := &Match{Tensor: t.name, Shape: t.shape(), How: "tied to " + o.name, target: t, source: matches[o].source, tied: true}
	if !same(o.param.Tensor, t.param.Tensor) {
		m.form = transposed
	}
	return m
}

// squeezed is a shape without its axes of size 1.
func squeezed(s tensor.Shape) []int {
	return slices.DeleteFunc(slices.Clone([]int(s)), func(d int) bool { return d == 1 })
}

// byPath looks for t in the module of the node that reads it.
func (r *Result) byPath(t *target, byKey map[string]*source) *Match {
	for _, name := range t.guesses(r.users) {
		if s := byKey[r.key(name)]; s != nil && !s.used {
			if m, err := fit(t, s, "node path"); err == nil {
				return m
			}
		}
	}
	if t.node == nil || !t.madeUp() {
		return nil
	}
	// The only remaining tensor of the module with that shape.
	module := r.key(t.module)
	var found *source
	for _, s := range r.sources {
		if p, _ := parent(s.key); s.used || p != module || module == "" {
			continue
		}
		if m, err := fit(t, s, "node path"); err == nil {
			s.used = false
			if found != nil || m.form == asIs && !s.Tensor.Shape.Equal(t.shape()) {
				return nil
			}
			found = s
		}
	}
	if found == nil {
		return nil
	}
	m, _ := fit(t, found, "node path") // it fitted above
	return m
}

// describe fills From and completes How.
func (m *Match) describe() {
	m.From = []string{}
	if m.source != nil {
		m.From = append(m.From, m.source.Name)
		if d := m.source.Tensor.DType; d != m.target.param.Tensor.DType {
			defer func() { m.How += fmt.Sprintf(", %v to %v", d, m.target.param.Tensor.DType) }()
		}
	}
	switch m.form {
	case transposed:
		m.How += ", transposed"
	case recurrent:
		m.From = m.From[:0]
		for _, s := range m.gates.parts {
			m.From = append(m.From, s.Name)
		}
		m.How += ", gates in order"
	case gatheredRows:
		m.How += ", rows gathered by an index"
	case foldedWeight, foldedBias:
		for _, s := range m.fold.parts() {
			m.From = append(m.From, s.Name)
		}
		m.How += ", folded"
	default:
		if !m.source.Tensor.Shape.Equal(m.target.shape()) {
			m.How += ", reshaped"
		}
	}
}

// checkType errors where the model's type is narrower than the checkpoint's, unless that was asked
// for.
func (m *Match) checkType(convert bool) error {
	if m.source == nil || convert {
		return nil
	}
	from, to := m.source.Tensor.DType, m.target.param.Tensor.DType
	if from == to || from.Size() < to.Size() {
		return nil
	}
	return fmt.Errorf("the checkpoint has it as %v, the model as %v: option convert rounds", from, to)
}
