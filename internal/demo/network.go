package demo

import (
	"math"
	"math/rand/v2"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Untrained makes the built-in network's ONNX file with random weights, named as PyTorch names
// those of a ResNet: a strided 5x5 convolution, five residual blocks of 16, 32 and 64 channels,
// mean pooling and a classifier; about 100,000 parameters. It reads image float32[N,1,32,32] in
// [0,1] and gives logits [N,classes]. Weights are drawn by He et al. (2015), normal with deviation
// sqrt(2/(kernel area * outputs)).
func Untrained(classes int, seed uint64, metadata map[string]string) ([]byte, error) {
	b := &netBuilder{g: ir.New("letters"), r: rand.New(rand.NewPCG(seed, 0x6e6574))}
	x := b.g.AddInput("image", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, 1, Side, Side}})
	x.Dims = []string{"batch", "", "", ""}
	v := b.convNorm(x, "/stem/", "stem.", "conv", "bn", 1, 16, 5, 2)
	v = b.node("/stem/relu/Relu", "Relu", nil, v)
	v = b.block(v, "layer1", "0", 16, 16)
	v = b.block(v, "layer1", "1", 16, 16)
	v = b.block(v, "layer2", "0", 16, 32)
	v = b.block(v, "layer2", "1", 32, 32)
	v = b.block(v, "layer3", "0", 32, 64)
	v = b.node("/pool/GlobalAveragePool", "GlobalAveragePool", nil, v)
	v = b.node("/Flatten", "Flatten", ir.Attrs{"axis": 1}, v)
	bound := 1 / math.Sqrt(64)
	w := b.param("fc.weight", func() float64 { return (2*b.r.Float64() - 1) * bound }, classes, 64)
	v = b.node("/fc/Gemm", "Gemm", ir.Attrs{"transB": 1}, v, w, b.fill("fc.bias", 0, classes))
	v.Name, v.Type = "logits", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, classes}}
	v.Dims = []string{"batch", ""}
	b.g.Outputs = []*ir.Value{v}
	return onnx.Build(b.g, onnx.BuildOptions{Opset: opset, Metadata: metadata})
}

const opset = 17

type netBuilder struct {
	g *ir.Graph
	r *rand.Rand
}

func (b *netBuilder) node(path, op string, attrs ir.Attrs, in ...*ir.Value) *ir.Value {
	n := &ir.Node{Name: path, Op: op, Version: opset, Inputs: in, Attrs: attrs}
	return b.g.AddNode(n, []ir.Type{{}}, path+"_output_0").Outputs[0]
}

func (b *netBuilder) param(name string, draw func() float64, shape ...int) *ir.Value {
	t := tensor.New(tensor.Float32, shape...)
	for i := range t.F32() {
		t.F32()[i] = float32(draw())
	}
	return b.g.NewParam(name, t)
}

func (b *netBuilder) fill(name string, v float64, shape ...int) *ir.Value {
	return b.param(name, func() float64 { return v }, shape...)
}

// convNorm adds a convolution without bias and its batch normalisation; node paths begin with path,
// parameter names with name.
func (b *netBuilder) convNorm(x *ir.Value, path, name, conv, norm string, in, out, kernel, stride int) *ir.Value {
	dev := math.Sqrt(2 / float64(kernel*kernel*out))
	w := b.param(name+conv+".weight", func() float64 { return b.r.NormFloat64() * dev }, out, in, kernel, kernel)
	p := kernel / 2
	x = b.node(path+conv+"/Conv", "Conv", ir.Attrs{"kernel_shape": []int{kernel, kernel}, "strides": []int{stride, stride},
		"pads": []int{p, p, p, p}, "dilations": []int{1, 1}, "group": 1}, x, w)
	name += norm + "."
	return b.node(path+norm+"/BatchNormalization", "BatchNormalization", ir.Attrs{"epsilon": float32(1e-5), "momentum": float32(0.9)}, x,
		b.fill(name+"weight", 1, out), b.fill(name+"bias", 0, out), b.fill(name+"running_mean", 0, out), b.fill(name+"running_var", 1, out))
}

// block adds a residual block of two 3x3 convolutions; where it widens, it halves the map.
func (b *netBuilder) block(x *ir.Value, layer, index string, in, out int) *ir.Value {
	path, name := "/"+layer+"/"+layer+"."+index+"/", layer+"."+index+"."
	stride := 1
	if in != out {
		stride = 2
	}
	v := b.convNorm(x, path, name, "conv1", "bn1", in, out, 3, stride)
	v = b.node(path+"relu/Relu", "Relu", nil, v)
	v = b.convNorm(v, path, name, "conv2", "bn2", out, out, 3, 1)
	if stride > 1 {
		x = b.convNorm(x, path+"downsample/", name+"downsample.", "0", "1", in, out, 1, stride)
	}
	v = b.node(path+"Add", "Add", nil, v, x)
	return b.node(path+"relu_1/Relu", "Relu", nil, v)
}
