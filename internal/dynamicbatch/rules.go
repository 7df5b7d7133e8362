package dynamicbatch

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

func (t *tracker) reduce(n *ir.Node, s spread) (*spread, error) {
	keep := n.Attrs.Int("keepdims", 1) != 0
	axes := n.Attrs.Ints("axes")
	if n.Op == "ArgMax" || n.Op == "ArgMin" {
		axes = []int{n.Attrs.Int("axis", 0)}
	} else if axes == nil {
		axes = t.ints(n.In(1))
	}
	if len(axes) == 0 {
		if n.Attrs.Bool("noop_with_empty_axes") && n.In(1) == nil {
			return &s, nil
		}
		return nil, fmt.Errorf("reduces the batch")
	}
	return s.drop(axes, keep)
}

// drop removes axes, or makes them 1 if they are kept.
func (s spread) drop(axes []int, keep bool) (*spread, error) {
	gone := map[int]bool{}
	for _, a := range axes {
		if a < 0 {
			if s.dims == nil && s.axis == 0 {
				continue // after the batch, unless it is the batch itself, in a vector
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
			out.dims[i] = 1 // if the shape is unknown, only pure batches are followed
		}
	}
	return out, nil
}

func (t *tracker) squeeze(n *ir.Node, s spread) (*spread, error) {
	axes := n.Attrs.Ints("axes")
	if axes == nil {
		axes = t.ints(n.In(1))
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

func (t *tracker) slice(n *ir.Node, s spread) (*spread, error) {
	axes, starts, ends := n.Attrs.Ints("axes"), n.Attrs.Ints("starts"), n.Attrs.Ints("ends")
	if starts == nil {
		axes, starts, ends = t.ints(n.In(3)), t.ints(n.In(1)), t.ints(n.In(2))
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
		axis = max(axis+rank, -1) // -1: somewhere after the batch
	}
	if axis == s.axis {
		return nil, fmt.Errorf("concatenates examples")
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

// reshape finds the axis of the target that holds the batch: the one that has as many elements
// before it as the batch has in the input. If that axis has size 1, it is the batch. Otherwise the
// batch was multiplied into a neighbouring axis, but not into the last one, which usually holds the
// features of one example.
func (t *tracker) reshape(n *ir.Node, s spread) (*spread, error) {
	target := constInts(n.In(1))
	if target == nil {
		if n.Attrs.Ints("shape") != nil {
			return nil, fmt.Errorf("its target is an attribute")
		}
		sizes := t.follows(n.In(1))
		if s.axis == 0 && s.q == 1 && (sizes == nil && fromShape(n.In(1)) || len(sizes) > 0 && sizes[0]) {
			return &spread{q: 1}, nil
		}
		if target = t.ints(n.In(1)); target == nil {
			return nil, fmt.Errorf("its target is not constant")
		}
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

// recurrent follows the batch through a recurrent layer. X is [sequence, batch, features], Y is
// [sequence, directions, batch, hidden], and the states are [directions, batch, hidden]. Constant
// initial states are repeated for each example.
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

// fromShape reports whether a Reshape target that is not constant follows the batch. It does not if
// it is concatenated from parts and the first is a constant size.
func fromShape(v *ir.Value) bool {
	if v == nil || v.Node == nil || v.Node.Op != "Concat" {
		return true
	}
	first := constInts(v.Node.In(0))
	return len(first) == 0 || first[0] <= 0
}
