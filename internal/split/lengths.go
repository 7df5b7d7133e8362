package split

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Examples of several lengths are trained in batches that are padded to one of a few
// (data.Form.Bucket), each with a network of its own (Network.At). What the frozen region makes of
// an example is computed in the example's own bucket, whatever batch it is in, cut to its true
// length, kept, and padded with zeros where it is used: padding is masked there, as the model's
// attention and the head's pooling mask it.

// growth is by how many elements each axis of an example's share of a value grows with every step;
// 0 for an axis that stays.
type growth []int

// Share is what one example has of a value at the frontier.
type Share struct {
	One    ir.Type // for an example of length steps
	grow   growth  // nil: it stays
	length int
}

// Shape is the share of an example of some length.
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

// Recut copies an example's share, of which n steps count, from src, padded to from steps, to dst,
// padded to to steps with zeros.
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

// corner copies the elements whose index lies in part in both tensors.
func corner(dst []byte, to tensor.Shape, src []byte, from, part tensor.Shape, size int) {
	last := len(part) // the axes from here on lie together in both
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

// otherLength is a second length at which the root's graph is built, to see what grows with it.
func (n *Network) otherLength() int {
	if l := n.Form.Bucket(n.Length + 1); l > n.Length {
		return l
	}
	return n.Length - max(1, n.Length/2)
}

// Shares are the frontier's values for one example. For a network of several lengths it errors
// where one does not grow in proportion to them.
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

// growthOf compares shapes for la and lb steps. Values that are padded must grow in proportion, so
// that what a step has can be told; exact ones by as much with every step.
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
		at[v.Name] = i
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

// fromInputs reports whether v is computed from the graph's inputs sooner than copied: a mask, or
// positions. Examples of several lengths have it computed, as no padding of the value itself would
// be right.
func fromInputs(g *ir.Graph, v *ir.Value) bool {
	work := int64(0)
	for m := range g.Ancestors(v) {
		work += m.FLOPs()
	}
	return work <= workPerByte*int64(v.Type.Bytes())
}

// averages reports whether an example's scores are the mean of those of its rows.
func (n *Network) averages() bool {
	return n.Form != nil && n.Form.Rows && n.Length > 1 && !n.Task.PerPosition()
}

// average makes the scores of g, one row a step, those of examples, where the network averages. It
// returns the inputs that this adds, see encoded.weights.
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
