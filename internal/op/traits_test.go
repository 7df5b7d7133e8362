package op

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// What operators claim in their traits is held against what they compute, on the cases of every
// operator and on random shapes.

// eachTraitCase calls test for the cases of every operator with code whose traits are accepted, and
// errors if none is.
func eachTraitCase(t *testing.T, claims func(*ir.Traits) bool, test func(t *testing.T, d *ir.Def, c ir.Case)) {
	t.Helper()
	ran := 0
	for _, d := range ir.Ops() {
		if d.Bind == nil || !claims(&d.Traits) {
			continue
		}
		for i, c := range d.Cases() {
			if d.Name == "Dropout" && len(c.Inputs) > 1 {
				continue // traits are of inference
			}
			ran++
			t.Run(fmt.Sprint(d.Name, " ", i, " ", c.Name), func(t *testing.T) { test(t, d, fill(d.Name, c)) })
		}
	}
	if ran == 0 {
		t.Error("no operator claims this")
	}
}

// run1 is output 0 of a case.
func run1(t *testing.T, d *ir.Def, c ir.Case) *tensor.Tensor {
	t.Helper()
	out, err := runCase(d, c)
	if err != nil {
		t.Fatal(err)
	}
	return out[0]
}

// pick is row i of an axis, which stays with size 1.
func pick(x *tensor.Tensor, axis, i int) *tensor.Tensor {
	s := x.Shape.Clone()
	s[axis] = 1
	y := tensor.New(x.DType, s...)
	inner := x.DType.Size() * x.Shape[axis+1:].Len()
	for o := range x.Shape[:axis].Len() {
		copy(y.Bytes[o*inner:(o+1)*inner], x.Bytes[(o*x.Shape[axis]+i)*inner:])
	}
	return y
}

// turned is x with its axes in another order.
func turned(t *testing.T, x *tensor.Tensor, perm []int) *tensor.Tensor {
	t.Helper()
	return run1(t, ir.Lookup("Transpose"), ir.Case{Inputs: []*tensor.Tensor{x}, Attrs: ir.Attrs{"perm": perm}})
}

// drawn gives a case's inputs other shapes, which broadcast, and elements drawn from those they
// had.
func drawn(c ir.Case, r *rand.Rand) ir.Case {
	if slices.ContainsFunc(c.Inputs, func(x *tensor.Tensor) bool { return x == nil || x.Len() == 0 }) {
		return c
	}
	shape := make(tensor.Shape, r.IntN(5))
	for i := range shape {
		shape[i] = 1 + r.IntN(6)
	}
	c.Inputs = slices.Clone(c.Inputs)
	whole := r.IntN(len(c.Inputs)) // this input has the full shape
	for i, x := range c.Inputs {
		s := shape.Clone()
		if i != whole && len(c.Inputs) > 1 {
			s = s[r.IntN(len(s)+1):]
			for k := range s {
				if r.IntN(2) == 0 {
					s[k] = 1
				}
			}
		}
		y := tensor.New(x.DType, s...)
		size := x.DType.Size()
		for k := range y.Len() {
			from := r.IntN(x.Len())
			copy(y.Bytes[k*size:(k+1)*size], x.Bytes[from*size:(from+1)*size])
		}
		c.Inputs[i] = y
	}
	return c
}

// An elementwise operator has the shape of its inputs broadcast together, and computes of a slice
// of them the slice of what it computes of the whole.
func TestElementwise(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	eachTraitCase(t, func(t *ir.Traits) bool { return t.Elementwise }, func(t *testing.T, d *ir.Def, c ir.Case) {
		sameInputs := len(d.Traits.Inputs) == 0 && d.Traits.Batch == ir.BatchUnknown // gradients do not broadcast
		for k := range 4 {
			if k > 0 {
				if c = drawn(c, r); sameInputs {
					for i := range c.Inputs {
						if x := c.Inputs[i]; !x.Shape.Equal(c.Inputs[0].Shape) {
							c.Inputs[i] = tensor.New(x.DType, c.Inputs[0].Shape...)
						}
					}
				}
			}
			y := run1(t, d, c)
			var shapes []tensor.Shape
			for _, x := range c.Inputs {
				shapes = append(shapes, x.Shape)
			}
			if want, err := broadcastShape(shapes...); err != nil || !y.Shape.Equal(want) {
				t.Fatalf("of %v it gives %v, want %v (%v)", shapes, y.Shape, want, err)
			}
			for axis, size := range y.Shape {
				if size < 2 {
					continue
				}
				for _, i := range []int{0, size - 1} {
					part := c
					part.Inputs = slices.Clone(c.Inputs)
					for k, x := range c.Inputs {
						if a := axis + len(x.Shape) - len(y.Shape); a >= 0 && x.Shape[a] > 1 {
							part.Inputs[k] = pick(x, a, i)
						}
					}
					if err := tensor.Close(run1(t, d, part), pick(y, axis, i), rounding); err != nil {
						t.Errorf("slice %d of axis %d of %v: %v", i, axis, shapes, err)
					}
				}
			}
		}
	})
}

