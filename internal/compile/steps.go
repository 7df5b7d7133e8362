package compile

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Steps runs a causal language model token by token. It keeps the keys and values of every
// attention (a key-value cache), so a token costs one position, however many come before it.
type Steps struct {
	program  *Program
	token    *tensor.Tensor // [1,1]
	position *tensor.Tensor // [1]
	length   int
}

// SequenceInputs returns, for a length, the contents of every input of a model: one sequence with
// that many positions. Only the shape of the token input matters.
type SequenceInputs func(length int) map[string]*tensor.Tensor

// errNotSteps says that a model cannot be run token by token.
var errNotSteps = errors.New("the model cannot be run token by token")

// NewSteps makes Steps of up to length tokens from a raw model whose first output scores every
// position of the input tokens. Its weights become constants.
//
// The model is compiled for two lengths; where these differ is the axis of positions. Every
// operator except attention must treat positions alike and independently. Attention must not see
// later positions (a causal mask). Then one position can be computed from itself, from its row of
// constants such as position embeddings, and from the keys and values of earlier positions.
// Otherwise NewSteps errors and names the operator.
func NewSteps(raw *ir.Graph, tokens string, inputs SequenceInputs, length int) (*Steps, error) {
	if length < 2 {
		return nil, fmt.Errorf("compile: steps of %d tokens", length)
	}
	short, err := sequenceGraph(raw, tokens, inputs(length))
	if err != nil {
		return nil, err
	}
	long, err := sequenceGraph(raw, tokens, inputs(length+1))
	if err != nil {
		return nil, err
	}
	s := &stepper{g: ir.New(raw.Name + "/step"), n: length, rows: map[*ir.Value]row{}, tables: map[*ir.Value]row{}}
	dt := short.Inputs[0].Type.DType
	token, position := s.g.AddInput("token", ir.Type{DType: dt, Shape: tensor.Shape{1, 1}}), s.g.AddInput("position", ir.Type{DType: tensor.Int64, Shape: tensor.Shape{1}})
	s.b, s.position = ir.NewBuilder(s.g, "step"), position
	if err := s.build(short, long, token); err != nil {
		return nil, err
	}
	p, err := Region(s.g, Memory{})
	if err != nil {
		return nil, err
	}
	return &Steps{program: p, token: tensor.New(dt, 1, 1), position: tensor.New(tensor.Int64, 1), length: length}, nil
}

// Len returns the maximum number of tokens.
func (s *Steps) Len() int { return s.length }

// Next takes the token at a position, counted from 0, and returns the scores of the next token.
// They are valid until the next call. All earlier positions must have been given. Going back to a
// position drops those after it.
func (s *Steps) Next(ctx context.Context, token, position int) ([]float32, error) {
	if position < 0 || position >= s.length {
		return nil, fmt.Errorf("compile: there is no room for token %d: %d were planned", position+1, s.length)
	}
	switch s.token.DType {
	case tensor.Int32:
		tensor.Data[int32](s.token)[0] = int32(token)
	default:
		s.token.I64()[0] = int64(token)
	}
	s.position.I64()[0] = int64(position)
	out, err := s.program.Run(ctx, s.token, s.position)
	if err != nil {
		return nil, err
	}
	return out[0].F32(), nil
}

// sequenceGraph compiles a model for one sequence. All inputs except the tokens become constants.
func sequenceGraph(raw *ir.Graph, tokens string, inputs map[string]*tensor.Tensor) (*ir.Graph, error) {
	if len(raw.Outputs) == 0 {
		return nil, fmt.Errorf("compile: %w: it has no output", errNotSteps)
	}
	first := *raw
	first.Outputs = raw.Outputs[:1]
	shapes, known := map[string]tensor.Shape{}, map[string]*tensor.Tensor{}
	for name, t := range inputs {
		shapes[name] = t.Shape
		if name != tokens {
			known[name] = t
		}
	}
	g, err := Model(&first, Options{Shapes: shapes, Known: known, Frozen: All})
	if err != nil {
		return nil, err
	}
	ids := g.Inputs
	for _, v := range ids {
		if v.Name != tokens {
			return nil, fmt.Errorf("compile: %w: nothing is known of its input %q", errNotSteps, v.Name)
		}
	}
	if len(ids) != 1 || !ids[0].Type.Shape.Equal(inputs[tokens].Shape) || len(inputs[tokens].Shape) != 2 {
		return nil, fmt.Errorf("compile: %w: its input %q does not hold one sequence of tokens", errNotSteps, tokens)
	}
	if dt := ids[0].Type.DType; dt != tensor.Int64 && dt != tensor.Int32 {
		return nil, fmt.Errorf("compile: %w: its tokens are %v", errNotSteps, dt)
	}
	return g, nil
}

