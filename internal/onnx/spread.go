package onnx

import (
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// keeps lists operators whose output has the shape of input 0 and mixes no examples.
var keeps = set("Abs Acos Acosh Asin Asinh Atan Atanh BatchNormalization Cast Ceil Celu Clip Cos Cosh Dropout Elu Erf " +
	"Exp Floor Gelu FastGelu GroupNormalization HardSigmoid HardSwish Hardmax Identity InstanceNormalization IsInf IsNaN LRN " +
	"LayerNormalization LeakyRelu Log LogSoftmax LpNormalization MeanVarianceNormalization Mish Neg Not " +
	"QuantizeLinear DequantizeLinear QuickGelu RMSNormalization Reciprocal Relu Round Selu Shrink Sigmoid Sign " +
	"SimplifiedLayerNormalization Sin Sinh Softmax Softplus Softsign Sqrt Swish Tan Tanh ThresholdedRelu Trilu CumSum")

// broadcasts lists operators that combine their inputs element by element.
var broadcasts = set("Add Sub Mul Div Pow Max Min Mean Sum Where PRelu And Or Xor Equal Greater GreaterOrEqual Less " +
	"LessOrEqual Mod BitShift BiasGelu BitwiseAnd BitwiseOr BitwiseXor")

// images lists operators on [N,C,...] that keep axis 0 and may change the others.
var images = set("Conv ConvTranspose FusedConv MaxPool AveragePool LpPool GlobalMaxPool GlobalAveragePool GlobalLpPool " +
	"DepthToSpace SpaceToDepth Pad Upsample GridSample MaxUnpool DeformConv")

// reduces lists operators that reduce axes.
var reduces = set("ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceSumSquare")

func set(names string) map[string]bool {
	m := map[string]bool{}
	for _, n := range strings.Fields(names) {
		m[n] = true
	}
	return m
}

// rank is the number of axes of a value, -1 where it is unknown.
func (t *tracker) rank(v *ir.Value) int {
	if d := t.dims(v); d != nil {
		return len(d)
	}
	return -1
}

// dims is the shape of a value at a batch of 1, nil where nothing is known of it.
func (t *tracker) dims(v *ir.Value) tensor.Shape {
	if v == nil {
		return nil
	}
	if s, ok := t.at[v]; ok {
		return s.dims
	}
	if v.Kind != ir.Result {
		return v.Type.Shape
	}
	return t.known[v]
}

// node follows the batch through one node.
func (t *tracker) node(n *ir.Node) error {
	var in []int // the inputs that hold a batch
	for i, v := range n.Inputs {
		if _, ok := t.at[v]; ok && v != nil {
			in = append(in, i)
		}
	}
	if len(n.Outputs) == 0 {
		return nil
	}
	for _, g := range n.Attrs.Graphs() {
		for _, v := range g.Captures() {
			if _, ok := t.at[v]; ok {
				return fmt.Errorf("a subgraph reads the batch")
			}
		}
	}
	if len(in) == 0 {
		t.constShape(n)
		return nil
	}
	if n.Op == "LSTM" || n.Op == "GRU" || n.Op == "RNN" {
		return t.recurrent(n, in)
	}
	s, err := t.follow(n, in)
	if err != nil || s == nil {
		return err
	}
	for _, v := range n.Outputs {
		if v != nil {
			t.at[v] = *s
		}
	}
	return nil
}

// constShape notes the shape of a value without a batch where it is simple to know.
func (t *tracker) constShape(n *ir.Node) {
	var d tensor.Shape
	switch {
	case n.Op == "Expand":
		if target := constInts(n.In(1)); target != nil {
			d = broadcast(t.dims(n.In(0)), target)
		}
	case keeps[n.Op]:
		d = t.dims(n.In(0))
	case n.Op == "Reshape":
		if target := constInts(n.In(1)); !slices.Contains(target, 0) && !slices.Contains(target, -1) {
			d = target
		}
	}
	if d != nil && n.Outputs[0] != nil {
		t.known[n.Outputs[0]] = d
	}
}

// follow gives the spread of n's outputs, nil where they hold no batch. In lists the inputs that do.
func (t *tracker) follow(n *ir.Node, in []int) (*spread, error) {
	s := t.at[n.Inputs[in[0]]]
	if in[0] != 0 && !broadcasts[n.Op] && n.Op != "Concat" && n.Op != "MatMul" && n.Op != "Gather" {
		return nil, fmt.Errorf("the batch arrives at input %d", in[0])
	}
	switch {
	case n.Op == "Shape" || n.Op == "Size" || n.Op == "ConstantOfShape":
		return nil, nil
	case keeps[n.Op]:
		across := false
		switch a := axisOf(n, s); n.Op {
		case "Softmax", "LogSoftmax", "Hardmax", "CumSum":
			across = a == s.axis
		case "LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization":
			across = a >= 0 && a <= s.axis
		}
		if across {
			return nil, fmt.Errorf("works across the examples of a batch")
		}
		return &s, nil
	case broadcasts[n.Op]:
		return t.broadcast(n, in)
	case images[n.Op]:
		if s.axis != 0 || s.q != 1 {
			return nil, fmt.Errorf("its input holds the batch along axis %d", s.axis)
		}
		out := &spread{q: 1}
		if s.dims != nil {
			out.dims = slices.Repeat(tensor.Shape{-1}, len(s.dims))
			out.dims[0] = 1
		}
		return out, nil
	case reduces[n.Op] || n.Op == "ArgMax" || n.Op == "ArgMin":
		return t.reduce(n, s)
	}
	switch n.Op {
	case "Resize":
		if constInts(n.In(3)) != nil && !n.Attrs.Has("axes") {
			return nil, fmt.Errorf("its sizes spell the batch out")
		}
		return &spread{axis: s.axis, q: s.q}, nil
	case "Gemm":
		if s.axis != 0 || n.Attrs.Bool("transA") || len(in) > 1 && in[1] == 1 {
			return nil, fmt.Errorf("works across the examples of a batch")
		}
		out := &spread{q: s.q}
		if w := t.dims(n.In(1)); s.dims != nil && len(w) == 2 {
			out.dims = tensor.Shape{s.dims[0], w[1-n.Attrs.Int("transB", 0)]}
		}
		return out, nil
	case "MatMul":
		return t.matmul(n, in)
	case "Flatten":
		axis := n.Attrs.Int("axis", 1)
		if s.axis != 0 || s.q != 1 || axis == 0 {
			return nil, fmt.Errorf("flattens the batch away")
		}
		return &spread{q: 1, dims: flat(s.dims, axis)}, nil
	case "Reshape":
		return t.reshape(n, s)
	case "Transpose":
		return transpose(n, s)
	case "Unsqueeze", "Squeeze":
		return squeeze(n, s)
	case "Concat":
		return t.concat(n, in)
	case "Gather":
		return t.gather(n, in)
	case "Split":
		axis := n.Attrs.Int("axis", 0)
		if axis, s.dims = s.unknown(axis); axis == s.axis {
			return nil, fmt.Errorf("splits the batch")
		}
		return &s, nil
	case "Slice":
		return slice(n, s)
	case "Expand", "Tile":
		if s.dims != nil {
			if k := constInts(n.In(1)); n.Op == "Expand" && k != nil {
				s.axis += max(0, len(k)-len(s.dims))
				s.dims = broadcast(s.dims, k)
			} else {
				s.dims = slices.Repeat(tensor.Shape{-1}, len(s.dims))
			}
		}
		return &s, nil
	}
	if s.axis != 0 || s.q != 1 {
		return nil, fmt.Errorf("it is not known what becomes of a batch along axis %d", s.axis)
	}
	t.assumed = append(t.assumed, n.Op)
	return &spread{q: 1}, nil
}

// axisOf is the attribute axis counted from the front, or -1 where the rank that this takes is unknown.
func axisOf(n *ir.Node, s spread) int {
	a := n.Attrs.Int("axis", -1)
	if a < 0 && s.dims != nil {
		a += len(s.dims)
	}
	return a
}

// unknown counts an axis from the front and gives the shape with that axis unknown.
func (s spread) unknown(axis int) (int, tensor.Shape) {
	if s.dims == nil {
		return axis, nil
	}
	if axis < 0 {
		axis += len(s.dims)
	}
	d := s.dims.Clone()
	if axis >= 0 && axis < len(d) {
		d[axis] = -1
	}
	return axis, d
}

// broadcast is the shape of two broadcast together, nil where it is not known.
func broadcast(a, b []int) tensor.Shape {
	if a == nil || b == nil {
		return nil
	}
	if len(a) < len(b) {
		a, b = b, a
	}
	out := tensor.Shape(slices.Clone(a))
	for i, d := range b {
		o := &out[len(a)-len(b)+i]
		switch {
		case *o == 1:
			*o = d
		case *o < 0 && d > 1:
			*o = d
		}
	}
	return out
}

func flat(d tensor.Shape, axis int) tensor.Shape {
	if d == nil {
		return nil
	}
	if axis < 0 {
		axis += len(d)
	}
	return tensor.Shape{product(d[:axis]), product(d[axis:])}
}

// product is the number of elements, -1 where a size is unknown.
func product(d []int) int {
	n := 1
	for _, x := range d {
		if x < 0 {
			return -1
		}
		n *= x
	}
	return n
}

// constInts gives a constant vector of integers, nil where v is none.
func constInts(v *ir.Value) []int {
	if v == nil || v.Kind != ir.Const || v.Data == nil {
		return nil
	}
	k, err := v.Data.Ints()
	if err != nil {
		return nil
	}
	return k
}

func (t *tracker) broadcast(n *ir.Node, in []int) (*spread, error) {
	s := t.at[n.Inputs[in[0]]]
	out, shape := s, s.dims
	for i, v := range n.Inputs {
		if v != nil && i != in[0] && n.Op != "PRelu" {
			shape = broadcast(shape, t.dims(v))
		}
	}
	if shape != nil && s.dims != nil {
		out.axis += len(shape) - len(s.dims)
	}
	out.dims = shape
	for _, i := range in[1:] {
		o := t.at[n.Inputs[i]]
		axis := o.axis
		if shape != nil && o.dims != nil {
			axis += len(shape) - len(o.dims)
		}
		if axis != out.axis || o.q != out.q {
			return nil, fmt.Errorf("two inputs hold the batch along different axes")
		}
	}
	return &out, nil
}

func (t *tracker) matmul(n *ir.Node, in []int) (*spread, error) {
	a, b := t.dims(n.In(0)), t.dims(n.In(1))
	s := t.at[n.Inputs[in[0]]]
	if a == nil || b == nil {
		if in[0] == 0 && s.axis == 0 && s.q == 1 && (len(in) == 1 || t.at[n.Inputs[1]].axis == 0) {
			return &spread{q: 1}, nil
		}
		return nil, fmt.Errorf("its shapes are not known")
	}
	if len(a) < 2 || len(b) < 2 {
		return nil, fmt.Errorf("the batch meets a vector")
	}
	lead := broadcast(a[:len(a)-2], b[:len(b)-2])
	shape := append(lead.Clone(), a[len(a)-2], b[len(b)-1])
	out := &spread{axis: -1, dims: shape}
	for _, i := range in {
		s, d := t.at[n.Inputs[i]], []tensor.Shape{a, b}[i]
		axis := s.axis + len(shape) - len(d)
		inner := i == 0 && s.axis == len(d)-1 || i == 1 && s.axis == len(d)-2
		if inner || out.axis >= 0 && (axis != out.axis || s.q != out.q) {
			return nil, fmt.Errorf("works across the examples of a batch")
		}
		out.axis, out.q = axis, s.q
	}
	return out, nil
}

func (t *tracker) reduce(n *ir.Node, s spread) (*spread, error) {
	keep := n.Attrs.Int("keepdims", 1) != 0
	axes := n.Attrs.Ints("axes")
	if n.Op == "ArgMax" || n.Op == "ArgMin" {
		axes = []int{n.Attrs.Int("axis", 0)}
	} else if axes == nil {
		axes = constInts(n.In(1))
	}
	if len(axes) == 0 {
		if n.Attrs.Bool("noop_with_empty_axes") && n.In(1) == nil {
			return &s, nil
		}
		return nil, fmt.Errorf("reduces the batch")
	}
	return s.drop(axes, keep)
}

// drop removes axes, or makes them 1 where they are kept.
func (s spread) drop(axes []int, keep bool) (*spread, error) {
	gone := map[int]bool{}
	for _, a := range axes {
		if a < 0 {
			if s.dims == nil && s.axis == 0 {
				continue // behind the batch, if not the batch itself in a vector
			}
			a += len(s.dims)
		}
		gone[a] = true
	}
	if gone[s.axis] {
		return nil, fmt.Errorf("removes or reduces the batch")
	}
	out := &spread{q: s.q, axis: s.axis}
	for i := range s.axis {
		if gone[i] && !keep {
			out.axis--
		}
	}
	if s.dims != nil {
		out.dims = tensor.Shape{}
		for i, d := range s.dims {
			if !gone[i] {
				out.dims = append(out.dims, d)
			} else if keep {
				out.dims = append(out.dims, 1)
			}
		}
	}
	return out, nil
}

func transpose(n *ir.Node, s spread) (*spread, error) {
	perm := n.Attrs.Ints("perm")
	if perm == nil {
		if s.dims == nil {
			return nil, fmt.Errorf("its shape is not known")
		}
		for i := range s.dims {
			perm = append(perm, len(s.dims)-1-i)
		}
	}
	out := &spread{axis: slices.Index(perm, s.axis), q: s.q}
	if out.axis < 0 || s.dims != nil && len(perm) != len(s.dims) {
		return nil, fmt.Errorf("perm %v does not fit", perm)
	}
	out.dims = slices.Repeat(tensor.Shape{-1}, len(perm))
	for i, p := range perm {
		if s.dims != nil {
			if p < 0 || p >= len(s.dims) {
				return nil, fmt.Errorf("perm %v does not fit", perm)
			}
			out.dims[i] = s.dims[p]
		} else if p == s.axis {
			out.dims[i] = 1 // of unknown shape only pure batches are followed
		}
	}
	return out, nil
}

func squeeze(n *ir.Node, s spread) (*spread, error) {
	axes := n.Attrs.Ints("axes")
	if axes == nil {
		axes = constInts(n.In(1))
	}
	if axes == nil {
		return nil, fmt.Errorf("its axes are not known")
	}
	if n.Op == "Squeeze" {
		return s.drop(axes, false)
	}
	out := spread{q: s.q, axis: s.axis}
	if s.dims == nil {
		for _, a := range axes {
			if a <= s.axis {
				return nil, fmt.Errorf("its shape is not known")
			}
		}
		return &out, nil
	}
	rank := len(s.dims) + len(axes)
	added := map[int]bool{}
	for _, a := range axes {
		if a < 0 {
			a += rank
		}
		added[a] = true
	}
	next := 0
	for i := range rank {
		if added[i] {
			out.dims = append(out.dims, 1)
			continue
		}
		if next == len(s.dims) {
			return nil, fmt.Errorf("axes %v do not fit", axes)
		}
		if next == s.axis {
			out.axis = i
		}
		out.dims = append(out.dims, s.dims[next])
		next++
	}
	return &out, nil
}

func slice(n *ir.Node, s spread) (*spread, error) {
	axes, starts, ends := n.Attrs.Ints("axes"), n.Attrs.Ints("starts"), n.Attrs.Ints("ends")
	if starts == nil {
		axes, starts, ends = constInts(n.In(3)), constInts(n.In(1)), constInts(n.In(2))
	}
	if axes == nil && n.In(3) == nil {
		for i := range starts {
			axes = append(axes, i)
		}
	}
	if axes == nil {
		return nil, fmt.Errorf("its axes are not known")
	}
	out := s
	for i, a := range axes {
		a, out.dims = out.unknown(a)
		if a == s.axis && !(i < len(starts) && i < len(ends) && starts[i] == 0 && ends[i] > 1<<30) {
			return nil, fmt.Errorf("takes a part of the batch")
		}
		if a == s.axis && out.dims != nil {
			out.dims[a] = s.dims[a]
		}
	}
	return &out, nil
}

func (t *tracker) gather(n *ir.Node, in []int) (*spread, error) {
	axis := n.Attrs.Int("axis", 0)
	data, index := t.dims(n.In(0)), t.dims(n.In(1))
	if len(in) > 1 {
		return nil, fmt.Errorf("its data and its indices hold the batch")
	}
	s := t.at[n.Inputs[in[0]]]
	if in[0] == 1 { // an embedding
		if axis < 0 {
			return nil, fmt.Errorf("its axis is counted from the back")
		}
		out := &spread{axis: s.axis + axis, q: s.q}
		if data != nil && index != nil && axis < len(data) {
			out.dims = slices.Concat(data[:axis], index, data[axis+1:])
		}
		return out, nil
	}
	if axis < 0 {
		if data == nil {
			return nil, fmt.Errorf("its axis is counted from the back")
		}
		axis += len(data)
	}
	if axis == s.axis {
		return nil, fmt.Errorf("takes a part of the batch")
	}
	out := &spread{axis: s.axis, q: s.q}
	if index == nil {
		if axis > s.axis {
			return out, nil
		}
		return nil, fmt.Errorf("its shape is not known")
	}
	if axis < s.axis {
		out.axis += len(index) - 1
	}
	if data != nil {
		out.dims = slices.Concat(data[:axis], index, data[axis+1:])
	}
	return out, nil
}

func (t *tracker) concat(n *ir.Node, in []int) (*spread, error) {
	like := n.Inputs[in[0]]
	s := t.at[like]
	axis := n.Attrs.Int("axis", 0)
	rank := -1
	for _, v := range n.Inputs {
		rank = max(rank, t.rank(v))
	}
	if axis < 0 {
		if rank < 0 && s.axis > 0 {
			return nil, fmt.Errorf("its axis is counted from the back")
		}
		axis = max(axis+rank, -1) // -1: behind the batch, nobody knows where
	}
	if axis == s.axis {
		return nil, fmt.Errorf("puts examples behind each other")
	}
	out := &spread{axis: s.axis, q: s.q}
	sum := 0
	for i, v := range n.Inputs {
		d := t.dims(v)
		if d == nil || axis < 0 || axis >= len(d) || d[axis] < 0 || sum < 0 {
			sum = -1
		} else {
			sum += d[axis]
		}
		o, ok := t.at[v]
		if !ok {
			if !s.pure() || rank < 0 || v == nil {
				return nil, fmt.Errorf("input %d is the same for all examples", i)
			}
			t.repeats = append(t.repeats, &repeat{n, i, s.axis, rank, like})
			continue
		}
		if o.axis != s.axis || o.q != s.q {
			return nil, fmt.Errorf("two inputs hold the batch along different axes")
		}
		if out.dims == nil && o.dims != nil {
			out.dims = o.dims.Clone()
		}
	}
	if out.dims != nil {
		if axis < 0 || axis >= len(out.dims) {
			return nil, fmt.Errorf("axis %d does not fit", axis)
		}
		out.dims[axis] = sum
	}
	return out, nil
}

// reshape finds the axis of the target that holds the batch: where as many elements lie before it as
// lie before the batch now. An axis of size 1 there is the batch; else it was multiplied into an axis
// beside, and since the last axis is as a rule the features of one example, not into that one.
func (t *tracker) reshape(n *ir.Node, s spread) (*spread, error) {
	target := constInts(n.In(1))
	if target == nil {
		if n.Attrs.Ints("shape") != nil {
			return nil, fmt.Errorf("its target is an attribute")
		}
		if s.axis == 0 && s.q == 1 && fromShape(n.In(1)) {
			return &spread{q: 1}, nil
		}
		return nil, fmt.Errorf("its target is not constant")
	}
	if len(target) == 0 {
		return nil, fmt.Errorf("reshapes to a scalar")
	}
	before, ok := s.before()
	if !ok {
		return nil, fmt.Errorf("its shape is not known")
	}
	zero := n.Attrs.Bool("allowzero")
	dims := tensor.Shape(slices.Clone(target))
	infer := slices.Index(target, -1)
	for i, d := range target {
		if d == 0 && !zero {
			dims[i] = -1
			if i < len(s.dims) {
				dims[i] = s.dims[i]
			} else if i == s.axis && s.pure() {
				dims[i] = 1
			}
		}
	}
	if infer >= 0 && s.dims != nil {
		rest := product(slices.Delete(slices.Clone(dims), infer, infer+1))
		if total := product(s.dims); total >= 0 && rest > 0 {
			dims[infer] = total / rest
		}
	}
	axis, p := 0, 1
	for ; p < before && axis < len(dims)-1; axis++ {
		if dims[axis] < 0 {
			return nil, fmt.Errorf("its shape is not known")
		}
		if p*dims[axis] > before {
			break
		}
		p *= dims[axis]
	}
	if last := len(dims) - 1; p == before && axis == last && last > 0 && dims[last] != 1 {
		axis--
		p /= max(1, dims[axis])
	}
	q := before / max(1, p)
	out := &spread{axis: axis, q: q, dims: dims}
	switch {
	case target[axis] == -1, target[axis] == 0 && !zero && axis == s.axis:
		return out, nil
	case infer < 0, axis == s.axis && out.pure() && s.pure() && !zero:
	case dims[infer] > 0:
	default:
		return nil, fmt.Errorf("its target %v leaves no axis to infer", target)
	}
	edit := make([]int64, len(target))
	for i, d := range target {
		edit[i] = int64(d)
	}
	if axis == s.axis && out.pure() && s.pure() && !zero {
		edit[axis] = 0
	} else {
		if infer >= 0 {
			edit[infer] = int64(dims[infer])
		}
		edit[axis] = -1
	}
	t.edits[n] = edit
	return out, nil
}

// recurrent follows the batch through a recurrent layer: X is [sequence, batch, features], Y
// [sequence, directions, batch, hidden], the states [directions, batch, hidden]. Constant initial states
// are repeated for each example.
func (t *tracker) recurrent(n *ir.Node, in []int) error {
	s := t.at[n.Inputs[in[0]]]
	switch {
	case n.Attrs.Bool("layout"):
		return fmt.Errorf("a batch in front is not followed here")
	case in[0] != 0 || s.axis != 1 || !s.pure():
		return fmt.Errorf("its input does not hold the batch along axis 1")
	case n.In(4) != nil:
		return fmt.Errorf("its lengths of sequences are fixed")
	}
	for i := 5; i < min(7, len(n.Inputs)); i++ {
		if v := n.Inputs[i]; v != nil && !slices.Contains(in, i) {
			t.repeats = append(t.repeats, &repeat{n, i, 1, 3, n.Inputs[0]})
		}
	}
	for i, v := range n.Outputs {
		if v == nil {
			continue
		}
		dims := tensor.Shape{1, 1, n.Attrs.Int("hidden_size", -1)}
		if n.Attrs.Str("direction", "forward") == "bidirectional" {
			dims[0] = 2
		}
		if i > 0 {
			t.at[v] = spread{axis: 1, q: 1, dims: dims}
			continue
		}
		seq := -1
		if s.dims != nil {
			seq = s.dims[0]
		}
		t.at[v] = spread{axis: 2, q: 1, dims: append(tensor.Shape{seq}, dims...)}
	}
	return nil
}

// fromShape reports whether a Reshape target that is not constant follows the batch: not where it is put
// together from parts of which the first is a constant size.
func fromShape(v *ir.Value) bool {
	if v == nil || v.Node == nil || v.Node.Op != "Concat" {
		return true
	}
	first := constInts(v.Node.In(0))
	return len(first) == 0 || first[0] <= 0
}