// A row alone gives what it gives in company, wherever an operator claims rows.
func TestRows(t *testing.T) {
	claimed := map[string]bool{}
	eachTraitCase(t, func(t *ir.Traits) bool { return t.Rows != nil }, func(t *testing.T, d *ir.Def, c ir.Case) {
		y := run1(t, d, c)
		_, n, err := caseGraph(d, c)
		if err != nil {
			t.Fatal(err)
		}
		for axis, size := range c.Inputs[0].Shape {
			if size < 2 {
				continue
			}
			in := make([]int, len(c.Inputs))
			for i := range in {
				in[i] = -1
			}
			in[0] = axis
			for out := range y.Shape {
				if y.Shape[out] != size || !d.Traits.Rows(n, len(c.Inputs[0].Shape), in, out) || !moves(d, c, axis, out) {
					continue
				}
				claimed[d.Name] = true
				for i := range size {
					alone := c
					alone.Inputs = slices.Clone(c.Inputs)
					alone.Inputs[0] = pick(c.Inputs[0], axis, i)
					if shape := c.Attrs.Ints("shape"); shape != nil {
						shape = slices.Clone(shape)
						shape[out] = 1
						alone.Attrs = c.Attrs.With("shape", shape)
					}
					if err := tensor.Close(run1(t, d, alone), pick(y, out, i), rounding); err != nil {
						t.Errorf("row %d of axis %d, on axis %d of the result: %v", i, axis, out, err)
					}
				}
			}
		}
	})
	for _, d := range ir.Ops() {
		if d.Traits.Rows != nil && d.Bind != nil && !claimed[d.Name] && d.Name != "Concat" && d.Name != "Gather" { // those have rows on several inputs
			t.Errorf("%s: no case shows its rows", d.Name)
		}
	}
}

// moves reports whether a case takes the axis of input 0 to the axis out: a row alone has size 1
// there.
func moves(d *ir.Def, c ir.Case, axis, out int) bool {
	c.Inputs = slices.Clone(c.Inputs)
	c.Inputs[0] = pick(c.Inputs[0], axis, 0)
	if shape := c.Attrs.Ints("shape"); shape != nil {
		shape = slices.Clone(shape)
		shape[out] = 1
		c.Attrs = c.Attrs.With("shape", shape)
	}
	_, n, err := caseGraph(d, c)
	return err == nil && n.Outputs[0].Type.Shape[out] == 1
}

// With the attributes for channels last an operator computes the same of inputs and output in that
// order.
func TestChannelsLast(t *testing.T) {
	claims := func(t *ir.Traits) bool { return t.ChannelsLast != nil || len(t.Spatial) > 0 }
	shown := map[string]bool{}
	eachTraitCase(t, claims, func(t *testing.T, d *ir.Def, c ir.Case) {
		_, n, err := caseGraph(d, c)
		if err != nil {
			t.Fatal(err)
		}
		y := run1(t, d, c)
		rank := len(y.Shape)
		if rank < 3 || c.Attrs.Has("layout") {
			return
		}
		last := c
		last.Inputs = slices.Clone(c.Inputs)
		if d.Traits.ChannelsLast != nil {
			ok := false
			for i := range c.Inputs {
				if v := n.In(i); i > 0 && d.Traits.Use(i) == ir.UseIndex {
					v.Kind, v.Data = ir.Const, c.Inputs[i] // as shuffles and flips have it
				}
			}
			if last.Attrs, ok = d.Traits.ChannelsLast(n); !ok {
				return
			}
		} else {
			last.Attrs = c.Attrs.With("layout", "NHWC")
		}
		for i, x := range c.Inputs {
			switch {
			case x == nil || x.Len() == 1 || d.Traits.Use(i) == ir.UseIndex:
			case d.Traits.ChannelsLast != nil || slices.Contains(d.Traits.Spatial, i):
				to, _ := ChannelsLast(len(x.Shape))
				last.Inputs[i] = turned(t, x, to)
			}
		}
		shown[d.Name] = true
		_, back := ChannelsLast(rank)
		if err := tensor.Close(turned(t, run1(t, d, last), back), y, rounding); err != nil {
			t.Error(err)
		}
	})
	for _, d := range ir.Ops() {
		if claims(&d.Traits) && !shown[d.Name] {
			t.Errorf("%s: no case shows its channels-last form", d.Name)
		}
	}
}

// What claims to change nothing, to hand its input on, or to be nowhere negative does so.
func TestIdentityAndSigns(t *testing.T) {
	eachTraitCase(t, func(t *ir.Traits) bool { return t.Identity != nil || t.NonNegative != nil || t.HandsOn || t.Part }, func(t *testing.T, d *ir.Def, c ir.Case) {
		y, x := run1(t, d, c), c.Inputs[0]
		_, n, err := caseGraph(d, c)
		if err != nil {
			t.Fatal(err)
		}
		if f := d.Traits.Identity; f != nil && f(n) && (!y.Shape.Equal(x.Shape) || y.DType != x.DType || string(y.Bytes) != string(x.Bytes)) {
			t.Errorf("claims to be the identity and makes %v%v of %v%v", y.DType, y.Shape, x.DType, x.Shape)
		}
		if f := d.Traits.NonNegative; f != nil && f(n) && slices.ContainsFunc(y.Float64s(), func(v float64) bool { return v < 0 }) {
			t.Errorf("claims not to be negative and gives %v", y.Float64s())
		}
		if d.Traits.HandsOn && y.Len() != x.Len() {
			t.Errorf("claims to hand its input %v on and gives %v", x.Shape, y.Shape)
		}
		if d.Traits.Part && y.Len() > x.Len() {
			t.Errorf("claims to be a part of %v and gives %v", x.Shape, y.Shape)
		}
	})
}

// Traits agree with each other.
func TestTraitsAgree(t *testing.T) {
	for _, d := range ir.Ops() {
		tr := d.Traits
		switch {
		case tr.Activation && !tr.Elementwise:
			t.Errorf("%s: an activation is elementwise", d.Name)
		case tr.Elementwise && (tr.Rows != nil || tr.ChannelsLast != nil || len(tr.Spatial) > 0):
			t.Errorf("%s: an elementwise operator needs no rule for rows or layout", d.Name)
		case tr.Reduces && tr.Batch != ir.BatchReduced, tr.Part && tr.HandsOn:
			t.Errorf("%s: %+v", d.Name, tr)
		}
	}
}
