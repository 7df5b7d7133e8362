// Bench runs Permafrost and its peers in turn, side by side on the same machine, and writes what it
// found.
//
//	go run ./bench                                        everything, about an hour
//	go run ./bench -sections forward -models resnet18     one part of it
//	go run ./bench -setup DIR                             how to get the peers
//
// Peers are PyTorch (as installed, and channels last with OpenBLAS told what the processor is) and
// ONNX Runtime; one that is not there is left out, and said so. Each contender of a row runs in its
// own process, one after the other, several rounds; a row holds the medians of the rounds. Results
// are kept in benchmarks.json in the output folder, so that parts may be measured one at a time;
// benchmarks.md and the pictures are drawn from it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
)

// bench is one run of this program.
type bench struct {
	models  []string
	rounds  int
	threads int
	seconds float64
	epochs  int
	permafrost,
	python, ort string
	dir, data, shared, out string
	mode                   string // of PyTorch, "" for all

	results *results
}

// section is one part of the report.
type section struct {
	name, title string
	run         func(*bench, context.Context) error
}

var sections = []section{
	{"forward", "Forward pass, all weights frozen", (*bench).forward},
	{"small", "Small models, one example", (*bench).small},
	{"step", "Full training step", (*bench).step},
	{"jobs", "Whole fine-tuning jobs", (*bench).jobs},
	{"speech", "Jobs on sounds and texts", (*bench).speech},
	{"memory", "Peak memory of a job", (*bench).memory},
	{"gemm", "Matrix products", (*bench).gemm},
	{"growth", "Cost as work grows", (*bench).growth},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var names []string
	for _, s := range sections {
		names = append(names, s.name)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	b := &bench{}
	parts := flag.String("sections", strings.Join(names, ","), "what to measure")
	models := flag.String("models", "", "networks, or data of the jobs on sounds and texts, to measure, by name (default: all)")
	setup := flag.String("setup", "", "print how to install the peers into `DIR`, and end")
	flag.IntVar(&b.rounds, "rounds", 3, "times that every contender has its turn")
	flag.IntVar(&b.threads, "threads", 2, "threads of every contender")
	flag.Float64Var(&b.seconds, "seconds", 5, "time for which a peer repeats its work in a turn")
	flag.IntVar(&b.epochs, "epochs", 10, "epochs of a job")
	flag.StringVar(&b.permafrost, "permafrost", "", "binary to measure (default: built from ./cmd/permafrost)")
	flag.StringVar(&b.python, "python", "", "interpreter with torch and torchvision (default: found)")
	flag.StringVar(&b.mode, "torch", "", "the one mode of PyTorch to measure, plain or channels_last (default: both)")
	flag.StringVar(&b.ort, "ort", os.Getenv("PERMAFROST_ORT"), "node_modules folder that holds onnxruntime-node (default: $PERMAFROST_ORT, ./node_modules)")
	flag.StringVar(&b.dir, "dir", filepath.Join(cache, "permafrost-bench"), "folder of the networks' ONNX files; those missing are exported from torchvision")
	flag.StringVar(&b.data, "data", filepath.Join("..", "shared", "data", "ants-bees"), "pictures of the jobs: train/CLASS/*, val/CLASS/*")
	flag.StringVar(&b.shared, "shared", filepath.Join("..", "shared"), "folder of the models and data of the jobs on sounds and texts")
	flag.StringVar(&b.out, "out", "docs", "folder that the report is written to")
	flag.Parse()
	if *setup != "" {
		fmt.Printf(setupText, *setup)
		return nil
	}
	if *models != "" {
		b.models = strings.Split(*models, ",")
	}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	for _, name := range strings.Split(*parts, ",") {
		i := slices.IndexFunc(sections, func(s section) bool { return s.name == name })
		if i < 0 {
			return fmt.Errorf("-sections: %q is none of %s", name, strings.Join(names, ", "))
		}
		if err := sections[i].run(b, ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := b.write(); err != nil {
			return err
		}
	}
	return nil
}

// prepare finds the contenders.
func (b *bench) prepare(ctx context.Context) error {
	var err error
	if b.results, err = load(filepath.Join(b.out, "benchmarks.json")); err != nil {
		return err
	}
	b.results.rounds = b.rounds
	if b.permafrost == "" {
		b.permafrost = filepath.Join(b.dir, "permafrost")
		if err := os.MkdirAll(b.dir, 0o755); err != nil {
			return err
		}
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", b.permafrost, "./cmd/permafrost").CombinedOutput(); err != nil {
			return fmt.Errorf("building permafrost: %w\n%s", err, out)
		}
	}
	if b.python == "" {
		for _, p := range []string{"python3", "/usr/bin/python3"} {
			if exec.CommandContext(ctx, p, "-c", "import torch, torchvision").Run() == nil {
				b.python = p
				break
			}
		}
	}
	if b.python == "" {
		b.say("PyTorch is not here and is left out (-setup says how to get it)")
	} else if out, err := exec.CommandContext(ctx, b.python, "-c", blasCheck).CombinedOutput(); err != nil {
		return fmt.Errorf("PyTorch of %s: %w\n%s", b.python, err, out)
	}
	if b.ort == "" {
		b.ort = "node_modules"
	}
	if _, err := os.Stat(filepath.Join(b.ort, "onnxruntime-node")); err != nil {
		b.ort = ""
		b.say("ONNX Runtime is not here and is left out (-setup says how to get it)")
	} else if b.ort, err = filepath.Abs(b.ort); err != nil {
		return err
	}
	b.results.machine(b.threads)
	return nil
}

func (b *bench) say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// wanted reports whether a network was asked for.
func (b *bench) wanted(model string) bool { return b.models == nil || slices.Contains(b.models, model) }

// blasCheck refuses a PyTorch whose products are the reference loops of BLAS, as Debian's are without
// an optimised library: they take many times as long, which would tell nothing of PyTorch.
const blasCheck = `
import torch
torch.mm(torch.ones(64, 64), torch.ones(64, 64))
try:
    maps = open("/proc/self/maps").read()
except OSError:
    maps = ""
if "libblas.so" in maps and not any(fast in maps for fast in ("openblas", "mkl", "blis", "atlas")):
    raise SystemExit("it multiplies by the reference BLAS, which nobody would use: install an optimised one (-setup says how)")
`

const setupText = `The peers, into %[1]s and the system:

PyTorch: a Python 3 with torch, torchvision and onnx, for example Debian's packages
    apt install python3-torch python3-torchvision python3-onnx python3-pil libopenblas0-pthread
or, in a virtual environment (name its interpreter with -python),
    python3 -m venv %[1]s/venv && %[1]s/venv/bin/pip install torch torchvision onnx pillow

ONNX Runtime: node 18 or later, and its package
    npm install --ignore-scripts --prefix %[1]s onnxruntime-node@1.30.0
    export PERMAFROST_ORT=%[1]s/node_modules
`
