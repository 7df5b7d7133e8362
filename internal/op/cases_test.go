package op

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Tolerances of the case tests.
var (
	exact    = tensor.Tolerance{Name: "exact"}
	byHand   = tensor.Tolerance{Name: "by hand", Rel: 1e-5, Abs: 1e-6}
	rounding = tensor.Tolerance{Name: "float32 rounding", Rel: 1e-4, Abs: 2e-5}
	finite64 = tensor.Tolerance{Name: "finite difference in float64", Rel: 1e-4, Abs: 2e-6}
	finite32 = tensor.Tolerance{Name: "finite difference in float32", Rel: 3e-2, Abs: 1e-2}
)

// TestCases runs the cases of every operator: types are as inferred, outputs as wanted, float32
// agrees with float64, running in place changes nothing, and gradients agree with central finite
// differences.
func TestCases(t *testing.T) {
	for _, d := range ir.Ops() {
		if d.Bind == nil {
			continue // exists while a graph is specialised only
		}
		t.Run(d.Name, func(t *testing.T) {
			if d.Cases == nil {
				t.Fatal("operator without a test case")
			}
			for i, c := range d.Cases() {
				name := c.Name
				if name == "" {
					name = fmt.Sprint(i)
				}
				t.Run(name, func(t *testing.T) { testCase(t, d, fill(d.Name, c)) })
			}
		})
	}
}

func testCase(t *testing.T, d *ir.Def, c ir.Case) {
	out, err := runCase(d, c)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range c.Want {
		if want == nil {
			continue
		}
		if out[i].DType != want.DType {
			t.Errorf("output %d is %v, want %v", i, out[i].DType, want.DType)
		} else if err := tensor.Close(out[i], want, byHand); err != nil {
			t.Errorf("output %d: %v", i, err)
		}
	}
	checkInPlace(t, d, c, out)

	wide := as(c, tensor.Float64)
	step, tol := 1e-5, finite64
	switch wout, err := runCase(d, wide); {
	case err != nil:
		wide, step, tol = c, 1e-2, finite32
	default:
		for i := range out {
			if out[i] == nil {
				continue
			}
			if err := tensor.Close(out[i], wout[i], rounding); err != nil {
				t.Errorf("output %d in float32 against float64: %v", i, err)
			}
		}
	}
	if d.Grad != nil {
		checkGrad(t, d, wide, step, tol)
	}
}

// fill gives contents to the float inputs that have none, the same ones at every run.
func fill(op string, c ir.Case) ir.Case {
	h := fnv.New64a()
	h.Write([]byte(op + c.Name))
	r := rand.New(rand.NewPCG(h.Sum64(), 1))
	lo, hi := c.Range[0], c.Range[1]
	if lo == hi {
		lo, hi = -1, 1
	}
	c.Inputs = slices.Clone(c.Inputs)
	for i, x := range c.Inputs {
		if x != nil && x.Bytes == nil && x.DType.IsFloat() {
			x = tensor.New(x.DType, x.Shape...)
			v := make([]float64, x.Len())
			for j := range v {
				v[j] = lo + (hi-lo)*r.Float64()
			}
			fromFloat64(x, v)
			c.Inputs[i] = x
		}
	}
	return c
}

// as is the case with its float32 inputs, and tensor attributes, converted to another type.
func as(c ir.Case, dt tensor.DType) ir.Case {
	conv := func(x *tensor.Tensor) *tensor.Tensor {
		if x == nil || x.DType != tensor.Float32 {
			return x
		}
		w := tensor.New(dt, x.Shape...)
		fromFloat64(w, x.Float64s())
		return w
	}
	c.Inputs = slices.Clone(c.Inputs)
	for i, x := range c.Inputs {
		c.Inputs[i] = conv(x)
	}
	for k, v := range c.Attrs {
		if x, ok := v.(*tensor.Tensor); ok {
			c.Attrs = c.Attrs.With(k, conv(x))
		}
	}
	return c
}