// row is one position of a value of the whole sequence: the same value with size 1 on the axis of
// positions. A value without such an axis is the same at every position and has axis -1.
type row struct {
	value *ir.Value
	axis  int
}

// stepper builds the graph of one position.
type stepper struct {
	g        *ir.Graph
	b        *ir.Builder
	n        int // number of positions
	position *ir.Value
	rows     map[*ir.Value]row
	tables   map[*ir.Value]row // of constants
}

func (s *stepper) build(short, long *ir.Graph, token *ir.Value) error {
	if len(short.Nodes) != len(long.Nodes) {
		return fmt.Errorf("compile: %w: its graph depends on the length", errNotSteps)
	}
	s.rows[short.Inputs[0]] = row{token, 1}
	for i, m := range short.Nodes {
		if err := s.node(m, long.Nodes[i]); err != nil {
			return m.Errorf("%w: %w", errNotSteps, err)
		}
	}
	out, ok := s.rows[short.Outputs[0]]
	if !ok || out.axis != 1 || len(out.value.Type.Shape) != 3 || out.value.Type.DType != tensor.Float32 {
		return fmt.Errorf("compile: %w: its output %v does not score every position", errNotSteps, short.Outputs[0].Type)
	}
	s.g.Outputs = []*ir.Value{out.value}
	s.g.Prune()
	return nil
}

// node adds node m of the shorter graph, n in the longer one, for one position.
func (s *stepper) node(m, n *ir.Node) error {
	if m.Op != n.Op || len(m.Inputs) != len(n.Inputs) || len(m.Outputs) != len(n.Outputs) {
		return errors.New("its graph depends on the length")
	}
	if m.Op == "Attention" {
		return s.attention(m, n)
	}
	in := make([]row, len(m.Inputs))
	values := make([]*ir.Value, len(m.Inputs))
	for i, v := range m.Inputs {
		if v == nil {
			in[i].axis = -1
			continue
		}
		var err error
		if in[i], err = s.input(v, n.Inputs[i]); err != nil {
			return err
		}
		values[i] = in[i].value
	}
	axes := make([]int, len(m.Outputs))
	for i, v := range m.Outputs {
		axes[i] = -1
		if v != nil {
			var ok bool
			if axes[i], ok = s.axis(v.Type.Shape, n.Outputs[i].Type.Shape); !ok {
				return fmt.Errorf("its result %v has positions on several axes", v.Type)
			}
		}
	}
	if !apart(m, in, axes[0]) {
		return errors.New("it does not treat every position by itself")
	}
	attrs := m.Attrs
	if shape := attrs.Ints("shape"); shape != nil && axes[0] >= 0 {
		shape = slices.Clone(shape)
		shape[axes[0]] = 1
		attrs = attrs.With("shape", shape)
	}
	out := s.b.Add(&ir.Node{Name: m.Name, Op: m.Op, Inputs: values, Attrs: attrs})
	if err := s.b.Err(); err != nil {
		return err
	}
	for i, v := range m.Outputs {
		if v == nil || i >= len(out) || out[i] == nil {
			continue
		}
		want := v.Type.Shape.Clone()
		if axes[i] >= 0 {
			want[axes[i]] = 1
		}
		if !out[i].Type.Shape.Equal(want) {
			return fmt.Errorf("one position of its result %v would be %v", v.Type, out[i].Type)
		}
		s.rows[v] = row{out[i], axes[i]}
	}
	return nil
}

// axis finds the axis by which a shape grows with the length, -1 if there is none.
func (s *stepper) axis(short, long tensor.Shape) (axis int, ok bool) {
	axis = -1
	if len(short) != len(long) {
		return axis, false
	}
	for i, d := range short {
		if d == long[i] {
			continue
		}
		if axis >= 0 || d != s.n || long[i] != s.n+1 {
			return axis, false
		}
		axis = i
	}
	return axis, true
}

// input returns what the row's node reads instead of v, whose counterpart in the longer graph is w.
func (s *stepper) input(v, w *ir.Value) (row, error) {
	if r, ok := s.rows[v]; ok {
		return r, nil
	}
	if r, ok := s.tables[v]; ok {
		return r, nil
	}
	if v.Kind != ir.Const || w == nil || w.Kind != ir.Const {
		return row{}, fmt.Errorf("its input %q is unknown", v.Name)
	}
	axis, ok := s.axis(v.Type.Shape, w.Type.Shape)
	if !ok || !begins(v.Data, w.Data, axis) {
		return row{}, fmt.Errorf("its constant input %v depends on the length", v.Type)
	}
	r := row{s.b.Const(v.Data), axis}
	if axis >= 0 {
		r.value = s.b.Op("Gather", ir.Attrs{"axis": axis}, r.value, s.position)
	}
	s.tables[v] = r
	return r, s.b.Err()
}

