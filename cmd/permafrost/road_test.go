package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/fixture"
)

// python is Debian's, which may have torch.
const python = "/usr/bin/python3"

// roadBlocks are the commands of a section of the README, in its fences marked "sh".
func roadBlocks(t *testing.T, heading string) []string {
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
	for _, part := range strings.Split(section, "```sh\n")[1:] {
		block, _, closed := strings.Cut(part, "```")
		if !closed {
			t.Fatalf("a fence of section %q is not closed", heading)
		}
		blocks = append(blocks, block)
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
	blocks := roadBlocks(t, "Where a model comes from")
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
