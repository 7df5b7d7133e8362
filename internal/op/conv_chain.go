package op

import (
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// ConvChain(x, residual, w0, bias0, w1, bias1, ...) is a sequence of Convs, each applied to the
// previous result. The optional residual belongs to the last one. Attribute links is their number;
// the attributes of link i end in "." and i, such as strides.1. Its result has the same bits as its
// links, but each image is computed a few rows at a time (see kernel.ConvChain). With attribute
// mean, a second output is the mean of the first over the spatial axes, which become 1, as in
// GlobalAveragePool.
//
// A compiler pass makes it (see FuseChain). It has no gradient.
func init() {
	register(ir.Def{
		Name:  "ConvChain",
		Attrs: map[string]ir.AttrType{"mean": ir.AttrInt},
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			links, err := chainLinks(n)
			if err != nil {
				return nil, err
			}
			y := links[len(links)-1].Outputs[0].Type
			if !n.Attrs.Bool("mean") {
				return []ir.Type{y}, nil
			}
			m, err := imageOf(n, y.Shape)
			for i := range m.spatial {
				m.spatial[i] = 1
			}
			return []ir.Type{y, {DType: y.DType, Shape: m.shape()}}, err
		},
		Bind: bindChain,
		Cost: func(n *ir.Node) ir.Cost {
			c := ir.Cost{Bytes: bytesMoved(n)}
			links, _ := chainLinks(n)
			for _, l := range links {
				c.FLOPs += convCost(l).FLOPs
			}
			return c
		},
		Cases: convChainCases,
	})
}

// chainLinks returns the convolutions of a chain as separate nodes. It errors if one does not fit.
func chainLinks(n *ir.Node) ([]*ir.Node, error) {
	count := n.Attrs.Int("links", 0)
	if count < 1 || len(n.Inputs) != 2+2*count {
		return nil, errorf("%d links need %d inputs, has %d", count, 2+2*count, len(n.Inputs))
	}
	var links []*ir.Node
	x := n.In(0)
	for i := range count {
		l := &ir.Node{Name: n.Name, Op: "Conv", Attrs: layoutAttr(n.Attrs), Inputs: []*ir.Value{x, n.In(2 + 2*i), n.In(3 + 2*i)}}
		for name, v := range n.Attrs {
			if name, ok := strings.CutSuffix(name, fmt.Sprint(".", i)); ok {
				l.Attrs[name] = v
			}
		}
		if i == count-1 {
			l.Inputs = append(l.Inputs, n.In(1))
		}
		c, err := convOf(l)
		if err != nil {
			return nil, errorf("link %d: %w", i, err)
		}
		x = &ir.Value{Type: ir.Type{DType: c.dtype, Shape: c.y.shape()}}
		l.Outputs = []*ir.Value{x}
		links = append(links, l)
	}
	return links, nil
}

// FuseChain makes one ConvChain of convolutions that each read the previous one. It returns nil if
// that is impossible or not faster.
func FuseChain(links ...*ir.Node) *ir.Node {
	if shapes, ok := chainShapes(links); !ok || !kernel.ChainPays(shapes...) {
		return nil
	}
	return chainOf(links)
}

// FuseMean turns n, a ConvChain or a Conv, into a ConvChain that also outputs the mean over the
// spatial axes. It returns nil if that is impossible.
func FuseMean(n *ir.Node) *ir.Node {
	if n.Op == "Conv" {
		if _, ok := chainShapes([]*ir.Node{n}); !ok {
			return nil
		}
		n = chainOf([]*ir.Node{n})
	}
	if n.Op != "ConvChain" || n.Attrs.Bool("mean") {
		return nil
	}
	return &ir.Node{Name: n.Name, Op: n.Op, Inputs: n.Inputs, Attrs: n.Attrs.With("mean", 1)}
}

func chainOf(links []*ir.Node) *ir.Node {
	first, last := links[0], links[len(links)-1]
	n := &ir.Node{Name: last.Name, Op: "ConvChain", Inputs: []*ir.Value{first.In(0), last.In(3)},
		Attrs: layoutAttr(last.Attrs).With("links", len(links))}
	for i, l := range links {
		n.Inputs = append(n.Inputs, l.In(1), l.In(2))
		for name, v := range l.Attrs {
			if name != "layout" {
				n.Attrs[fmt.Sprint(name, ".", i)] = v
			}
		}
	}
	return n
}

// chainShapes returns the shapes of links if kernel.ConvChain can run them, else false.
func chainShapes(links []*ir.Node) ([]kernel.Conv2D, bool) {
	var shapes []kernel.Conv2D
	for i, l := range links {
		c, err := convOf(l)
		if err != nil || c.dtype != tensor.Float32 || !c.x.last || len(c.w.kernel) > 2 || c.x.n*c.x.c*c.y.c*c.x.size() == 0 {
			return nil, false
		}
		if i < len(links)-1 && l.In(3) != nil {
			return nil, false
		}
		v := c.conv2D()
		if v.Check() != nil {
			return nil, false
		}
		shapes = append(shapes, v)
	}
	return shapes, kernel.CanChain(shapes...)
}

