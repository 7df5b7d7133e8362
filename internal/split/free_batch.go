package split

import (
	"context"
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/random"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// checkBatch verifies that a freed batch keeps examples apart: two examples together must give the
// same results as one by one.
func (b *Base) checkBatch() error {
	if b.OneByOne != nil { // they are apart by the way in which they are run
		return nil
	}
	form := b.Feed.Form()
	run := func(xs []*tensor.Tensor) ([]*tensor.Tensor, error) {
		shapes := map[string]tensor.Shape{}
		for i, in := range form.Inputs {
			shapes[in.Name] = xs[i].Shape
		}
		p, err := compile.Inference(b.Model.Graph, shapes, compile.Memory{})
		if err != nil {
			return nil, err
		}
		return p.Run(context.Background(), xs...)
	}
	var xs []*tensor.Tensor
	for i, in := range form.Inputs {
		x := tensor.New(in.DType, form.Shape(in, 2, form.Bucket(1))...)
		if t, ok := b.Feed.(*feed.Texts); ok && t.Role(i) != feed.TokenIDs {
			fillTokens(x, t.Role(i))
		} else {
			fillAtRandom(x)
		}
		xs = append(xs, x)
	}
	both, err := run(xs)
	if err != nil {
		return fmt.Errorf("the model's batch is fixed at 1 and does not run with 2: %w", err)
	}
	for k := range 2 {
		var alone []*tensor.Tensor
		for _, x := range xs {
			part := len(x.Bytes) / 2
			alone = append(alone, &tensor.Tensor{DType: x.DType, Shape: append(tensor.Shape{x.Shape[0] / 2}, x.Shape[1:]...), Bytes: x.Bytes[k*part : (k+1)*part]})
		}
		one, err := run(alone)
		if err != nil {
			return err
		}
		for i, v := range one {
			size := len(v.Bytes)
			if len(both[i].Bytes) != 2*size {
				return fmt.Errorf("the model's batch is fixed at 1: output %q mixes examples, so it cannot be made free", b.Model.Graph.Outputs[i].Name)
			}
			half := &tensor.Tensor{DType: v.DType, Shape: v.Shape, Bytes: both[i].Bytes[k*size : (k+1)*size]}
			if err := tensor.Close(half, v, tensor.Tolerance{Name: "freed batch", Rel: 1e-3, Abs: 1e-4}); err != nil {
				return fmt.Errorf("the model's batch is fixed at 1 and examples do not stay apart when it is made free: output %q: %w", b.Model.Graph.Outputs[i].Name, err)
			}
		}
	}
	return nil
}

// fillTokens fills an input beside the tokens of texts: no padding, one part.
func fillTokens(x *tensor.Tensor, r feed.Role) {
	for i := range x.Len() {
		switch {
		case r != feed.TokenMask: // the first part, the first place
		case x.DType == tensor.Int64:
			x.I64()[i] = 1
		case x.DType == tensor.Int32:
			tensor.Data[int32](x)[i] = 1
		}
	}
}

// fillAtRandom fills an input with numbers from 0 to 1, bytes, or tokens 0 and 1.
func fillAtRandom(x *tensor.Tensor) {
	r := random.For(0, random.Init, 0)
	for i := range x.Len() {
		v := r.Float32()
		switch x.DType {
		case tensor.Float32:
			x.F32()[i] = v
		case tensor.Float64:
			tensor.Data[float64](x)[i] = float64(v)
		case tensor.Float16:
			tensor.Data[uint16](x)[i] = tensor.Float32ToFloat16(v)
		case tensor.BFloat16:
			tensor.Data[uint16](x)[i] = tensor.Float32ToBFloat16(v)
		case tensor.Uint8:
			x.Bytes[i] = uint8(256 * v)
		case tensor.Int64:
			x.I64()[i] = int64(2 * v)
		case tensor.Int32:
			tensor.Data[int32](x)[i] = int32(2 * v)
		}
	}
}
