package split

import (
	"context"
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/data"
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
	input := form.Inputs[0]
	run := func(x *tensor.Tensor) ([]*tensor.Tensor, error) {
		p, err := compile.Inference(b.Model.Graph, map[string]tensor.Shape{input.Name: x.Shape}, compile.Memory{})
		if err != nil {
			return nil, err
		}
		return p.Run(context.Background(), x)
	}
	x := madeUpBatch(input, form.Shape(input, 2, form.Bucket(1)))
	both, err := run(x)
	if err != nil {
		return fmt.Errorf("the model's batch is fixed at 1 and does not run with 2: %w", err)
	}
	for k := range 2 {
		part := len(x.Bytes) / 2
		one, err := run(&tensor.Tensor{DType: x.DType, Shape: append(tensor.Shape{x.Shape[0] / 2}, x.Shape[1:]...), Bytes: x.Bytes[k*part : (k+1)*part]})
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

// madeUpBatch makes a batch for a single input: numbers from 0 to 1, bytes, or tokens
// 0 and 1.
func madeUpBatch(in data.Input, shape tensor.Shape) *tensor.Tensor {
	x := tensor.New(in.DType, shape...)
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
	return x
}
