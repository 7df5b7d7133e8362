package compile

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Mixes is the largest difference, relative to the largest value, that rounding makes between an
// example alone and in company: kernels may sum in another order for another batch size.
const Mixes = 1e-3

// FirstMixing runs p on one example, and company, the same model for n examples, on several of which
// that example is number at. If an output has other values for the example in company, it describes
// the first node that has: node "NAME" (OP). Otherwise it returns "".
func (p *Program) FirstMixing(ctx context.Context, example []*tensor.Tensor, company *Program, several []*tensor.Tensor, at, n int) (string, error) {
	type key struct {
		name, op string
		out      int
	}
	alone := map[key][]*tensor.Tensor{} // several nodes may have one name
	apart, err := p.run(ctx, example, func(s *step) bool {
		for i, t := range s.out {
			if t != nil {
				k := key{s.node.Name, s.node.Op, i}
				alone[k] = append(alone[k], t.Clone())
			}
		}
		return true
	})
	if err != nil {
		return "", err
	}
	apart = slices.Clone(apart)
	for i, t := range apart { // the programs may have one memory
		apart[i] = t.Clone()
	}
	first := ""
	together, err := company.run(ctx, several, func(s *step) bool {
		for i, t := range s.out {
			k := key{s.node.Name, s.node.Op, i}
			if t == nil || first != "" || len(alone[k]) == 0 {
				continue
			}
			one := alone[k][0]
			alone[k] = alone[k][1:]
			if !SameInCompany(one, t, at, n) {
				first = fmt.Sprintf("node %q (%s)", s.node.Name, s.node.Op)
			}
		}
		return true
	})
	if err != nil {
		return "", err
	}
	for i := range apart {
		if !SameInCompany(apart[i], together[i], at, n) {
			if v := company.graph.Outputs[i]; first == "" && v.Node != nil { // views have no code of their own
				first = fmt.Sprintf("node %q (%s)", v.Node.Name, v.Node.Op)
			}
			return first, nil
		}
	}
	return "", nil // positions in a batch differ, but what is read from them does not
}

// SameInCompany reports whether all, a value of a batch of n, has for example number at what one
// has, the same value of that example alone. The batch is on any axis, and may be joined with
// another. A value without a batch must be the same.
func SameInCompany(one, all *tensor.Tensor, at, n int) bool {
	if one.DType != all.DType || len(one.Shape) != len(all.Shape) {
		return false
	}
	axis := 0
	for axis < len(one.Shape) && one.Shape[axis] == all.Shape[axis] {
		axis++
	}
	if axis == len(one.Shape) {
		return near(one.Float64s(), all.Float64s())
	}
	size := one.Shape[axis]
	if all.Shape[axis] != n*size || !slices.Equal(one.Shape[axis+1:], all.Shape[axis+1:]) {
		return false
	}
	whole, want := all.Float64s(), one.Float64s()
	inner := one.Shape[axis+1:].Len()
	outer := one.Shape[:axis].Len()
	// The axis is [n, size], or [size, n] where the batch was not the first of the joined axes.
	var first, last []float64
	for o := range outer {
		for k := range size {
			row := o * n * size
			first = append(first, whole[(row+at*size+k)*inner:][:inner]...)
			last = append(last, whole[(row+k*n+at)*inner:][:inner]...)
		}
	}
	return near(want, first) || near(want, last)
}

// near allows for rounding, see Mixes.
func near(want, got []float64) bool {
	largest, worst := 0.0, 0.0
	for i, x := range want {
		if x == got[i] || math.IsNaN(x) && math.IsNaN(got[i]) {
			if !math.IsNaN(x) && !math.IsInf(x, 0) {
				largest = max(largest, math.Abs(x))
			}
			continue
		}
		largest, worst = max(largest, math.Abs(x)), max(worst, math.Abs(got[i]-x))
	}
	return worst <= Mixes*largest // false where either is not a number
}
