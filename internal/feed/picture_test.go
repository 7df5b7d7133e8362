package feed

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/data/picture"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// model is one Relu on an input of the given type.
func model(t *testing.T, dt tensor.DType, shape ...int) *onnx.Model {
	t.Helper()
	return chain(t, dt, shape, step{op: "Relu"})
}

// step is a node of a chain: an operator on the value before, with constants behind it.
type step struct {
	op    string
	attrs ir.Attrs
	with  []*tensor.Tensor
}

// chain is a model of one input whose nodes follow each other.
func chain(t *testing.T, dt tensor.DType, shape []int, steps ...step) *onnx.Model {
	t.Helper()
	g := ir.New("m")
	v := g.AddInput("x", ir.Type{DType: dt, Shape: shape})
	of := v.Type
	for i, s := range steps {
		n := &ir.Node{Name: fmt.Sprintf("n%d", i), Op: s.op, Version: 17, Inputs: []*ir.Value{v}, Attrs: s.attrs}
		for k, c := range s.with {
			n.Inputs = append(n.Inputs, g.NewConst(fmt.Sprintf("n%d.%d", i, k), c))
		}
		v = g.AddNode(n, []ir.Type{{}}, fmt.Sprintf("v%d", i)).Outputs[0]
		v.Type = of
	}
	g.Outputs = []*ir.Value{v}
	b, err := onnx.Build(g, onnx.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := onnx.Parse(b, "")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func filled(v float32, shape ...int) *tensor.Tensor {
	c := tensor.New(tensor.Float32, shape...)
	for i := range c.F32() {
		c.F32()[i] = v
	}
	return c
}

var (
	conv      = step{op: "Conv", with: []*tensor.Tensor{filled(1, 8, 3, 3, 3)}}
	conv1     = step{op: "Conv", with: []*tensor.Tensor{filled(1, 8, 1, 3, 3)}}
	depthwise = step{op: "Conv", attrs: ir.Attrs{"group": 4}, with: []*tensor.Tensor{filled(1, 4, 1, 3, 3)}}
	toNCHW    = step{op: "Transpose", attrs: ir.Attrs{"perm": []int{0, 3, 1, 2}}}
	cast      = step{op: "Cast", attrs: ir.Attrs{"to": onnx.Code(tensor.Float32)}}
	relu      = step{op: "Relu"}
)

func by(op string, v float32, shape ...int) step {
	return step{op: op, with: []*tensor.Tensor{filled(v, shape...)}}
}

// The layout of pictures is told by the channels and by the first operators, else refused.
func TestPictureLayout(t *testing.T) {
	first, last := picture.ChannelsFirst, picture.ChannelsLast
	for _, c := range []struct {
		name     string
		shape    []int
		steps    []step
		said     string
		want     string // the layout, or a part of the error
		channels int
	}{
		{"channels first", []int{-1, 3, 8, 8}, []step{conv}, "", first, 3},
		{"channels last, open sizes", []int{-1, -1, -1, 3}, []step{toNCHW, conv}, "", last, 3},
		{"channels last, all open", []int{-1, -1, -1, -1}, []step{toNCHW, conv}, "", last, 3},
		{"channels first, all open", []int{-1, -1, -1, -1}, []step{relu, conv1}, "", first, 1},
		{"channels last behind arithmetic", []int{-1, -1, -1, -1}, []step{by("Div", 255), toNCHW, depthwise}, "", last, 4},
		{"channels last, told by a constant of three", []int{-1, -1, -1, -1}, []step{by("Sub", 0.5, 3), relu}, "", last, 3},
		{"channels first, told by a constant of three", []int{-1, -1, -1, -1}, []step{by("Sub", 0.5, 3, 1, 1), relu}, "", first, 3},
		{"small, channels last by the operators", []int{-1, 3, 4, 3}, []step{toNCHW, conv}, "", last, 3},
		{"grey and opacity", []int{-1, 9, 9, 2}, []step{relu}, "", last, 2},
		{"opacity", []int{-1, 320, 320, 4}, []step{relu}, "", last, 4},
		{"open, and one axis is of three", []int{-1, -1, -1, 3}, []step{relu}, "", last, 3},
		{"all open, nothing tells", []int{-1, -1, -1, -1}, []step{relu}, "", "option layout nchw or nhwc", 0},
		{"two readings", []int{-1, 3, 32, 3}, []step{relu}, "", "option layout nchw or nhwc", 0},
		{"two readings, said", []int{-1, 3, 32, 3}, []step{relu}, last, last, 3},
		{"all open, said", []int{-1, -1, -1, -1}, []step{relu}, last, last, 3},
		{"said otherwise than the channels", []int{-1, 3, 32, 32}, []step{relu}, last, "32 channels", 0},
		{"no picture", []int{-1, 12, 32, 32}, []step{relu}, "", "12 (option layout nchw) or 32 (nhwc)", 0},
	} {
		p, err := PictureInput(chain(t, tensor.Float32, c.shape, c.steps...), c.said, "")
		switch {
		case err != nil && (c.channels > 0 || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		case err == nil && (p.Layout != c.want || p.Channels != c.channels):
			t.Errorf("%s: %+v, want %d channels, %s", c.name, p, c.channels, c.want)
		}
	}
}

// What a model expects of samples is told by its first operators and by its element type.
func TestPictureRange(t *testing.T) {
	nhwc, nchw := []int{-1, 8, 8, 3}, []int{-1, 3, 8, 8}
	for _, c := range []struct {
		name  string
		dt    tensor.DType
		shape []int
		steps []step
		want  string
	}{
		{"a division by 255", tensor.Float32, nchw, []step{by("Div", 255), conv}, "raw"},
		{"a layer that rescales to -1 to 1", tensor.Float32, nhwc, []step{by("Mul", 1/127.5), by("Add", -1), toNCHW, conv}, "raw"},
		{"means of 0 to 255 taken off", tensor.Float32, nchw, []step{by("Sub", 120, 1, 3, 1, 1), conv}, "raw"},
		{"means of 0 to 1 taken off", tensor.Float32, nchw, []step{by("Sub", 0.45, 1, 3, 1, 1), by("Div", 0.22, 1, 3, 1, 1), conv}, "unit"},
		{"0 to 1 stretched to -1 to 1", tensor.Float32, nchw, []step{by("Mul", 2), by("Sub", 1), conv}, "unit"},
		{"0 to 1 stretched to 0 to 255", tensor.Float32, nchw, []step{by("Mul", 255), conv}, "unit"},
		{"-1 to 1 shifted to 0 to 1", tensor.Float32, nchw, []step{by("Add", 1), by("Mul", 0.5), conv}, "inception"},
		{"bytes", tensor.Uint8, nhwc, []step{cast, by("Mul", 1./255), toNCHW, conv}, "raw"},
		{"whole numbers", tensor.Int32, nchw, []step{cast, conv}, "raw"},
		{"nothing", tensor.Float32, nchw, []step{conv}, ""},
	} {
		m := chain(t, c.dt, c.shape, c.steps...)
		in, err := PictureInput(m, "", "")
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got, why := expects(m, in); got != c.want || (why == "") != (got == "") {
			t.Errorf("%s: %q (%s), want %q", c.name, got, why, c.want)
		}
	}
}

// A model of integers gets the samples of a picture, whatever lies between.
func TestPictureIntegers(t *testing.T) {
	for _, c := range []struct {
		dt         tensor.DType
		preprocess string // the file's text
		want       string
		values     [2]float32
	}{
		{dt: tensor.Uint8, values: [2]float32{0, 255}},
		{dt: tensor.Int64, values: [2]float32{0, 255}},
		{dt: tensor.Int8, want: `choose with option preprocess a file such as {"do_rescale": false, "image_mean": 128, "image_std": 1}, which makes values from -128 to 127`},
		{dt: tensor.Int8, preprocess: `{"do_rescale":false}`, want: "values from 0 to 255: choose with option preprocess a file"},
		{dt: tensor.Int8, preprocess: `{"do_rescale":false,"image_mean":128,"image_std":1}`, values: [2]float32{-128, 127}},
		{dt: tensor.Uint8, preprocess: `{"image_mean":0.5,"image_std":0.5}`, want: "option preprocess raw"},
	} {
		o := Options{}
		if c.preprocess != "" {
			o.Preprocess = filepath.Join(t.TempDir(), "p.json")
			if err := os.WriteFile(o.Preprocess, []byte(c.preprocess), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		f, err := Of(chain(t, c.dt, []int{-1, 8, 8, 3}, cast, toNCHW, conv), o)
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v %s: %v, want %q", c.dt, c.preprocess, err, c.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%v %s: %v", c.dt, c.preprocess, err)
			continue
		}
		least, most := f.(*Pictures).Range()
		if got := [2]float32{least, most}; got != c.values {
			t.Errorf("%v %s: values %v, want %v", c.dt, c.preprocess, got, c.values)
		}
		if note := f.Notes()[len(f.Notes())-1]; !strings.Contains(note, "8x8") || !strings.Contains(note, "channels last") || !strings.Contains(note, fmt.Sprintf("values %.4g to %.4g", least, most)) {
			t.Errorf("%v: %q does not say what is fed", c.dt, note)
		}
	}
}

// The option size sets the size of a model that leaves it open, and the option layout its axes; a
// tuned file needs neither.
func TestPictureOptions(t *testing.T) {
	open := chain(t, tensor.Float32, []int{-1, -1, -1, -1}, relu)
	f, err := Of(open, Options{Layout: "nhwc", Size: "24x40"})
	if err != nil {
		t.Fatal(err)
	}
	p := f.(*Pictures)
	if p.Height != 24 || p.Width != 40 {
		t.Errorf("pictures of %dx%d, want 24x40", p.Height, p.Width)
	}
	settings, err := f.Settings()
	if err != nil {
		t.Fatal(err)
	}
	tuned := chain(t, tensor.Float32, []int{-1, -1, -1, -1}, relu)
	tuned.Metadata = map[string]string{KeyKind: KindPicture, KeySettings: string(settings)}
	again, err := Of(tuned, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if q := again.(*Pictures); q.Height != 24 || q.Width != 40 || tuned.Graph.Nodes[0].Op != "Transpose" || again.Digest() != f.Digest() {
		t.Errorf("the tuned file is fed %dx%d by %s", q.Height, q.Width, tuned.Graph.Nodes[0].Op)
	}
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Size: "24"}, "size: 24x24 is not what the model's input takes, 8x6"},
		{Options{Size: "24x"}, `size: "24x"`},
		{Options{Layout: "chw"}, `layout: "chw"`},
	} {
		if _, err := Of(model(t, tensor.Float32, -1, 3, 8, 6), c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.o, err, c.want)
		}
	}
}

