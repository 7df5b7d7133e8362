package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// network is a model to measure and what is expected of it.
type network struct {
	name  string
	file  string // in the folder of shared models; "" for one that torchvision has
	batch int
	size  int
	ort   [2]float64 // times as fast forward as ONNX Runtime: at least, aim
	torch [2]float64 // times as fast in a full step as PyTorch's best
}

var networks = []network{
	{name: "resnet18", batch: 16, size: 224, ort: [2]float64{1.3, 2.0}, torch: [2]float64{1.1, 1.5}},
	{name: "resnet50", batch: 16, size: 224, ort: [2]float64{1.1, 1.4}, torch: [2]float64{1.3, 2.0}},
	{name: "vit_b_16", batch: 4, size: 224, ort: [2]float64{1.1, 1.4}, torch: [2]float64{1.3, 2.0}},
	{name: "mobilenet_v2", batch: 16, size: 224, ort: [2]float64{1.0, 1.3}, torch: [2]float64{2.0, 3.0}},
	{name: "efficientnet_b0", batch: 16, size: 224, ort: [2]float64{1.0, 1.3}, torch: [2]float64{1.5, 2.5}},
	{name: "resnet20-cifar10", file: "resnet20-cifar10-folded.onnx", batch: 128, size: 32, ort: [2]float64{1.3, 2.0}},
	{name: "resnet56-cifar10", file: "resnet56-cifar10.onnx", batch: 128, size: 32, ort: [2]float64{1.3, 2.0}},
}

func networkOf(name string) network {
	for _, n := range networks {
		if n.name == name {
			return n
		}
	}
	panic("bench: no network " + name)
}

// errMissing says that a network's file is neither there nor can be made.
var errMissing = errors.New("is not here")

// model is the network's ONNX file, exported now where torchvision has it. kept leaves batch norm as its
// own nodes, as training wants it; otherwise it is folded into the convolutions, as for inference.
func (b *bench) model(ctx context.Context, n network, kept bool) (string, error) {
	if n.file != "" {
		path := filepath.Join("..", "shared", "models", n.file)
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("%s %w", n.file, errMissing)
		}
		return path, nil
	}
	dir, how := filepath.Join(b.dir, "folded"), "folded"
	if kept {
		dir, how = filepath.Join(b.dir, "kept"), "kept"
	}
	path := filepath.Join(dir, n.name+".onnx")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if b.python == "" {
		return "", fmt.Errorf("%s %w, and there is no PyTorch to export it", path, errMissing)
	}
	b.say("exporting %s", path)
	out, err := exec.CommandContext(ctx, b.python, filepath.Join("internal", "parity", "export.py"),
		n.name, "--batchnorm", how, "--size", strconv.Itoa(n.size), "--out", dir).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("exporting %s: %w: %s", n.name, err, lastLine(string(out)))
	}
	return path, nil
}

func (n network) shape() string { return fmt.Sprintf("%d,3,%d,%d", n.batch, n.size, n.size) }

// ours is permafrost bench on a model.
func (b *bench) ours(path string, n network, key string, args ...string) contender {
	cmd := []string{b.permafrost, "bench", path, "--batch", strconv.Itoa(n.batch), "--threads", strconv.Itoa(b.threads), "--steps", "10", "--json"}
	return contender{name: "Permafrost", cmd: append(cmd, args...), read: number(key)}
}

// forward compares inference with ONNX Runtime, which is the faster peer at it.
func (b *bench) forward(ctx context.Context) error {
	for _, n := range networks {
		if !b.wanted(n.name) {
			continue
		}
		path, err := b.model(ctx, n, false)
		if errors.Is(err, errMissing) {
			b.say("forward: %v", err)
			continue
		} else if err != nil {
			return err
		}
		cs := []contender{b.ours(path, n, "forward_ms_median")}
		if b.ort != "" {
			cs = append(cs, contender{name: "ONNX Runtime", env: []string{"PERMAFROST_ORT=" + b.ort}, read: number("ms_median"),
				cmd: []string{"node", filepath.Join("bench", "peers", "ort_bench.mjs"), path, n.shape(), strconv.Itoa(b.threads), fmt.Sprint(b.seconds)}})
		}
		ms, err := b.race(ctx, n.name+" forward", cs)
		if err != nil {
			return err
		}
		b.results.put("forward", row{Name: fmt.Sprintf("%s, batch %d", n.name, n.batch), Unit: "ms", Values: ms,
			Against: "ONNX Runtime", Least: n.ort[0], Aim: n.ort[1]})
	}
	return nil
}

// step compares a training step with everything thawed.
func (b *bench) step(ctx context.Context) error {
	for _, n := range networks {
		if !b.wanted(n.name) || n.file != "" {
			continue
		}
		path, err := b.model(ctx, n, true)
		if errors.Is(err, errMissing) {
			b.say("step: %v", err)
			continue
		} else if err != nil {
			return err
		}
		cs := append([]contender{b.ours(path, n, "step_ms_median", "--thaw", "all")},
			b.torch(number("ms_median"), "torch_bench.py", n.name, "--what", "full", "--batch", strconv.Itoa(n.batch), "--seconds", fmt.Sprint(b.seconds))...)
		ms, err := b.race(ctx, n.name+" step", cs)
		if err != nil {
			return err
		}
		b.results.put("step", row{Name: fmt.Sprintf("%s, batch %d", n.name, n.batch), Unit: "ms", Values: ms,
			Against: "PyTorch", Least: n.torch[0], Aim: n.torch[1]})
	}
	return nil
}

// gemm runs the kernel benchmarks of matrix products.
func (b *bench) gemm(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkGemm$/^(1024x1024x1024|4096x768x768)$", "-benchtime", "2s", "./internal/kernel")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("go test: %w\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) == 0 || !strings.HasPrefix(f[0], "BenchmarkGemm/") {
			continue
		}
		parts := strings.Split(f[0], "/")
		for i := range f {
			if f[i] == "%peak" {
				v, err := strconv.ParseFloat(f[i-1], 64)
				if err != nil {
					return err
				}
				threads, _, _ := strings.Cut(parts[2], "-")
				b.results.put("gemm", row{Name: parts[1] + ", " + strings.Replace(threads, "=", " ", 1), Unit: "% of peak",
					Values: map[string]float64{"Permafrost": v}, Least: 80, Aim: 92})
			}
		}
	}
	return nil
}
