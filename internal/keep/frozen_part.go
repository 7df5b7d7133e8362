package keep

import (
	"context"
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// whole is the program from the model's inputs to the kept values.
func (e *Encoder) whole(n int) (*compile.Program, error) {
	if e.cut == nil {
		return e.net.Frozen(n)
	}
	return e.part(n, nil, e.cut)
}

// frozen computes the kept values from the inputs.
func (e *Encoder) frozen(ctx context.Context, b *data.Batch) ([]*tensor.Tensor, error) {
	return e.run(ctx, b.Inputs, len(b.Indices))
}

// frozenChunk does the same for a batch that may be smaller than a chunk. It fills the batch up, so
// that one program, with one set of packed weights and one arena, serves the whole data set.
func (e *Encoder) frozenChunk(ctx context.Context, b *data.Batch) ([]*tensor.Tensor, error) {
	n := len(b.Indices)
	if e.shares != nil {
		return e.frozenAt(ctx, b)
	}
	if n >= e.chunk || e.ds.Len() < e.chunk {
		return e.frozen(ctx, b)
	}
	values, err := e.run(ctx, e.fillUp(b.Inputs, n), e.chunk)
	if err != nil {
		return nil, err
	}
	values = slices.Clone(values)
	for i, v := range values {
		s := v.Shape.Clone()
		s[0] = s[0] / e.chunk * n
		values[i] = &tensor.Tensor{DType: v.DType, Shape: s, Bytes: v.Bytes[:len(v.Bytes)/e.chunk*n]}
	}
	return values, nil
}

func (e *Encoder) run(ctx context.Context, inputs []*tensor.Tensor, n int) ([]*tensor.Tensor, error) {
	p, err := e.whole(n)
	if err != nil {
		return nil, err
	}
	values, err := p.Run(ctx, inputs...)
	for i, v := range values {
		if e.half != nil && e.half[i] {
			widen(v.Bytes, narrow(v.Bytes))
		}
	}
	return values, err
}

// detached is what frozen computes, copied out of the memory in which the next program runs.
func (e *Encoder) detached(ctx context.Context, b *data.Batch) ([]*tensor.Tensor, error) {
	if _, err := e.frozen(ctx, b); err != nil {
		return nil, err
	}
	p, err := e.whole(len(b.Indices))
	if err != nil {
		return nil, err
	}
	e.atCut = p.Detach(e.atCut)
	return e.atCut, nil
}

// fillUp copies n examples to the front of a chunk; what follows them does not matter.
func (e *Encoder) fillUp(in []*tensor.Tensor, n int) []*tensor.Tensor {
	out := make([]*tensor.Tensor, len(in))
	for i, t := range in {
		s := t.Shape.Clone()
		s[0] = s[0] / n * e.chunk
		out[i] = tensor.New(t.DType, s...)
		copy(out[i].Bytes, t.Bytes)
	}
	return out
}

// between computes the kept values from the values of an earlier cut.
func (e *Encoder) between(ctx context.Context, from *split.Cut, in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	p, err := e.part(in[0].Shape[0]/from.Points[0].One.Shape[0], from, e.cut)
	if err != nil {
		return nil, err
	}
	return p.Run(ctx, in...)
}

// rest computes the frontier of a batch from the kept cut.
func (e *Encoder) rest(ctx context.Context, b *split.Batch) (*split.Batch, error) {
	if e.cut == nil {
		return b, nil
	}
	p, err := e.part(len(b.Indices), e.cut, nil)
	if err != nil {
		return nil, err
	}
	if _, err = p.Run(ctx, b.Values...); err != nil {
		return nil, err
	}
	e.atFrontier = p.Detach(e.atFrontier)
	return &split.Batch{Values: e.atFrontier, Indices: b.Indices, Length: b.Length, Lengths: b.Lengths}, nil
}

// part compiles the network between two cuts for n examples, once. If from is nil it starts at the
// inputs; if to is nil it ends at the frontier.
func (e *Encoder) part(n int, from, to *split.Cut) (*compile.Program, error) {
	key := partKey(n, from, to)
	if p := e.parts[key]; p != nil {
		return p, nil
	}
	p, err := e.net.Between(n, from, to)
	if err == nil {
		e.parts[key] = p
	}
	return p, err
}

// partKey names the program between two cuts.
func partKey(n int, from, to *split.Cut) string {
	positions := func(c *split.Cut) (at []int) {
		if c != nil {
			for _, p := range c.Points {
				at = append(at, p.At)
			}
		}
		return at
	}
	return fmt.Sprint(n, positions(from), positions(to))
}
