// Package parity compares training with PyTorch's and tuned files with ONNX Runtime. Its tests need
// python3 with torch, torchvision and onnx, or node with onnxruntime-node, and skip where those are
// missing.
//
// PERMAFROST_PARITY=all compares every network, not only the quickest. PERMAFROST_FIXTURES names a
// folder in which fixtures are kept from one run to the next: writing them takes PyTorch minutes.
package parity

import (
	"context"
	"encoding/json"
	"fmt"
	"image/color"
	"image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// fixture is what train.py writes.
type fixture struct {
	dir      string
	Model    string
	Batch    int
	Size     int
	Steps    int
	Momentum float64
	Decay    float64
	Labels   []int
	Before   [][]float64
	Plans    []plan
}

type plan struct {
	Name      string
	BatchNorm string
	LR        float64
	Noise     float64
	Losses    []float64
	Start     [][]float64
	After     [][]float64
	Thawed    []string
}

// python finds an interpreter with the modules: Debian's first, as others seldom have torch.
var python = sync.OnceValue(func() string {
	for _, p := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(p, "-c", "import torch, torchvision, onnx, PIL").Run() == nil {
			return p
		}
	}
	return ""
})

// TestMain keeps fixtures for all tests of the process, where PERMAFROST_FIXTURES does not for longer.
func TestMain(m *testing.M) { os.Exit(withFixtures(m)) }

