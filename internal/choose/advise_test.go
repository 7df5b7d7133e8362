package choose

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/fixture/shared"
)

// TestAdviseSigns: a CIFAR-10 trunk underfits hand signs, also those of a few pictures; fits agree
// that thawing wins by far.
func TestAdviseSigns(t *testing.T) {
	if testing.Short() {
		t.Skip("reads a real model and data")
	}
	model, signs := shared.Path(t, "models", "resnet20-cifar10.onnx"), shared.Path(t, "data", "sign-digits", "train")
	classes, err := os.ReadDir(signs)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, c := range classes {
		if err := os.Mkdir(filepath.Join(dir, c.Name()), 0o755); err != nil {
			t.Fatal(err)
		}
		pictures, err := os.ReadDir(filepath.Join(signs, c.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(pictures); i += 6 {
			name := filepath.Join(c.Name(), pictures[i].Name())
			b, err := os.ReadFile(filepath.Join(signs, name))
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, name), b, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	cfg := config.DefaultConfig()
	cfg.Model, cfg.Data, cfg.Cache = model, dir, "ram"
	a, err := Advise(t.Context(), AdviseOptions{Config: cfg})
	if err != nil {
		t.Fatal(err)
	}
	if a.Recommended.Thaw == "head" {
		t.Errorf("advice: %+v", a.Recommended)
	}
	if len(a.Depths) != probedDepths+1 {
		t.Errorf("%d depths, want %d", len(a.Depths), probedDepths+1)
	}
	if got := fmt.Sprint(a.Blocks); len(a.Gradients) != len(a.Blocks) {
		t.Errorf("gradients of %d blocks of %s", len(a.Gradients), got)
	}
}