// caseGraph is the graph of the case's one node.
func caseGraph(d *ir.Def, c ir.Case) (*ir.Graph, *ir.Node, error) {
	g := ir.New("case")
	n := &ir.Node{Name: "n", Op: d.Name, Attrs: c.Attrs}
	for i, x := range c.Inputs {
		var v *ir.Value
		switch {
		case x == nil:
		case slices.Contains(c.Const, i):
			v = g.NewConst(fmt.Sprint("c", i), x)
		default:
			v = g.AddInput(fmt.Sprint("x", i), ir.TypeOf(x))
		}
		n.Inputs = append(n.Inputs, v)
	}
	types, err := d.Infer(n)
	if err != nil {
		return nil, nil, n.Errorf("infer: %w", err)
	}
	g.AddNode(n, types)
	g.Outputs = slices.DeleteFunc(slices.Clone(n.Outputs), func(v *ir.Value) bool { return v == nil })
	return g, n, ir.Verify(g)
}

// runCase runs the case's one node.
func runCase(d *ir.Def, c ir.Case) ([]*tensor.Tensor, error) {
	g, n, err := caseGraph(d, c)
	if err != nil {
		return nil, err
	}
	env := map[*ir.Value]*tensor.Tensor{}
	feed(env, g, c)
	if err := runGraph(g, env); err != nil {
		return nil, err
	}
	out := make([]*tensor.Tensor, len(n.Outputs))
	for i, v := range n.Outputs {
		out[i] = env[v]
	}
	return out, nil
}

func feed(env map[*ir.Value]*tensor.Tensor, g *ir.Graph, c ir.Case) {
	k := 0
	for i, x := range c.Inputs {
		if x != nil && !slices.Contains(c.Const, i) {
			env[g.Inputs[k]] = x
			k++
		}
	}
}

// runGraph runs all nodes in order. Outputs and scratch hold garbage before each run.
func runGraph(g *ir.Graph, env map[*ir.Value]*tensor.Tensor) error {
	for _, n := range g.Nodes {
		in := make([]*tensor.Tensor, len(n.Inputs))
		for i, v := range n.Inputs {
			if v != nil {
				if in[i] = env[v]; in[i] == nil {
					in[i] = v.Data
				}
			}
		}
		if d := ir.Lookup(n.Op); d.Fold != nil {
			if ts := d.Fold(n); ts != nil {
				for i, v := range n.Outputs {
					if v != nil {
						env[v] = ts[i]
					}
				}
				continue
			}
		}
		b, err := ir.Lookup(n.Op).Bind(n)
		if err != nil {
			return n.Errorf("bind: %w", err)
		}
		out := make([]*tensor.Tensor, len(n.Outputs))
		for i, v := range n.Outputs {
			if v != nil {
				out[i] = tensor.New(v.Type.DType, v.Type.Shape...)
				garbage(out[i])
				env[v] = out[i]
			}
		}
		if b.View {
			copy(out[0].Bytes, in[0].Bytes)
			continue
		}
		if err := b.Run(in, out, dirty(b.Scratch)); err != nil {
			return n.Errorf("run: %w", err)
		}
	}
	return nil
}

func garbage(t *tensor.Tensor) {
	fillByte := byte(0xff) // NaN, -1
	if t.DType == tensor.Bool {
		fillByte = 1
	}
	for i := range t.Bytes {
		t.Bytes[i] = fillByte
	}
}

func dirty(n int) []byte {
	b := tensor.AlignedBytes(n)
	for i := range b {
		b[i] = 0xff
	}
	return b
}

// checkInPlace runs the node once more for each input whose buffer output 0 may take.
func checkInPlace(t *testing.T, d *ir.Def, c ir.Case, want []*tensor.Tensor) {
	t.Helper()
	g, n, err := caseGraph(d, c)
	if err != nil {
		t.Fatal(err)
	}
	b, err := d.Bind(n)
	if err != nil {
		return // folded: never bound
	}
	if b.View && n.Outputs[0].Type.Bytes() != n.In(0).Type.Bytes() {
		t.Errorf("view of %v as %v", n.In(0).Type, n.Outputs[0].Type)
	}
	for _, i := range b.InPlace {
		if n.In(i) == nil || n.In(i).Type.Bytes() != n.Outputs[0].Type.Bytes() {
			t.Errorf("input %d offered in place does not have the output's size", i)
			continue
		}
		env := map[*ir.Value]*tensor.Tensor{}
		feed(env, g, c)
		in := make([]*tensor.Tensor, len(n.Inputs))
		for j, v := range n.Inputs {
			if v == nil {
				continue
			}
			if in[j] = env[v]; in[j] == nil {
				in[j] = v.Data
			}
		}
		in[i] = in[i].Clone()
		out := make([]*tensor.Tensor, len(n.Outputs))
		for j, v := range n.Outputs {
			if v != nil {
				out[j] = tensor.New(v.Type.DType, v.Type.Shape...)
			}
		}
		out[0].Bytes = in[i].Bytes
		if err := b.Run(in, out, dirty(b.Scratch)); err != nil {
			t.Error(err)
			continue
		}
		if err := tensor.Close(out[0], want[0], exact); err != nil {
			t.Errorf("in place of input %d: %v", i, err)
		}
	}
}