func withFixtures(m *testing.M) int {
	if os.Getenv("PERMAFROST_FIXTURES") == "" {
		dir, err := os.MkdirTemp("", "parity")
		if err == nil {
			defer os.RemoveAll(dir)
			err = os.Setenv("PERMAFROST_FIXTURES", dir)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

// load is the fixture of a network, written once.
func load(t *testing.T, model string) *fixture {
	t.Helper()
	if testing.Short() {
		t.Skip("PyTorch takes a while")
	}
	f := &fixture{}
	f.dir = loadFixture(t, "train.py", model, f)
	return f
}

// loadFixture reads the fixture that a script writes of a network into to, and returns its folder.
// It skips without PyTorch.
func loadFixture(t *testing.T, script, model string, to any) string {
	t.Helper()
	dir := filepath.Join(os.Getenv("PERMAFROST_FIXTURES"), model)
	file := filepath.Join(dir, "fixture.json")
	if _, err := os.Stat(file); err != nil {
		if python() == "" {
			t.Skip("no python3 with torch, torchvision, onnx and PIL")
		}
		if out, err := exec.Command(python(), script, model, "--out", dir).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, to); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return dir
}

// pictures lists the files of the batch in order.
func (f *fixture) pictures(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(f.dir, "pictures", "*", "*.png"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(paths)
	if len(paths) != f.Batch {
		t.Fatalf("%d pictures, want %d", len(paths), f.Batch)
	}
	return paths
}

// images is the batch as the network reads it: (x/255 - 0.5) / 0.25.
func (f *fixture) images(t *testing.T) *tensor.Tensor {
	t.Helper()
	paths := f.pictures(t)
	x := tensor.New(tensor.Float32, f.Batch, 3, f.Size, f.Size)
	plane := f.Size * f.Size
	for n, path := range paths {
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(file)
		file.Close()
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for i := range plane {
			c := color.NRGBAModel.Convert(img.At(i%f.Size, i/f.Size)).(color.NRGBA)
			for ch, v := range []uint8{c.R, c.G, c.B} {
				x.F32()[(3*n+ch)*plane+i] = float32((float64(v)/255 - 0.5) / 0.25)
			}
		}
	}
	return x
}

// fit trains as the plan says and returns the tuned file and the loss before each step.
func (f *fixture) fit(t *testing.T, p plan) (path string, losses []float64) {
	t.Helper()
	c := permafrost.DefaultConfig()
	c.Model = filepath.Join(f.dir, "model.onnx")
	c.Data = filepath.Join(f.dir, "pictures")
	c.Val = c.Data
	c.Thaw, c.BatchNorm, c.Head = p.Thawed, p.BatchNorm, "keep"
	c.Epochs, c.Batch = f.Steps, f.Batch
	c.Optimizer, c.Momentum, c.WeightDecay = "sgd", f.Momentum, &f.Decay
	c.LR, c.LRSchedule, c.Keep = p.LR, "constant", "last"
	c.Out = filepath.Join(t.TempDir(), "run")
	if _, err := permafrost.Fit(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(filepath.Join(c.Out, "events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(log)) {
		var e struct {
			Type string
			Loss float64
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("events.jsonl: %v in %s", err, line)
		}
		if e.Type == "step" {
			losses = append(losses, e.Loss)
		}
	}
	return filepath.Join(c.Out, "model.onnx"), losses
}

// logits runs a file on the images in Permafrost's own engine.
func logits(t *testing.T, path string, images *tensor.Tensor) []float64 {
	t.Helper()
	m, err := onnx.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	g, err := compile.Model(m.Graph, compile.Options{Shapes: map[string]tensor.Shape{m.Graph.Inputs[0].Name: images.Shape}, Plain: true})
	if err != nil {
		t.Fatal(err)
	}
	p, err := compile.Region(g, compile.Memory{})
	if err != nil {
		t.Fatal(err)
	}
	y, err := p.Run(context.Background(), images)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(y[0].Float64s())
}

func norm(v []float64) float64 {
	var s float64
	for _, x := range v {
		s += x * x
	}
	return math.Sqrt(s)
}

func minus(a, b []float64) []float64 {
	d := make([]float64, len(a))
	for i := range a {
		d[i] = a[i] - b[i]
	}
	return d
}

// networks are those of the parity tests, the quick ones alone without PERMAFROST_PARITY=all.
func networks() []string {
	names := []string{"tiny_cnn", "tiny_vit"}
	if os.Getenv("PERMAFROST_PARITY") == "all" {
		names = append(names, "resnet18", "mobilenet_v2", "efficientnet_b0", "convnext_tiny", "swin_t", "densenet121", "mobilenet_v3_small",
			"vgg11_bn", "squeezenet1_1", "googlenet", "inception_v3", "shufflenet_v2_x0_5", "mnasnet0_5", "regnet_x_400mf", "regnet_y_400mf",
			"resnext50_32x4d", "wide_resnet50_2", "efficientnet_v2_s", "alexnet", "maxvit_t", "vit_b_32")
	}
	return names
}

// TestGradients trains by every plan and compares the change of the logits, in inference mode and
// from the tuned file, with that of PyTorch in float64: the norm of the difference is at most 2e-3
// of the norm of the change that the weights made, or four times what PyTorch's own float32 is off.
func TestGradients(t *testing.T) {
	for _, model := range networks() {
		t.Run(model, func(t *testing.T) {
			f := load(t, model)
			images := f.images(t)
			before := slices.Concat(f.Before...)
			if off := norm(minus(logits(t, filepath.Join(f.dir, "model.onnx"), images), before)) / norm(before); !(off <= 1e-4) {
				t.Fatalf("logits before training are off by %.1e", off)
			}
			for _, p := range f.Plans {
				t.Run(p.Name+" "+p.BatchNorm, func(t *testing.T) {
					path, losses := f.fit(t, p)
					after := slices.Concat(p.After...)
					off := norm(minus(logits(t, path, images), after)) / norm(minus(after, slices.Concat(p.Start...)))
					t.Logf("off by %.1e, PyTorch's float32 by %.1e", off, p.Noise)
					if limit := max(2e-3, 4*p.Noise); !(off <= limit) {
						t.Errorf("the change of the logits is off by %.1e, more than %.1e", off, limit)
					}
					if len(losses) != len(p.Losses) {
						t.Fatalf("%d steps, want %d", len(losses), len(p.Losses))
					}
					for i, want := range p.Losses {
						if d := math.Abs(losses[i] - want); !(d <= max(1e-3, 4*p.Noise)*want+1e-6) {
							t.Errorf("loss before step %d is %g, want %g", i, losses[i], want)
						}
					}
				})
			}
		})
	}
}
