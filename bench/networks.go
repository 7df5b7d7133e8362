package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// network is a model to measure and what is expected of it.
type network struct {
	name  string
	file  string // in the folder of shared models; "" for one that torchvision has
	batch int
	size  int        // of a picture
	ort   [2]float64 // times as fast forward as ONNX Runtime: at least, aim; no bar where both are 0
	torch bars       // times as fast in a full step as PyTorch's best

	// Models of sequences:
	inputs []string   // their names, each [batch, length]
	length int        // in tokens or samples
	stage  []string   // what is thawed in a step that trains the last stage and the head; none: there is no such row
	last   [2]float64 // times as fast in that step as PyTorch's best
}

// bars are what is asked of a network, at least and as an aim, with AVX-512 and with less.
type bars struct{ avx512, other [2]float64 }

func (b bars) at(level string) [2]float64 {
	if level == "avx512" {
		return b.avx512
	}
	return b.other
}

var networks = []network{
	{name: "resnet18", batch: 16, size: 224, ort: [2]float64{1.5, 2}, torch: bars{[2]float64{2, 2.5}, [2]float64{1.4, 1.8}}},
	{name: "resnet50", batch: 16, size: 224, ort: [2]float64{1.15, 1.4}, torch: bars{[2]float64{2.5, 3}, [2]float64{1.3, 1.7}}},
	{name: "vit_b_16", batch: 4, size: 224, ort: [2]float64{1.1, 1.3}, torch: bars{[2]float64{2.5, 3}, [2]float64{1.8, 2.2}}},
	{name: "mobilenet_v2", batch: 16, size: 224, ort: [2]float64{1.1, 1.3}, torch: bars{[2]float64{4, 5}, [2]float64{2, 3}}},
	{name: "efficientnet_b0", batch: 16, size: 224, ort: [2]float64{1.1, 1.3}, torch: bars{[2]float64{2.5, 3}, [2]float64{1.5, 2.2}}},
	{name: "resnet20-cifar10", file: "resnet20-cifar10-folded.onnx", batch: 128, size: 32, ort: [2]float64{1.3, 2}},
	{name: "resnet56-cifar10", file: "resnet56-cifar10.onnx", batch: 128, size: 32, ort: [2]float64{1.3, 2}},
	{name: "encoder", batch: 16, inputs: []string{"input_ids", "attention_mask"}, length: 128, ort: [2]float64{1.15, 1.4},
		torch: bars{[2]float64{1.2, 1.5}, [2]float64{1.2, 1.5}},
		stage: []string{"/layers.4/*", "/layers.5/*", "/pooler/*", "head"}, last: [2]float64{3, 4}},
	{name: "llama", batch: 8, inputs: []string{"input_ids"}, length: 128, ort: [2]float64{1.2, 1.5}},
	{name: "lstm_tagger", batch: 16, inputs: []string{"input_ids"}, length: 64, ort: [2]float64{1, 1.5}},
	{name: "wav2vec2", batch: 4, inputs: []string{"samples"}, length: 16000, ort: [2]float64{1.15, 1.4}},
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

// model is the network's ONNX file, exported now where torchvision has it. kept leaves batch norm
// as its own nodes, as training wants it; otherwise it is folded into the convolutions, as for
// inference.
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

// shape is that of every input.
func (n network) shape() string {
	if n.length > 0 {
		return fmt.Sprintf("%d,%d", n.batch, n.length)
	}
	return fmt.Sprintf("%d,3,%d,%d", n.batch, n.size, n.size)
}

// steps has PyTorch take training steps.
func (b *bench) steps(n network, what string) []contender {
	args := []string{n.name, "--what", what, "--batch", strconv.Itoa(n.batch), "--seconds", fmt.Sprint(b.seconds)}
	if n.length > 0 {
		args = append(args, "--length", strconv.Itoa(n.length))
	}
	return b.torch(number("ms_median"), "torch_bench.py", args...)
}

// ours is permafrost bench on a model.
func (b *bench) ours(path string, n network, key string, args ...string) contender {
	cmd := []string{b.permafrost, "bench", path, "--batch", strconv.Itoa(n.batch), "--threads", strconv.Itoa(b.threads), "--steps", "10", "--json"}
	for _, in := range n.inputs {
		cmd = append(cmd, "--shape", in+"="+n.shape())
	}
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

// step compares a training step with everything thawed, and one with the last stage.
func (b *bench) step(ctx context.Context) error {
	for _, n := range networks {
		if !b.wanted(n.name) || n.file != "" {
			continue
		}
		path, err := b.model(ctx, n, n.length == 0)
		if errors.Is(err, errMissing) {
			b.say("step: %v", err)
			continue
		} else if err != nil {
			return err
		}
		race := func(what, title string, bar [2]float64, thaw ...string) error {
			for i := range thaw {
				thaw[i] = "--thaw=" + thaw[i]
			}
			cs := append([]contender{b.ours(path, n, "step_ms_median", thaw...)}, b.steps(n, what)...)
			ms, err := b.race(ctx, n.name+" step"+title, cs)
			if err == nil {
				b.results.put("step", row{Name: fmt.Sprintf("%s, batch %d%s", n.name, n.batch, title), Unit: "ms", Values: ms,
					Against: "PyTorch", Least: bar[0], Aim: bar[1]})
			}
			return err
		}
		if err := race("full", "", n.torch.at(level()), "all"); err != nil {
			return err
		}
		if n.stage == nil {
			continue
		}
		if err := race("stage", ", last stage", n.last, slices.Clone(n.stage)...); err != nil {
			return err
		}
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
