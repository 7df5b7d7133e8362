package dynamicbatch

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// spread says where the batch is in a value: on axis, whose size is q*B*r for a batch of B.
type spread struct {
	axis int
	q    int // elements of the axis that come before the batch in memory
	// the shape at a batch of 1, -1 for unknown sizes; nil if even the rank is unknown
	dims tensor.Shape
}

// pure reports whether the axis is only the batch.
func (s spread) pure() bool { return s.q == 1 && (s.dims == nil || s.dims[s.axis] == 1) }

// before returns the number of elements that come before the batch in memory. It is unknown after
// an axis of unknown size.
func (s spread) before() (int, bool) {
	p := s.q
	for i := range s.axis {
		if s.dims == nil || s.dims[i] < 0 {
			return 0, false
		}
		p *= s.dims[i]
	}
	return p, true
}

// tracker follows the batch from the inputs of a model to its outputs.
type tracker struct {
	m       *onnx.Model
	at      map[*ir.Value]spread       // the values that hold a batch
	known   map[*ir.Value]tensor.Shape // shapes of other values, if simple to derive
	seen    map[*ir.Value]*ir.Value    // the values at a batch of 1, if known
	sizes   map[*ir.Value][]bool       // which of their elements follow the batch
	edits   map[*ir.Node][]int64       // new targets of Reshape nodes
	repeats []*repeat
	assumed []string // operators whose effect is unknown
}

// repeat says that a constant, input index of a node, must be repeated along axis, once for each
// example in the batch of like.
type repeat struct {
	node              *ir.Node
	index, axis, rank int
	like              *ir.Value
}

// rank returns the number of axes of a value, -1 if unknown.
func (t *tracker) rank(v *ir.Value) int {
	if d := t.dims(v); d != nil {
		return len(d)
	}
	return -1
}

// dims returns the shape of a value at a batch of 1, nil if nothing is known.
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
	if d := t.known[v]; d != nil || t.seen[v] == nil {
		return d
	}
	return t.seen[v].Type.Shape
}

// ints returns a vector of integers determined by constants and the shapes at a batch of 1, nil if
// v is not one.
func (t *tracker) ints(v *ir.Value) []int {
	if k := constInts(v); k != nil || t.seen[v] == nil {
		return k
	}
	return constInts(t.seen[v])
}

// follows says which elements of a vector of sizes are computed from the batch size. It returns nil
// if v does not hold sizes with known values at a batch of 1.
func (t *tracker) follows(v *ir.Value) []bool {
	k := t.ints(v)
	if k == nil {
		return nil
	}
	if f, ok := t.sizes[v]; ok {
		return f
	}
	f := make([]bool, len(k))
	t.sizes[v] = f
	if v.Kind != ir.Result {
		return f
	}
	n := v.Node
	if s, ok := t.at[n.In(0)]; ok {
		for i := range f { // Shape names its axes, Size and others use all of them
			f[i] = n.Op != "Shape" || i+n.Attrs.Int("start", 0) == s.axis
		}
		return f
	}
	in := t.follows(n.In(0))
	switch pick := t.ints(n.In(1)); {
	case n.Op == "Gather" && len(pick) == len(f):
		for i, p := range pick {
			if p < 0 {
				p += len(in)
			}
			f[i] = p < 0 || p >= len(in) || in[p]
		}
		return f
	case n.Op == "Concat":
		var all []bool
		for _, v := range n.Inputs {
			all = append(all, t.follows(v)...)
		}
		if len(all) == len(f) {
			copy(f, all)
			return f
		}
	case n.Op == "Slice" && len(pick) == 1 && pick[0] >= 0 && pick[0]+len(f) <= len(in) && len(t.ints(n.In(4))) < 2 && (t.ints(n.In(4)) == nil || t.ints(n.In(4))[0] == 1):
		copy(f, in[pick[0]:])
		return f
	}
	// Element by element if the sizes agree. Otherwise any element of one input may affect any of
	// the result.
	for _, v := range n.Inputs {
		in := t.follows(v)
		for i := range f {
			f[i] = f[i] || v != nil && in == nil || len(in) == len(f) && in[i] || len(in) != len(f) && slices.Contains(in, true)
		}
	}
	return f
}
