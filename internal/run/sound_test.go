package run

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// writeWAV writes 16-bit samples of one channel at 8000 Hz.
func writeWAV(t testing.TB, path string, samples []float64) {
	t.Helper()
	le := binary.LittleEndian
	b := append([]byte("RIFF"), le.AppendUint32(nil, uint32(36+2*len(samples)))...)
	b = append(b, "WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data"...)
	b = le.AppendUint32(b, uint32(2*len(samples)))
	for _, v := range samples {
		b = le.AppendUint16(b, uint16(int16(math.Round(min(max(v, -1), 1)*32767))))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// waveModel writes a small network over windows of 256 samples [N,256], with a preprocessor file
// beside it: two convolutions, a mean over time, a linear classifier.
func waveModel(t testing.TB) string {
	t.Helper()
	r := rand.New(rand.NewPCG(3, 4))
	g := ir.New("waves")
	x := g.AddInput("samples", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, 256}})
	x.Dims = []string{"batch", ""}
	param := func(name string, spread float64, shape ...int) *ir.Value {
		p := tensor.New(tensor.Float32, shape...)
		for i := range p.F32() {
			p.F32()[i] = float32(spread * r.NormFloat64())
		}
		return g.NewParam(name, p)
	}
	node := func(path, op string, attrs ir.Attrs, in ...*ir.Value) *ir.Value {
		return g.AddNode(&ir.Node{Name: path, Op: op, Inputs: in, Attrs: attrs, Version: 17}, []ir.Type{{}}, path+"_output_0").Outputs[0]
	}
	shape := g.NewParam("shape", &tensor.Tensor{DType: tensor.Int64, Shape: tensor.Shape{3}, Bytes: binary.LittleEndian.AppendUint64(
		binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, 0), 1), 256)})
	h := node("/Reshape", "Reshape", nil, x, shape)
	for i, c := range []int{1, 8} {
		path, name := fmt.Sprintf("/conv%d", i), fmt.Sprintf("conv%d", i)
		h = node(path+"/Conv", "Conv", ir.Attrs{"kernel_shape": []int{9}, "strides": []int{2}}, h, param(name+".weight", 1/math.Sqrt(float64(9*c)), 8, c, 9), param(name+".bias", 0.1, 8))
		h = node(path+"/Relu", "Relu", nil, h)
	}
	h = node("/Flatten", "Flatten", nil, node("/GlobalAveragePool", "GlobalAveragePool", nil, h))
	y := node("/fc/Gemm", "Gemm", ir.Attrs{"transB": 1}, h, param("fc.weight", 0.3, 2, 8), param("fc.bias", 0.1, 2))
	y.Type = ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, 2}}
	g.Outputs = []*ir.Value{y}
	b, err := onnx.Build(g, onnx.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "waves.onnx")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	config := `{"sampling_rate": 4000, "window": 256, "hop": 64, "pad_seconds": [0.01, 0.01]}`
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "waves.preprocessor.json"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// waveConfig is a fit on tones of two pitches and lengths of one to fifteen windows.
func waveConfig(t testing.TB) config.Config {
	t.Helper()
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(5, 6))
	for c, class := range []string{"high", "low"} {
		for i := range 24 {
			x := make([]float64, 300+r.IntN(2000))
			pitch := (1200 - 700*float64(c) + 200*r.Float64()) * 2 * math.Pi / 8000
			for k := range x {
				x[k] = 0.5*math.Sin(pitch*float64(k)) + 0.2*r.NormFloat64()
			}
			writeWAV(t, filepath.Join(dir, class, fmt.Sprintf("%02d.wav", i)), x)
		}
	}
	cfg := config.DefaultConfig()
	cfg.Model, cfg.Data, cfg.Out = waveModel(t), dir, t.TempDir()
	cfg.Epochs, cfg.Batch, cfg.LR, cfg.Seed = 6, 8, 0.01, 3
	return cfg
}

// TestFitSounds holds a fit on sounds to what one on pictures is held to: it learns, frozen bytes
// stay, the tuned file predicts by itself as training said, and neither the cache nor an
// interruption changes a bit.
func TestFitSounds(t *testing.T) {
	base := waveConfig(t)
	base.Thaw = []string{"last:1"}
	var want []byte
	for _, cache := range []string{"off", "ram", "disk", "disk"} {
		cfg := base
		cfg.Cache, cfg.Out = cache, t.TempDir()
		r := mustFit(t, cfg)
		if r.ValAccuracy < 0.9 || r.FrozenDigestBefore != r.FrozenDigestAfter {
			t.Errorf("cache %s: accuracy %.2f, frozen bytes equal: %t", cache, r.ValAccuracy, r.FrozenDigestBefore == r.FrozenDigestAfter)
		}
		model := read(t, cfg.Out, ModelFile)
		if want == nil {
			want = model
		}
		if !slices.Equal(model, want) {
			t.Errorf("cache %s gives another model", cache)
		}
	}
	path := filepath.Join(t.TempDir(), "alone.onnx") // without the preprocessor file
	if err := os.WriteFile(path, want, 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := tuned.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(base.Data, "low", "*.wav"))
	found, skipped, err := p.Predict(context.Background(), append(files, base.Model))
	if err != nil || len(found) != len(files) || len(skipped) != 1 {
		t.Fatalf("%d predictions, %d skipped, %v", len(found), len(skipped), err)
	}
	low := 0
	for _, f := range found {
		if f.Guess != nil && f.Guess.Label == "low" {
			low++
		}
	}
	if low < len(files)*9/10 {
		t.Errorf("%d of %d low tones are taken for low", low, len(files))
	}
}

func TestFitSoundsAugmented(t *testing.T) {
	cfg := waveConfig(t)
	cfg.Augment, cfg.Epochs = "noise:10,gain:6,shift:0.02", 20
	first := mustFit(t, cfg)
	if first.ValAccuracy < 0.9 {
		t.Errorf("accuracy %.2f", first.ValAccuracy)
	}
	again := cfg
	again.Out = t.TempDir()
	mustFit(t, again)
	if !slices.Equal(read(t, cfg.Out, ModelFile), read(t, again.Out, ModelFile)) {
		t.Error("two runs of one seed differ")
	}
	cfg.Augment, cfg.Out = "flip", t.TempDir()
	if _, err := Prepare(context.Background(), cfg); err == nil {
		t.Error("a step for pictures is taken for sounds")
	}
}

func TestResumeSounds(t *testing.T) {
	base := waveConfig(t)
	base.Thaw, base.Augment, base.Epochs = []string{"last:1"}, "gain:6", 3
	whole := base
	whole.Out = t.TempDir()
	mustFit(t, whole)
	for _, after := range []int{2, 8} {
		cfg := base
		cfg.Out = t.TempDir()
		ctx, cancel := context.WithCancel(context.Background())
		_, err := fit(t, ctx, cfg, false, &stopper{after, cancel})
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("stopped after %d steps: %v", after, err)
		}
		if _, err := fit(t, context.Background(), cfg, true); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(read(t, whole.Out, ModelFile), read(t, cfg.Out, ModelFile)) {
			t.Errorf("resumed after %d steps: other bits than the unbroken run", after)
		}
	}
}
