package split

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Examples of several lengths train in batches that are padded to one of a few lengths
// (data.Form.Bucket). Each length has its own network (Network.At). An example's frozen values are
// computed in its own bucket, whatever batch it is in. They are cut to its true length and kept.
// When used they are padded with zeros. The padding is masked there, like padding in the model's
// attention and in the head's pooling.

// growth is, for each axis of an example's share of a value, the number of elements added per step.
// It is 0 for an axis of fixed size.
type growth []int

// Share is one example's part of a frontier value.
type Share struct {
	One    ir.Type // type for an example of length steps
	grow   growth  // nil: fixed size
	length int
}

// Shape returns the shape of the share for an example of the given length.
func (s Share) Shape(length int) tensor.Shape {
	if s.grow == nil {
		return s.One.Shape
	}
	out := s.One.Shape.Clone()
	for i, c := range s.grow {
		out[i] += c * (length - s.length)
	}
	return out
}

func (s Share) Bytes(length int) int { return s.Shape(length).Len() * s.One.DType.Size() }

// Recut copies the first n steps of an example's share from src, padded to from steps, to dst,
// padded with zeros to to steps.
func (s Share) Recut(dst []byte, to int, src []byte, from, n int) {
	if s.grow == nil {
		copy(dst, src)
		return
	}
	if to > n {
		clear(dst)
	}
	corner(dst, s.Shape(to), src, s.Shape(from), s.Shape(n), s.One.DType.Size())
}

// corner copies the elements whose index lies within part, in both tensors.
func corner(dst []byte, to tensor.Shape, src []byte, from, part tensor.Shape, size int) {
	last := len(part) // from this axis on, elements are contiguous in both tensors
	for last > 0 && to[last-1] == from[last-1] && from[last-1] == part[last-1] {
		last--
	}
	if last == 0 {
		copy(dst, src)
		return
	}
	if last == 1 {
		copy(dst[:part.Len()*size], src)
		return
	}
	d, f := to[1:].Len()*size, from[1:].Len()*size
	for i := range part[0] {
		corner(dst[i*d:(i+1)*d], to[1:], src[i*f:(i+1)*f], from[1:], part[1:], size)
	}
}

// otherLength is a second length at which the graph is built, to see which axes grow with length.
func (n *Network) otherLength() int {
	if l := n.Form.Bucket(n.Length + 1); l > n.Length {
		return l
	}
	return n.Length - max(1, n.Length/2)
}

// Shares returns the shares of the frontier values. For a network with several lengths it errors if
// a share does not grow in proportion to length.
func (n *Network) Shares() ([]Share, error) {
	root := n.rooted()
	types, names, err := root.FrontierTypes(1)
	if err != nil {
		return nil, err
	}
	out := make([]Share, len(types))
	for i, t := range types {
		out[i] = Share{One: t, length: root.Length}
	}
	if root.Form == nil {
		return out, nil
	}
	if root.grow == nil {
		other := root.otherLength()
		longer, _, err := root.At(other).FrontierTypes(1)
		if err != nil {
			return nil, err
		}
		for i, t := range types {
			g, ok := growthOf(t.Shape, root.Length, longer[i].Shape, other, root.Form.Exact)
			if !ok {
				return nil, fmt.Errorf("split: %q is %v for %d steps and %v for %d: it does not grow with them", names[i], t, root.Length, longer[i], other)
			}
			root.grow = append(root.grow, g)
		}
	}
	for i := range out {
		if slices.ContainsFunc(root.grow[i], func(c int) bool { return c != 0 }) {
			out[i].grow = root.grow[i]
		}
	}
	return out, nil
}

// growthOf compares shapes at la and lb steps. With exact, each step must add the same number of
// elements. Otherwise axes must grow in proportion to length, so that the part of each step is
// known.
func growthOf(a tensor.Shape, la int, b tensor.Shape, lb int, exact bool) (growth, bool) {
	if len(a) != len(b) {
		return nil, false
	}
	g := make(growth, len(a))
	for i, d := range a {
		if b[i] == d {
			continue
		}
		if g[i] = (b[i] - d) / (lb - la); b[i]-d != g[i]*(lb-la) || !exact && d != g[i]*la {
			return nil, false
		}
	}
	return g, true
}

// cutIn finds the root's frontier in the graph of another length.
func (n *Network) cutIn(g *ir.Graph) ([]int, error) {
	_, names, err := n.FrontierTypes(1)
	if err != nil {
		return nil, err
	}
	at := map[string]int{}
	for i, v := range values(g) {
		if v != nil {
			at[v.Name] = i
		}
	}
	out := make([]int, len(names))
	for i, name := range names {
		k, ok := at[name]
		if !ok {
			return nil, fmt.Errorf("split: the graph changes its structure with the length of examples: it has no %q", name)
		}
		out[i] = k
	}
	return out, nil
}

// fromInputs reports whether v is cheaper to compute from the graph's inputs than to keep, such as
// a mask or positions. With several lengths it is always computed, as no padding of the value
// itself would be right.
func fromInputs(g *ir.Graph, v *ir.Value) bool {
	work := int64(0)
	for m := range g.Ancestors(v) {
		work += m.FLOPs()
	}
	return work <= workPerByte*int64(v.Type.Bytes())
}

// averages reports whether an example's scores are the mean over its rows.
func (n *Network) averages() bool {
	return n.Form != nil && n.Form.Rows && n.Length > 1 && !n.Task.PerPosition()
}

// average turns the scores of g, which have one row per step, into one row per example if the
// network averages. It returns the inputs that this adds, see Batch.weights.
func (n *Network) average(g *ir.Graph, batch int) ([]*ir.Value, error) {
	if !n.averages() {
		return nil, nil
	}
	scores := g.Outputs[0]
	c := scores.Type.Shape[len(scores.Type.Shape)-1]
	w := g.AddInput(g.Unique("permafrost.weights"), ir.Type{DType: tensor.Float32, Shape: tensor.Shape{batch, 1, n.Length}})
	b := ir.NewBuilder(g, "average")
	rows := b.Op("Reshape", ir.Attrs{"shape": []int{batch, n.Length, c}}, scores)
	mean := b.Op("MatMul", nil, w, rows)
	g.Outputs[0] = b.Op("Reshape", ir.Attrs{"shape": []int{batch, c}}, mean)
	return []*ir.Value{w}, b.Err()
}
