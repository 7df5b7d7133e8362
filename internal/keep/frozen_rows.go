package keep

import (
	"context"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// rowStep is the granularity of the row counts for which the frozen region is compiled, if examples
// are rows.
const rowStep = 8

// frozenRows computes the frontier of a batch whose examples are rows. It takes only the rows that
// are not padding, one after the other, as the frozen region processes each row independently.
func (e *Encoder) frozenRows(ctx context.Context, b *data.Batch) ([]*tensor.Tensor, error) {
	rows := 0
	for _, n := range b.Lengths {
		rows += n
	}
	padded := (rows + rowStep - 1) / rowStep * rowStep
	p, err := e.net.At(1).Frozen(padded)
	if err != nil {
		return nil, err
	}
	inputs := make([]*tensor.Tensor, len(b.Inputs))
	for j, t := range b.Inputs {
		s := t.Shape.Clone()
		s[0] = padded
		x := tensor.New(t.DType, s...)
		at, size := 0, len(x.Bytes)/padded
		for k, n := range b.Lengths {
			at += copy(x.Bytes[at:], t.Bytes[k*b.Length*size:][:n*size])
		}
		for at < len(x.Bytes) { // fill with real rows, so that no value is unusual
			at += copy(x.Bytes[at:], x.Bytes[:at])
		}
		inputs[j] = x
	}
	values, err := p.Run(ctx, inputs...)
	if err != nil {
		return nil, err
	}
	out := make([]*tensor.Tensor, len(values))
	for j, v := range values {
		if e.half != nil && e.half[j] {
			widen(v.Bytes, narrow(v.Bytes))
		}
		s := v.Shape.Clone()
		s[0] = s[0] / padded * len(b.Indices) * b.Length
		out[j] = tensor.New(v.DType, s...)
		at, size := 0, len(v.Bytes)/padded
		for k, n := range b.Lengths {
			at += copy(out[j].Bytes[k*b.Length*size:], v.Bytes[at:at+n*size])
		}
	}
	return out, nil
}