func bindChain(n *ir.Node) (ir.Bound, error) {
	nodes, err := chainLinks(n)
	if err != nil {
		return ir.Bound{}, err
	}
	shapes, ok := chainShapes(nodes)
	if !ok {
		return bindLinks(n, nodes)
	}
	links := make([]kernel.ChainLink, len(nodes))
	var fixed []int
	for i, l := range nodes {
		links[i].Conv = shapes[i]
		if w := l.In(1); w.IsConst() {
			links[i].W = kernel.PackLink(shapes[i], w.Data.F32())
			fixed = append(fixed, 2+2*i)
		}
	}
	return ir.Bound{Packed: fixed, Run: func(in, out []*tensor.Tensor, _ []byte) error {
		now := make([]kernel.ChainLink, len(links))
		for i, l := range links {
			if l.W == nil {
				l.W = kernel.PackLink(l.Conv, in[2+2*i].F32())
			}
			var residual []float32
			if i == len(links)-1 {
				residual = f32(in[1])
			}
			l.Ep = epilogue(nodes[i].Attrs, f32(in[3+2*i]), residual)
			now[i] = l
		}
		kernel.ConvChain(now, in[0].F32(), out[0].F32(), f32(at(out, 1)))
		return nil
	}}, nil
}

// bindLinks runs the links one after the other, and the mean.
func bindLinks(n *ir.Node, links []*ir.Node) (ir.Bound, error) {
	nodes := links
	if n.Attrs.Bool("mean") {
		nodes = append(nodes, &ir.Node{Name: n.Name, Op: "GlobalAveragePool", Attrs: layoutAttr(n.Attrs), Inputs: links[len(links)-1].Outputs})
	}
	var all ir.Bound
	runs := make([]runFunc, len(nodes))
	for i, l := range nodes {
		b, err := ir.Lookup(l.Op).Bind(l)
		if err != nil {
			return ir.Bound{}, err
		}
		runs[i], all.Scratch = b.Run, max(all.Scratch, b.Scratch)
		all.Stateful = all.Stateful || b.Stateful
		if slices.Contains(b.Packed, 1) {
			all.Packed = append(all.Packed, 2+2*i)
		}
	}
	all.Run = func(in, out []*tensor.Tensor, scratch []byte) error {
		x := in[0]
		for i := range links {
			args, y := []*tensor.Tensor{x, in[2+2*i], in[3+2*i]}, out[0]
			if i < len(links)-1 {
				t := links[i].Outputs[0].Type
				y = tensor.New(t.DType, t.Shape...)
			} else {
				args = append(args, in[1])
			}
			if err := runs[i](args, []*tensor.Tensor{y}, scratch); err != nil {
				return err
			}
			x = y
		}
		if len(runs) > len(links) && at(out, 1) != nil {
			return runs[len(links)](out[:1], out[1:], scratch)
		}
		return nil
	}
	return all, nil
}

func convChainCases() []ir.Case {
	block := ir.Attrs{"links": 3, "group.1": 8, "pads.1": []int{1, 1, 1, 1}, "act.0": "clip", "act_min.0": float32(0), "act_max.0": float32(6), "act.1": "silu"}
	last := block.With("layout", "NHWC")
	weights := func(x, residual *tensor.Tensor) []*tensor.Tensor {
		return []*tensor.Tensor{x, residual, random(8, 3, 1, 1), random(8), random(8, 1, 3, 3), random(8), random(3, 8, 1, 1), nil}
	}
	constant := []int{1, 2, 3, 4, 5, 6}
	return []ir.Case{
		{Name: "inverted residual", Attrs: last, Inputs: weights(random(2, 6, 5, 3), random(2, 6, 5, 3)), Const: append([]int{0}, constant...)},
		{Name: "constant weights", Attrs: last, Inputs: weights(random(2, 6, 5, 3), nil), Const: append([]int{0}, constant[1:]...)},
		{Name: "mean", Attrs: last.With("mean", 1), Inputs: weights(random(2, 6, 5, 3), nil), Const: append([]int{0}, constant[1:]...)},
		{Name: "mean, channels first", Attrs: block.With("mean", 1), Inputs: weights(random(2, 3, 6, 5), nil), Const: append([]int{0}, constant[1:]...)},
		{Name: "channels first", Attrs: block, Inputs: weights(random(2, 3, 6, 5), nil), Const: append([]int{0}, constant[1:]...)},
		{Name: "varying weights", Attrs: last, Inputs: weights(random(1, 4, 4, 3), nil)},
	}
}
