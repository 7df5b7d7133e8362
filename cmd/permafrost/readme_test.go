package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/fixture"
)

// python is Debian's, which may have torch.
const python = "/usr/bin/python3"

// readmeBlocks are the blocks of a section of the README in fences with a mark.
func readmeBlocks(t *testing.T, heading, mark string) []string {
	t.Helper()
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(b), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("the README has no section %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var blocks []string
	var block *strings.Builder
	wanted := false
	for line := range strings.Lines(section) {
		fence, ok := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case ok && block == nil:
			block, wanted = new(strings.Builder), fence == mark
		case ok:
			if wanted {
				blocks = append(blocks, block.String())
			}
			block = nil
		case block != nil:
			block.WriteString(line)
		}
	}
	if block != nil {
		t.Fatalf("a fence of section %q is not closed", heading)
	}
	return blocks
}

// TestRoadFromPyTorch runs the README's road as it is written there: a state dict of torchvision
// comes in, is tuned, and goes back into PyTorch with strict loading. There it gives what the tuned
// ONNX file gives.
func TestRoadFromPyTorch(t *testing.T) {
	if testing.Short() {
		t.Skip("trains a ResNet-18")
	}
	if out, err := exec.Command(python, "-c", "import torch, torchvision, onnx").CombinedOutput(); err != nil {
		t.Skipf("%s lacks torch, torchvision or onnx: %s", python, out)
	}
	blocks := readmeBlocks(t, "Where a model comes from", "sh")
	if len(blocks) != 2 {
		t.Fatalf("the section has %d blocks of commands, want the road and the import", len(blocks))
	}
	bin := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", filepath.Join(bin, "permafrost"), ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	if err := os.Symlink(python, filepath.Join(bin, "python3")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("PERMAFROST_CACHE", "off")
	t.Chdir(t.TempDir())
	if err := fixture.WritePictures("photos", 8, 2, 1); err != nil {
		t.Fatal(err)
	}
	sh := func(script string) {
		t.Helper()
		out, err := exec.Command("bash", "-euc", script).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s\n%s", err, script, out)
		}
	}
	sh(`python3 -c '
import torch, torchvision
for seed, name in enumerate(["resnet18.pth", "other.pth"]):
    torch.manual_seed(seed)
    torch.save(torchvision.models.resnet18().state_dict(), name)'`)
	for _, block := range blocks {
		sh(block)
	}
	sh(`permafrost verify resnet18.onnx runs/photos/model.onnx
mkdir tuned other
python3 -c '
import onnx.numpy_helper, torch, torchvision
def record(folder, classes, weights):
    model = torchvision.models.resnet18(num_classes=classes)
    model.load_state_dict(torch.load(weights, weights_only=True))
    x = torch.rand(1, 3, 224, 224)
    for name, value in ("input_0", x), ("output_0", model.eval()(x)):
        with open(f"{folder}/{name}.pb", "wb") as f:
            f.write(onnx.numpy_helper.from_array(value.detach().numpy()).SerializeToString())
record("tuned", 2, "tuned.pth")
record("other", 1000, "other.pth")'
permafrost run runs/photos/model.onnx --data-set tuned --rtol 1e-3 --atol 1e-3
permafrost run other.onnx --data-set other --rtol 1e-3 --atol 1e-3`)
}

// The times, sizes and numbers of a line of output, which differ from machine to machine.
var (
	durations = regexp.MustCompile(`[0-9.]+ (ms|s|min|h)\b`)
	sizes     = regexp.MustCompile(`[0-9.]+ ([KMGT]i)?B\b`)
	kept      = regexp.MustCompile(`kept (on disk|in memory)`) // as time and space are
	others    = regexp.MustCompile(`(\t\S+ [0-9.]+%), .*%`)    // answers after the first
	figures   = regexp.MustCompile(`[0-9][0-9.,]*`)
)

// shape is a line of output without its numbers and the width of its columns.
func shape(line string) string {
	line = strings.TrimSuffix(strings.TrimRight(line, "\n"), "  best") // whether the last epoch is
	line = others.ReplaceAllString(line, "$1")
	line = kept.ReplaceAllString(line, "kept")
	line = durations.ReplaceAllString(line, "TIME")
	line = sizes.ReplaceAllString(line, "SIZE")
	return strings.Join(strings.Fields(figures.ReplaceAllString(line, "N")), " ")
}

// TestReadmeSession runs the README's session and holds what it shows to what comes out, but for
// numbers. A line ... stands for lines that are left out.
func TestReadmeSession(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the demo")
	}
	session := readmeBlocks(t, "A session", "")[0]
	t.Setenv("PERMAFROST_CACHE", t.TempDir())
	t.Chdir(t.TempDir())
	succeed(t, "demo", "--out", "story")
	t.Chdir("story")
	for _, c := range transcript("```\n" + session) {
		if o := succeed(t, strings.Fields(c.line)[1:]...); !shows(c.shown, o.stderr+o.stdout) {
			t.Errorf("%s: the README shows\n%s\nand this comes out\n%s%s", c.line, c.shown, o.stderr, o.stdout)
		}
	}
}
