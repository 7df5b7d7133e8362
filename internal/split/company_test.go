package split

import (
	"fmt"
	"hash/fnv"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// A frozen region gives an example the same values in any company. These tests hold every operator
// of the registry to that: one example alone and among others, bit for bit, or the operator is found
// to mix examples and is named.

// examples is the size of the batch in these tests, on axis 0.
const examples = 3

// given is an input of an operator under test.
type given struct {
	*tensor.Tensor
	fixed bool // a constant, the same for all examples; else axis 0 holds the examples
}

// companyCase is an operator with inputs. An operator without a case is tried on usual inputs.
type companyCase struct {
	in      []given
	attrs   ir.Attrs
	version int // opset; 0 for the newest
	outputs int // how many the node has; 0 for one
	// several nodes on the first input, in place of one node; nil for one
	build func(g *ir.Graph, x *ir.Value) *ir.Value

	mixes   bool             // it computes across examples, and FirstMixing says so
	moves   bool             // examples stay apart, but not on axis 0
	refused bool             // it does not run with every batch, and the error names the node
	note    string           // a piece of what evaluation mode says that it changed
	tol     tensor.Tolerance // where kernels differ by the size of the batch; zero for bit for bit
}

func drawn[T float32 | int32 | int64 | uint8 | int8](dt tensor.DType, lo, hi float64, shape ...int) given {
	x := tensor.New(dt, shape...)
	h := fnv.New64a()
	fmt.Fprint(h, dt, lo, hi, shape)
	r := rand.New(rand.NewPCG(h.Sum64(), 1))
	for i := range x.Len() {
		tensor.Data[T](x)[i] = T(lo + (hi-lo)*r.Float64())
	}
	return given{Tensor: x}
}

// f are floats from -1 to 1, p from 0.1 to 0.9, u8 bytes, i64 and i32 whole numbers up to most.
func f(shape ...int) given  { return drawn[float32](tensor.Float32, -1, 1, shape...) }
func p(shape ...int) given  { return drawn[float32](tensor.Float32, 0.1, 0.9, shape...) }
func u8(shape ...int) given { return drawn[uint8](tensor.Uint8, 0, 255, shape...) }
func i64(most float64, shape ...int) given {
	return drawn[int64](tensor.Int64, 0, most, shape...)
}
func i32(most float64, shape ...int) given {
	return drawn[int32](tensor.Int32, 0, most, shape...)
}
func truth(shape ...int) given {
	x := tensor.New(tensor.Bool, shape...)
	for i := range x.Bytes {
		x.Bytes[i] = byte(i*i/3) % 2
	}
	return given{Tensor: x}
}

// fixed makes a constant.
func fixed(g given) given { g.fixed = true; return g }

// ints, ints0, num and yes are constants.
func ints(v ...int64) given { return given{tensor.Of(v, len(v)), true} }
func num(v float32) given   { return given{tensor.Scalar(v), true} }
func ints0(v int64) given   { return given{tensor.Scalar(v), true} }
func yes() given {
	x := tensor.New(tensor.Bool)
	x.Bytes[0] = 1
	return given{x, true}
}

// absent is an input that is left out.
var absent = given{}

// company is a model of one node, ready to run for any batch.
type company struct {
	base *Base
	in   []given // of the inputs
	c    companyCase
}

func newCompany(name string, c companyCase) (*company, error) {
	g := ir.New("company")
	n := &ir.Node{Name: "tested", Op: name, Attrs: c.attrs, Version: c.version}
	if at := strings.LastIndex(name, "."); at >= 0 {
		n.Domain, n.Op = name[:at], name[at+1:]
		n.Version = 1
	} else if n.Version == 0 {
		n.Version = 22
	}
	if n.Attrs == nil {
		n.Attrs = ir.Attrs{}
	}
	var in []given
	for i, x := range c.in {
		switch {
		case x.Tensor == nil:
			n.Inputs = append(n.Inputs, nil)
		case x.fixed:
			n.Inputs = append(n.Inputs, g.NewConst(fmt.Sprint("c", i), x.Tensor))
		default:
			s := x.Shape.Clone()
			s[0] = -1
			v := g.AddInput(fmt.Sprint("x", i), ir.Type{DType: x.DType, Shape: s})
			v.Dims = make([]string, len(s))
			v.Dims[0] = "batch"
			n.Inputs, in = append(n.Inputs, v), append(in, x)
		}
	}
	types := make([]ir.Type, max(1, c.outputs))
	for i := range types {
		types[i].DType = tensor.Float32
	}
	if c.build != nil {
		g.Outputs = []*ir.Value{c.build(g, g.Inputs[0])}
		g.Outputs[0].Type.DType = tensor.Float32
	} else {
		g.AddNode(n, types)
		g.Outputs = n.Outputs
	}
	b, err := onnx.Build(g, onnx.BuildOptions{Opset: c.version})
	if err != nil {
		return nil, err
	}
	m, err := onnx.Parse(b, "")
	if err != nil {
		return nil, err
	}
	base := &Base{Model: m}
	return &company{base, in, c}, base.settle(feed.Options{Kind: feed.KindTensors})
}

// program is compiled for some of the examples, which it comes with.
func (c *company) program(rows ...int) (*compile.Program, []*tensor.Tensor, error) {
	shapes := map[string]tensor.Shape{}
	var in []*tensor.Tensor
	for i, x := range c.in {
		y := tensor.New(x.DType, slices.Concat([]int{len(rows)}, x.Shape[1:])...)
		size := len(x.Bytes) / examples
		for k, r := range rows {
			copy(y.Bytes[k*size:], x.Bytes[r*size:(r+1)*size])
		}
		in = append(in, y)
		shapes[c.base.Model.Graph.Inputs[i].Name] = y.Shape
	}
	if c.base.OneByOne != nil && len(rows) > 1 { // as Base.Inference has it
		one, _, err := c.program(rows[0])
		if err != nil {
			return nil, nil, err
		}
		return one.Repeat(len(rows)), in, nil
	}
	p, err := compile.Inference(c.base.Model.Graph, shapes, compile.Memory{})
	return p, in, err
}

// run gives the outputs for some of the examples.
func (c *company) run(t *testing.T, rows ...int) ([]*tensor.Tensor, error) {
	p, in, err := c.program(rows...)
	if err != nil {
		return nil, err
	}
	out, err := p.Run(t.Context(), in...)
	var own []*tensor.Tensor
	for _, x := range out {
		own = append(own, x.Clone())
	}
	return own, err
}

// TestCompanyOfEveryOperator takes the operators from the registry: a new one is tried on usual
// inputs, and needs a case where none fits.
func TestCompanyOfEveryOperator(t *testing.T) {
	known := map[string]bool{}
	for _, name := range ir.Forms() {
		known[name] = true
		if batchless[name] != "" {
			continue
		}
		cases := companyCases[name]
		if cases == nil {
			for _, in := range usual {
				c, err := newCompany(name, companyCase{in: in})
				if err == nil {
					if _, err = c.run(t, 0, 1, 2); err == nil {
						cases = []companyCase{c.c}
						break
					}
				}
			}
			if cases == nil {
				t.Errorf("%s: no usual inputs fit: give it a case", name)
			}
		}
		for i, c := range cases {
			t.Run(fmt.Sprint(name, " ", i), func(t *testing.T) { testCompany(t, name, c) })
		}
	}
	for _, table := range []iter.Seq[string]{maps.Keys(companyCases), maps.Keys(batchless)} {
		for name := range table {
			if !known[name] {
				t.Errorf("%s is not in the registry", name)
			}
		}
	}
}

func testCompany(t *testing.T, name string, c companyCase) {
	m, err := newCompany(name, c)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(m.base.Notes, "; "); c.note == "" && got != "" || !strings.Contains(got, c.note) {
		t.Errorf("note %q, want %q", got, c.note)
	}
	both, err := m.run(t, 0, 1, 2)
	if c.refused {
		if _, one := m.run(t, 0); err == nil {
			err = one
		}
		if err == nil || !strings.Contains(err.Error(), `node "tested`) {
			t.Errorf("error %v, want one that names the node", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if c.tol.Name == "" {
		c.tol.Name = "bit for bit"
	}
	same := true
	for r := range examples {
		alone, err := m.run(t, r)
		if err != nil {
			t.Fatal(err)
		}
		for i, one := range alone {
			s := both[i].Shape
			if len(s) == 0 || s[0] != examples*one.Shape[0] {
				t.Logf("alone %v, in company %v", one.Shape, s)
				same = false
				continue
			}
			size := len(one.Bytes)
			part := &tensor.Tensor{DType: one.DType, Shape: one.Shape, Bytes: both[i].Bytes[r*size : (r+1)*size]}
			if err := tensor.Close(part, one, c.tol); err != nil {
				t.Logf("output %d, example %d: %v", i, r, err)
				same = false
			}
		}
	}
	if same == (c.mixes || c.moves) {
		t.Errorf("the same in company: %v, want %v", same, !same)
	}
	found := ""
	several, in, err := m.program(0, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	for r := range examples {
		one, x, err := m.program(r)
		if err != nil {
			t.Fatal(err)
		}
		where, err := one.FirstMixing(t.Context(), x, several, in, r, examples)
		if err != nil {
			t.Fatal(err)
		}
		found += where
	}
	if c.mixes != strings.Contains(found, `node "tested`) {
		t.Errorf("found that it mixes: %q", found)
	}
}