// begins reports whether b, which is one longer on the axis, starts with a. Without an axis they
// must be equal.
func begins(a, b *tensor.Tensor, axis int) bool {
	if axis < 0 {
		return a.DType == b.DType && a.Shape.Equal(b.Shape) && string(a.Bytes) == string(b.Bytes)
	}
	block := a.DType.Size() * a.Shape[axis:].Len()
	more := a.DType.Size() * b.Shape[axis:].Len()
	for i := range a.Shape[:axis].Len() {
		if string(a.Bytes[i*block:(i+1)*block]) != string(b.Bytes[i*more:i*more+block]) {
			return false
		}
	}
	return true
}

// apart reports whether an operator computes every position of its result, on axis out, only from
// the same position of its inputs.
func apart(n *ir.Node, in []row, out int) bool {
	t := n.Traits()
	if t.Rows == nil {
		return t.Elementwise // positions on different axes would give a result with both axes
	}
	axes := make([]int, len(in))
	for i, r := range in {
		axes[i] = r.axis
	}
	return t.Rows(n, len(n.Inputs[0].Type.Shape), axes, out)
}

// attention adds the attention of one position to itself and earlier ones.
func (s *stepper) attention(m, n *ir.Node) error {
	var in [3]*ir.Value
	for i := range in {
		r, ok := s.rows[m.Inputs[i]]
		if !ok || r.axis != 2 || len(r.value.Type.Shape) != 4 {
			return errors.New("it does not attend from every position to every position")
		}
		in[i] = r.value
	}
	mask := m.In(3)
	causal := m.Attrs.Bool("is_causal") && m.Attrs.Int("past", 0) == 0
	if mask != nil && !(mask.Kind == ir.Const && plainMask(mask.Data, s.n, &causal)) {
		return errors.New("its mask does more than to hide later positions")
	}
	if !causal {
		return errors.New("it sees later positions")
	}
	attrs := ir.Attrs{}
	if m.Attrs.Has("scale") {
		attrs["scale"] = m.Attrs.Float("scale", 0)
	}
	state := func(v *ir.Value, name string) *ir.Value {
		shape := v.Type.Shape.Clone()
		shape[2] = s.n
		return s.g.NewParam(s.g.Unique(m.Name+"/"+name), tensor.New(tensor.Float32, shape...))
	}
	y := s.b.Add(&ir.Node{Name: m.Name, Op: "CachedAttention", Attrs: attrs,
		Inputs: []*ir.Value{in[0], in[1], in[2], s.position, state(in[1], "keys"), state(in[2], "values")}})
	if err := s.b.Err(); err != nil {
		return err
	}
	s.rows[m.Outputs[0]] = row{y[0], 2}
	return nil
}

// plainMask reports whether an added mask is 0 wherever a query looks at itself or an earlier
// position. It sets causal if the mask hides all later positions.
func plainMask(mask *tensor.Tensor, n int, causal *bool) bool {
	rank := len(mask.Shape)
	if rank < 1 || !mask.DType.IsFloat() || mask.Shape[rank-1] != n {
		return mask.DType.IsFloat() && !slices.ContainsFunc(mask.Float64s(), func(v float64) bool { return v != 0 })
	}
	queries := 1
	if rank > 1 {
		queries = mask.Shape[rank-2]
	}
	v := mask.Float64s()
	hides := queries == n
	for at := 0; at < len(v); at += queries * n {
		for i := range queries {
			for j, x := range v[at+i*n : at+(i+1)*n] {
				later := queries == n && j > i
				if !later && x != 0 {
					return false
				}
				hides = hides && (!later || x <= hidden)
			}
		}
	}
	*causal = *causal || hides
	return true
}

// hidden is a mask value that makes a position's weight zero after the exponential.
const hidden = -1e4

// Twin makes Steps of the same model for another text, so that both can run at once. They share the
// weights.
func (s *Steps) Twin() (*Steps, error) {
	states := map[*ir.Value]*tensor.Tensor{}
	for _, n := range s.program.graph.Nodes {
		if n.Op == "CachedAttention" {
			for _, v := range n.Inputs[4:6] {
				states[v] = tensor.New(v.Type.DType, v.Type.Shape...)
			}
		}
	}
	p, err := s.program.twin(states)
	if err != nil {
		return nil, err
	}
	return &Steps{program: p, token: tensor.New(s.token.DType, 1, 1), position: tensor.New(tensor.Int64, 1), length: s.length}, nil
}
