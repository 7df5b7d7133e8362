package op

import (
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Einsum becomes matrix products: operands are joined from left to right, each pair by one MatMul
// over the labels that both have and nobody needs any more.
func init() {
	ir.RegisterForms(ir.Form{Op: "Einsum", Since: 12, Lower: lowerEinsum, Traits: &ir.Traits{Inputs: []ir.Use{ir.UseWeight, ir.UseWeight, ir.UseWeight}}})
}

// labelled is a value with a label for each of its axes.
type labelled struct {
	v      *ir.Value
	labels []rune
}

// Axes under an ellipsis get labels from here on, counted from the last one.
const ellipsisLabel = rune(0x10000)

func lowerEinsum(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	equation := strings.ReplaceAll(n.Attrs.Str("equation", ""), " ", "")
	left, right, explicit := strings.Cut(equation, "->")
	terms := strings.Split(left, ",")
	if len(terms) != len(n.Inputs) {
		return nil, errorf("equation %q names %d operands, given %d", equation, len(terms), len(n.Inputs))
	}
	size := map[rune]int{}
	widest := 0 // of the ellipses, in axes
	ops := make([]labelled, len(terms))
	for i, term := range terms {
		v := n.In(i)
		if v == nil {
			return nil, errorf("input %d is missing", i)
		}
		labels, dots := einsumLabels(term, len(v.Type.Shape))
		if len(labels) != len(v.Type.Shape) {
			return nil, errorf("term %q does not fit %v", term, v.Type.Shape)
		}
		widest = max(widest, dots)
		for k, l := range labels {
			d := v.Type.Shape[k]
			if old, ok := size[l]; ok && old != d && old != 1 && d != 1 {
				return nil, errorf("%q is %d and %d in %q", l, old, d, equation)
			}
			size[l] = max(size[l], d)
			if d == 0 {
				size[l] = 0
			}
		}
		ops[i] = labelled{v, labels}
	}
	var out []rune
	if explicit {
		out, _ = einsumLabels(right, len(right)+widest-3)
		if !strings.Contains(right, "...") {
			out = []rune(right)
		}
	} else { // the ellipsis, then the labels that appear once, in alphabetical order
		for i := range widest {
			out = append(out, ellipsisLabel+rune(widest-1-i))
		}
		var once []rune
		for _, l := range strings.ReplaceAll(strings.ReplaceAll(left, "...", ""), ",", "") {
			if strings.Count(left, string(l)) == 1 {
				once = append(once, l)
			}
		}
		slices.Sort(once)
		out = append(out, once...)
	}
	for i := range ops {
		ops[i] = diagonal(b, ops[i])
		ops[i].v = expandLabels(b, ops[i], size)
	}
	acc := ops[0]
	for i, next := range ops[1:] {
		needed := slices.Clone(out)
		for _, o := range ops[i+2:] {
			needed = append(needed, o.labels...)
		}
		acc = contract(b, acc, next, needed)
		if b.Err() != nil {
			return nil, b.Err()
		}
	}
	acc = sumOut(b, acc, out, nil)
	perm := make([]int, len(out))
	for i, l := range out {
		if perm[i] = slices.Index(acc.labels, l); perm[i] < 0 {
			return nil, errorf("%q of the result is in no operand of %q", l, equation)
		}
	}
	return b.Ops("Transpose", ir.Attrs{"perm": perm}, acc.v), b.Err()
}

// einsumLabels returns a term's labels, and the number of axes of its ellipsis in a tensor of rank
// axes.
func einsumLabels(term string, rank int) (labels []rune, dots int) {
	before, after, ok := strings.Cut(term, "...")
	if !ok {
		return []rune(term), 0
	}
	dots = max(0, rank-len(before)-len(after))
	labels = []rune(before)
	for i := range dots {
		labels = append(labels, ellipsisLabel+rune(dots-1-i))
	}
	return append(labels, []rune(after)...), dots
}

// diagonal takes the diagonal if a label occurs twice.
func diagonal(b *ir.Builder, o labelled) labelled {
	for i := 0; i < len(o.labels); i++ {
		j := slices.Index(o.labels[i+1:], o.labels[i])
		if j < 0 || b.Err() != nil {
			continue
		}
		j += i + 1
		rank := len(o.labels)
		var perm []int
		for k := range rank {
			if k != i && k != j {
				perm = append(perm, k)
			}
		}
		v := transpose(b, o.v, append(perm, i, j)...)
		if v == nil {
			return o
		}
		s := v.Type.Shape
		d := s[rank-1]
		at := make([]int, d)
		for k := range at {
			at[k] = k * (d + 1)
		}
		v = reshape(b, v, append(slices.Clone(s[:rank-2]), d*d))
		v = b.Op("Gather", ir.Attrs{"axis": rank - 2}, v, b.Ints(at...))
		labels := make([]rune, 0, rank-1)
		for _, k := range perm {
			labels = append(labels, o.labels[k])
		}
		o = labelled{v, append(labels, o.labels[i])}
		i = -1
	}
	return o
}

// expandLabels repeats axes of size 1 whose label is larger elsewhere.
func expandLabels(b *ir.Builder, o labelled, size map[rune]int) *ir.Value {
	s := make(tensor.Shape, len(o.labels))
	for i, l := range o.labels {
		s[i] = size[l]
	}
	return expandTo(b, o.v, s)
}

// sumOut sums over the labels in neither of two lists.
func sumOut(b *ir.Builder, o labelled, keep, also []rune) labelled {
	var axes []int
	var labels []rune
	for i, l := range o.labels {
		if slices.Contains(keep, l) || slices.Contains(also, l) {
			labels = append(labels, l)
		} else {
			axes = append(axes, i)
		}
	}
	if axes == nil {
		return o
	}
	return labelled{b.Op("ReduceSum", ir.Attrs{"axes": axes, "keepdims": 0}, o.v), labels}
}

// contract multiplies x and y and sums over the labels that are not needed.
func contract(b *ir.Builder, x, y labelled, needed []rune) labelled {
	x, y = sumOut(b, x, needed, y.labels), sumOut(b, y, needed, x.labels)
	var batch, inner, left, right []rune
	for _, l := range x.labels {
		switch {
		case !slices.Contains(y.labels, l):
			left = append(left, l)
		case slices.Contains(needed, l):
			batch = append(batch, l)
		default:
			inner = append(inner, l)
		}
	}
	for _, l := range y.labels {
		if !slices.Contains(x.labels, l) {
			right = append(right, l)
		}
	}
	size := map[rune]int{}
	total := func(ls []rune) int {
		p := 1
		for _, l := range ls {
			p *= size[l]
		}
		return p
	}
	order := func(o labelled, groups ...[]rune) *ir.Value {
		if b.Err() != nil {
			return nil
		}
		for i, l := range o.labels {
			size[l] = o.v.Type.Shape[i]
		}
		var perm []int
		var s tensor.Shape
		for _, g := range groups {
			for _, l := range g {
				perm = append(perm, slices.Index(o.labels, l))
			}
			s = append(s, total(g))
		}
		v := o.v
		if !slices.IsSorted(perm) {
			v = transpose(b, v, perm...)
		}
		return reshape(b, v, s)
	}
	p := b.Op("MatMul", nil, order(x, batch, left, inner), order(y, batch, inner, right))
	labels := slices.Concat(batch, left, right)
	s := make(tensor.Shape, len(labels))
	for i, l := range labels {
		s[i] = size[l]
	}
	return labelled{reshape(b, p, s), labels}
}