func TestPictureInput(t *testing.T) {
	for _, c := range []struct {
		dt    tensor.DType
		shape []int
		want  Picture
		ops   string
		out   ir.Type
	}{
		{tensor.Float32, []int{-1, 3, 8, 6}, Picture{Name: "x", Channels: 3, Height: 8, Width: 6}, "Relu", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{2, 3, 8, 6}}},
		{tensor.Float32, []int{-1, 8, 6, 3}, Picture{Name: "x", Channels: 3, Height: 8, Width: 6}, "Transpose Relu", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{2, 8, 6, 3}}},
		{tensor.Float16, []int{-1, 1, 8, 6}, Picture{Name: "x", Channels: 1, Height: 8, Width: 6}, "Cast Relu", ir.Type{DType: tensor.Float16, Shape: tensor.Shape{2, 1, 8, 6}}},
		{tensor.Float16, []int{-1, 8, 6, 1}, Picture{Name: "x", Channels: 1, Height: 8, Width: 6}, "Transpose Cast Relu", ir.Type{DType: tensor.Float16, Shape: tensor.Shape{2, 8, 6, 1}}},
		{tensor.Float32, []int{-1, 3, -1, -1}, Picture{Name: "x", Channels: 3, Height: -1, Width: -1}, "Relu", ir.Type{}},
		{tensor.Uint8, []int{-1, 8, 6, 3}, Picture{Name: "x", Channels: 3, Height: 8, Width: 6}, "Transpose Cast Relu", ir.Type{}},
	} {
		m := model(t, c.dt, c.shape...)
		p, err := PictureInput(m, "", "")
		p.Layout, p.DType, p.Why = "", 0, ""
		if err != nil || p != c.want {
			t.Errorf("%v%v: %+v (%v), want %+v", c.dt, c.shape, p, err, c.want)
			continue
		}
		var ops []string
		for _, n := range m.Graph.Nodes {
			ops = append(ops, n.Op)
		}
		if got := strings.Join(ops, " "); got != c.ops {
			t.Errorf("%v%v: %s, want %s", c.dt, c.shape, got, c.ops)
		}
		if c.out.Shape == nil {
			continue
		}
		g, err := compile.Model(m.Graph, compile.Options{Shapes: map[string]tensor.Shape{p.Name: {2, p.Channels, p.Height, p.Width}}, Plain: true})
		if err != nil || !g.Outputs[0].Type.Equal(c.out) {
			t.Errorf("%v%v runs to %v (%v), want %v", c.dt, c.shape, g.Outputs[0].Type, err, c.out)
		}
	}
	for _, c := range []struct {
		dt    tensor.DType
		shape []int
		want  string
	}{
		{tensor.Float32, []int{-1, 10}, "four axes"},
		{tensor.Bool, []int{-1, 3, 8, 8}, "takes bool"},
	} {
		if _, err := PictureInput(model(t, c.dt, c.shape...), "", ""); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v%v: %v, want %q", c.dt, c.shape, err, c.want)
		}
	}
}
