package demo

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/data/sound"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// soundRate is that of the drawn sounds, in samples a second.
const soundRate = 8000

// drawn is a class of sounds: at t seconds, from 0 to 1, a pitch in semitones above the sound's own
// and a loudness from 0 to 1. The random numbers of a sound are the same at every t.
type drawn struct {
	name string
	at   func(t float64, p [2]float64) (pitch, loud float64)
}

// pulses is loud for a share of each of n periods a second.
func pulses(t, n, share float64) float64 {
	if math.Mod(t*n, 1) < share {
		return 1
	}
	return 0
}

// known are the sounds on which the model is pretrained.
var known = []drawn{
	{"steady", func(t float64, p [2]float64) (float64, float64) { return 0, 1 }},
	{"rising", func(t float64, p [2]float64) (float64, float64) { return (6 + 8*p[0]) * t, 1 }},
	{"falling", func(t float64, p [2]float64) (float64, float64) { return -(6 + 8*p[0]) * t, 1 }},
	{"warble", func(t float64, p [2]float64) (float64, float64) { return 3 * math.Sin(2*math.Pi*(4+3*p[0])*t), 1 }},
	{"ticking", func(t float64, p [2]float64) (float64, float64) { return 0, pulses(t, 5+3*p[0], 0.2) }},
	{"fading", func(t float64, p [2]float64) (float64, float64) { return 0, math.Exp(-(4 + 3*p[0]) * t) }},
	{"swelling", func(t float64, p [2]float64) (float64, float64) { return 0, math.Pow(t, 1.5+p[0]) }},
	{"two-tone", func(t float64, p [2]float64) (float64, float64) {
		return (5 + 3*p[0]) * pulses(t, 2, 0.5), 1
	}},
}

// birds are the classes of the new task: calls of made-up birds.
var birds = []drawn{
	{"cuckoo", func(t float64, p [2]float64) (float64, float64) {
		return -4 * pulses(t+0.25, 1, 0.5), pulses(t, 2, 0.6)
	}},
	{"lark", func(t float64, p [2]float64) (float64, float64) {
		return 10*t + 3*math.Sin(2*math.Pi*(7+2*p[0])*t), 0.4 + 0.6*t
	}},
	{"owl", func(t float64, p [2]float64) (float64, float64) {
		return -12 - 2*t, math.Sin(math.Pi * math.Mod(2*t, 1))
	}},
	{"woodpecker", func(t float64, p [2]float64) (float64, float64) { return -5, pulses(t, 11+4*p[0], 0.25) * (1 - 0.6*t) }},
	{"gull", func(t float64, p [2]float64) (float64, float64) { return 5 - 12*math.Mod(3*t, 1), 1 - math.Mod(3*t, 1) }},
}

// samples draws one sound of a second. Random are its pitch, pace, loudness, overtones and noise.
func (d *drawn) samples(r *rand.Rand) []float32 {
	p := [2]float64{r.Float64(), r.Float64()}
	base := uniform(r, 500, 1100)
	loudness, overtone, noise := uniform(r, 0.3, 0.8), uniform(r, 0, 0.4), uniform(r, 0.01, 0.08)
	start, phase := uniform(r, 0, 0.15), 0.0
	out := make([]float32, soundRate)
	for i := range out {
		t := float64(i)/soundRate - start
		v := noise * r.NormFloat64()
		if t >= 0 && t < 0.8 {
			pitch, loud := d.at(t/0.8, p)
			phase += 2 * math.Pi * base * math.Exp2(pitch/12) / soundRate
			v += loudness * loud * (math.Sin(phase) + overtone*math.Sin(2*phase)) / (1 + overtone)
		}
		out[i] = float32(v)
	}
	return out
}

// writeClasses writes n sounds of each class to class folders.
func writeClasses(dir string, classes []drawn, r *rand.Rand, n int) error {
	for _, c := range classes {
		folder := filepath.Join(dir, c.name)
		if err := os.MkdirAll(folder, 0o777); err != nil {
			return err
		}
		for i := range n {
			if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%03d.wav", i)), sound.WAV(c.samples(r), soundRate), 0o666); err != nil {
				return err
			}
		}
	}
	return nil
}

// soundPreparation is the preprocessor file of the model: log filter banks, 96 frames of 32.
const soundPreparation = `{"feature_extractor_type": "ASTFeatureExtractor", "sampling_rate": 8000, "num_mel_bins": 32, "max_length": 96, "mean": -7, "std": 3}`

// writeSounds writes sounds.onnx, which knows how sounds go, and calls of birds.
func writeSounds(ctx context.Context, dir string, seed uint64) error {
	work, err := os.MkdirTemp("", "permafrost-sounds")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	r := rand.New(rand.NewPCG(seed, 0x736f756e64))
	for _, part := range []struct {
		dir     string
		classes []drawn
		n       int
	}{
		{filepath.Join(work, "train"), known, 60}, {filepath.Join(work, "val"), known, 5},
		{filepath.Join(dir, "birds", "train"), birds, 6}, {filepath.Join(dir, "birds", "val"), birds, 30},
	} {
		if err := writeClasses(part.dir, part.classes, r, part.n); err != nil {
			return err
		}
	}
	c := config.DefaultConfig()
	c.Model, c.Data, c.Preprocess = filepath.Join(work, "untrained.onnx"), work, filepath.Join(work, "preprocessor.json")
	c.Epochs, c.Batch, c.LR, c.Seed = 12, 32, 0.004, seed
	if err := os.WriteFile(c.Preprocess, []byte(soundPreparation), 0o666); err != nil {
		return err
	}
	model, err := soundNetwork(len(known), seed)
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.Model, model, 0o666); err != nil {
		return err
	}
	return Pretrain(ctx, c, filepath.Join(dir, "sounds.onnx"))
}

// soundNetwork makes the ONNX file of a network with random weights: features float32[N,96,32] ->
// logits [N,classes]. It is a strided convolution, three residual blocks, the mean over time and
// pitch, and a classifier.
func soundNetwork(classes int, seed uint64) ([]byte, error) {
	b := &netBuilder{g: ir.New("sounds"), r: rand.New(rand.NewPCG(seed, 0x736e64))}
	x := b.g.AddInput("features", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, 96, 32}})
	x.Dims = []string{"batch", "", ""}
	v := b.node("/Unsqueeze", "Unsqueeze", nil, x, b.g.NewConst("channel", tensor.Of([]int64{1})))
	v = b.convNorm(v, "/stem/", "stem.", "conv", "bn", 1, 8, 5, 2)
	v = b.node("/stem/relu/Relu", "Relu", nil, v)
	v = b.block(v, "layer1", "0", 8, 16)
	v = b.block(v, "layer2", "0", 16, 32)
	v = b.block(v, "layer3", "0", 32, 48)
	v = b.node("/pool/GlobalAveragePool", "GlobalAveragePool", nil, v)
	v = b.node("/Flatten", "Flatten", ir.Attrs{"axis": 1}, v)
	bound := 1 / math.Sqrt(48)
	w := b.param("fc.weight", func() float64 { return (2*b.r.Float64() - 1) * bound }, classes, 48)
	v = b.node("/fc/Gemm", "Gemm", ir.Attrs{"transB": 1}, v, w, b.fill("fc.bias", 0, classes))
	v.Name, v.Type, v.Dims = "logits", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, classes}}, []string{"batch", ""}
	b.g.Outputs = []*ir.Value{v}
	return onnx.Build(b.g, onnx.BuildOptions{Opset: opset})
}