// checkGrad compares the gradient of a random projection of the outputs with central differences.
func checkGrad(t *testing.T, d *ir.Def, c ir.Case, step float64, tol tensor.Tolerance) {
	t.Helper()
	g, n, err := caseGraph(d, c)
	if err != nil {
		t.Fatal(err)
	}
	env := map[*ir.Value]*tensor.Tensor{}
	feed(env, g, c)
	r := rand.New(rand.NewPCG(7, uint64(len(d.Name))))
	b := ir.NewBuilder(g, "grad")
	dy := make([]*ir.Value, len(n.Outputs))
	proj := make([][]float64, len(n.Outputs))
	for i, v := range n.Outputs {
		if v == nil || !v.Type.DType.IsFloat() || c.Flow != nil && !slices.Contains(c.Flow, i) {
			continue
		}
		p := tensor.New(v.Type.DType, v.Type.Shape...)
		proj[i] = make([]float64, p.Len())
		for j := range proj[i] {
			proj[i][j] = 2*r.Float64() - 1
		}
		fromFloat64(p, proj[i])
		proj[i] = p.Float64s()
		dy[i] = b.Const(p)
	}
	need := make([]bool, len(n.Inputs))
	for i, v := range n.Inputs {
		need[i] = v != nil && v.Kind == ir.Input && v.Type.DType.IsFloat() && !slices.Contains(c.NoGrad, i)
	}
	if !slices.Contains(need, true) {
		return
	}
	dx := d.Grad(b, n, dy, need)
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	if len(dx) != len(n.Inputs) {
		t.Fatalf("gradient has %d values for %d inputs", len(dx), len(n.Inputs))
	}
	for i := range need {
		if dx[i] != nil && need[i] {
			g.Outputs = append(g.Outputs, dx[i])
		}
	}
	if err := ir.Verify(g); err != nil {
		t.Fatal(err)
	}
	if err := runGraph(g, env); err != nil {
		t.Fatal(err)
	}
	for i := range need {
		if !need[i] {
			continue
		}
		x := c.Inputs[i]
		got := make([]float64, x.Len())
		if dx[i] != nil {
			v := env[dx[i]]
			if v == nil {
				v = dx[i].Data
			}
			if v == nil {
				t.Fatalf("gradient of input %d has no contents", i)
			}
			if !ir.TypeOf(v).Equal(ir.TypeOf(x)) {
				t.Fatalf("gradient of input %d is %v, input is %v", i, ir.TypeOf(v), ir.TypeOf(x))
			}
			got = v.Float64s()
		}
		checkDifference(t, d, c, i, proj, got, step, tol)
	}
}

// checkDifference compares got, the gradient with respect to input i, at no more than 48 elements.
func checkDifference(t *testing.T, d *ir.Def, c ir.Case, i int, proj [][]float64, got []float64, step float64, tol tensor.Tolerance) {
	t.Helper()
	at := func(j int, h float64) float64 {
		x := c.Inputs[i].Clone()
		v := x.Float64s()
		v[j] += h
		fromFloat64(x, v)
		c := c
		c.Inputs = slices.Clone(c.Inputs)
		c.Inputs[i] = x
		out, err := runCase(d, c)
		if err != nil {
			t.Fatal(err)
		}
		s := 0.0
		for k, p := range proj {
			if p == nil {
				continue
			}
			for l, y := range out[k].Float64s() {
				s += y * p[l]
			}
		}
		return s
	}
	n := len(got)
	stride := max(1, n/48)
	for j := 0; j < n; j += stride {
		want := (at(j, step) - at(j, -step)) / (2 * step)
		if diff := math.Abs(got[j] - want); !(diff <= tol.Abs+tol.Rel*math.Abs(want)) {
			t.Errorf("gradient of input %d at element %d is %g, want %g (%s)", i, j, got[j], want, tol.Name)
			return
		}
	}
}
