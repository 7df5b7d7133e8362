package op

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Col2Im(x [N,C*k1*..*kd,L]) -> [N,C,image...] adds up L blocks of size block_shape at the
// positions where a window takes them from an image of size image_shape. The sizes are attributes,
// with dilations, pads and strides as for Conv. Im2Col takes the blocks from the image and is its
// gradient.
func init() {
	attrs := ir.Attrs{"image_shape": []int{4, 5}, "block_shape": []int{2, 3}, "strides": []int{2, 1}, "pads": []int{0, 1, 0, 1}}
	register(ir.Def{
		Name: "Col2Im",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 1, 1); err != nil {
				return nil, err
			}
			w, err := blocksOf(n.Attrs)
			if err != nil {
				return nil, err
			}
			x := n.In(0).Type
			k := w.block.Len()
			if len(x.Shape) != 3 || x.Shape[1]%k != 0 || x.Shape[2] != w.count.Len() {
				return nil, fmt.Errorf("%v does not hold %v blocks of %v", x, w.count, w.block)
			}
			return []ir.Type{{DType: x.DType, Shape: append(tensor.Shape{x.Shape[0], x.Shape[1] / k}, w.image...)}}, nil
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			return []*ir.Value{b.Op("Im2Col", n.Attrs, dy[0])}
		},
		Bind: func(n *ir.Node) (ir.Bound, error) { return bindBlocks(n, n.Outputs[0].Type, true) },
		ONNX: []ir.Form{{Op: "Col2Im", Since: 18, Lower: func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
			if err := inputs(n, 3, 3); err != nil {
				return nil, err
			}
			image, err := constInts(n, 1, "the shape of the image")
			if err != nil {
				return nil, err
			}
			block, err := constInts(n, 2, "the shape of a block")
			if err != nil {
				return nil, err
			}
			return b.Ops("Col2Im", n.Attrs.With("image_shape", image).With("block_shape", block), n.In(0)), b.Err()
		}}},
		Cases: func() []ir.Case { return []ir.Case{{Attrs: attrs, Inputs: []*tensor.Tensor{random(2, 18, 10)}}} },
	})
	register(ir.Def{
		Name: "Im2Col",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 1, 1); err != nil {
				return nil, err
			}
			w, err := blocksOf(n.Attrs)
			if err != nil {
				return nil, err
			}
			x := n.In(0).Type
			if len(x.Shape) != len(w.image)+2 || !x.Shape[2:].Equal(w.image) {
				return nil, fmt.Errorf("%v is no image of %v", x, w.image)
			}
			return []ir.Type{{DType: x.DType, Shape: tensor.Shape{x.Shape[0], x.Shape[1] * w.block.Len(), w.count.Len()}}}, nil
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			return []*ir.Value{b.Op("Col2Im", n.Attrs, dy[0])}
		},
		Bind:  func(n *ir.Node) (ir.Bound, error) { return bindBlocks(n, n.In(0).Type, false) },
		Cases: func() []ir.Case { return []ir.Case{{Attrs: attrs, Inputs: []*tensor.Tensor{random(2, 3, 4, 5)}}} },
	})
}

// blocks says how a window moves over an image.
type blocks struct {
	image, block, count        tensor.Shape
	strides, dilations, before []int
}

func blocksOf(a ir.Attrs) (blocks, error) {
	w := blocks{image: a.Ints("image_shape"), block: a.Ints("block_shape")}
	k := len(w.image)
	list := func(name string, size, def int) []int {
		if v := a.Ints(name); len(v) == size {
			return v
		}
		v := make([]int, size)
		for i := range v {
			v[i] = def
		}
		return v
	}
	pads := list("pads", 2*k, 0)
	w.strides, w.dilations, w.before = list("strides", k, 1), list("dilations", k, 1), pads[:k]
	if k == 0 || len(w.block) != k {
		return w, fmt.Errorf("blocks of %v in an image of %v", w.block, w.image)
	}
	for i, d := range w.image {
		free := d + pads[i] + pads[k+i] - w.dilations[i]*(w.block[i]-1) - 1
		if d < 1 || w.block[i] < 1 || w.strides[i] < 1 || w.dilations[i] < 1 || free < 0 {
			return w, fmt.Errorf("blocks of %v in an image of %v", w.block, w.image)
		}
		w.count = append(w.count, free/w.strides[i]+1)
	}
	return w, nil
}

// each calls f for every element of every block that is inside the image: tap within the block,
// block, element of the image.
func (w blocks) each(f func(tap, block, at int)) {
	st := w.image.Strides()
	tap := make([]int, len(w.block))
	for t := range w.block.Len() {
		pos := make([]int, len(w.count))
		for l := range w.count.Len() {
			at := 0
			for d := range pos {
				i := pos[d]*w.strides[d] - w.before[d] + tap[d]*w.dilations[d]
				if i < 0 || i >= w.image[d] {
					at = -1
					break
				}
				at += i * st[d]
			}
			if at >= 0 {
				f(t, l, at)
			}
			next(pos, w.count)
		}
		next(tap, w.block)
	}
}

func bindBlocks(n *ir.Node, image ir.Type, add bool) (ir.Bound, error) {
	w, err := blocksOf(n.Attrs)
	if err != nil {
		return ir.Bound{}, err
	}
	planes := image.Shape[:2].Len()
	run, err := forFloat(image.DType, moveBlocks[float32](w, planes, add), moveBlocks[float64](w, planes, add))
	return ir.Bound{Run: run}, err
}

func moveBlocks[T float](w blocks, planes int, add bool) runFunc {
	size, k, l := w.image.Len(), w.block.Len(), w.count.Len()
	return func(in, out []*tensor.Tensor, _ []byte) error {
		x, y := floatData[T](in[0]), floatData[T](out[0])
		clear(y)
		for p := range planes {
			if add {
				image, cols := y[p*size:], x[p*k*l:]
				w.each(func(tap, block, at int) { image[at] += cols[tap*l+block] })
			} else {
				image, cols := x[p*size:], y[p*k*l:]
				w.each(func(tap, block, at int) { cols[tap*l+block] = image[at] })
			}
		}
		return nil
	}
}
