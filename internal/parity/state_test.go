package parity

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/atomicfile"
	"github.com/permafrost-ml/permafrost/internal/checkpoint"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/safetensors"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// runPython runs one of the scripts beside this file.
func runPython(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(python(), args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, stderr.String())
	}
	return out
}

func writeStateDict(t *testing.T, path string, f *safetensors.File) {
	t.Helper()
	if err := atomicfile.Write(path, func(w io.Writer) error { return safetensors.Write(w, *f) }); err != nil {
		t.Fatal(err)
	}
}

// TestStateDict takes the state dict of resnet18 into an ONNX file of other weights and back, from
// PyTorch's format and from safetensors, batch norm kept and folded. The imported file is what
// PyTorch exports with those weights, byte for byte; the state dict comes back to the bit, and
// PyTorch loads it.
func TestStateDict(t *testing.T) {
	if testing.Short() {
		t.Skip("PyTorch takes a while")
	}
	if python() == "" {
		t.Skip("no python3 with torch, torchvision, onnx and PIL")
	}
	const name = "resnet18"
	dir := t.TempDir()
	at := func(parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) }
	runPython(t, "state.py", "save", name, at("state.pth"))
	fromTorch, err := checkpoint.Open(at("state.pth"), "")
	if err != nil {
		t.Fatal(err)
	}
	if fromTorch.Entry != "state_dict" || len(fromTorch.Tensors) != 122 {
		t.Fatalf("entry %q with %d tensors, want state_dict with 122", fromTorch.Entry, len(fromTorch.Tensors))
	}
	f := &safetensors.File{Tensors: map[string]*tensor.Tensor{}}
	for _, x := range fromTorch.Tensors {
		f.Tensors[x.Name] = x.Tensor
	}
	writeStateDict(t, at("state.safetensors"), f)
	for _, norm := range []string{"kept", "folded"} {
		for seed, folder := range map[string]string{"0": "want", "1": "architecture"} {
			runPython(t, "export.py", name, "--size", "64", "--seed", seed, "--batchnorm", norm, "--out", at(norm, folder))
		}
		want, err := os.ReadFile(at(norm, "want", name+".onnx"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{"state.pth", "state.safetensors"} {
			t.Run(norm+" "+filepath.Ext(file), func(t *testing.T) {
				c, err := checkpoint.Open(at(file), "")
				if err != nil {
					t.Fatal(err)
				}
				m, err := onnx.Open(at(norm, "architecture", name+".onnx"))
				if err != nil {
					t.Fatal(err)
				}
				r, err := checkpoint.Find(m, c, checkpoint.Options{})
				if err == nil {
					err = r.Check()
				}
				if err != nil {
					t.Fatal(err)
				}
				b, err := m.Bytes(r.Patch())
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(b, want) {
					t.Error("the imported file is not what PyTorch exports with these weights")
				}
				imported, err := onnx.Parse(b, "")
				if err != nil {
					t.Fatal(err)
				}
				back(t, imported, c, at("back.safetensors"), true)
				if norm == "folded" {
					back(t, scaled(t, imported), c, at("back.safetensors"), false)
				}
			})
		}
	}
}

// scaled is m with every weight multiplied by 1+2^-10, as if all had trained.
func scaled(t *testing.T, m *onnx.Model) *onnx.Model {
	t.Helper()
	p := &onnx.Patch{Tensors: map[string]*tensor.Tensor{}}
	for _, w := range m.Params {
		v := w.Tensor.Clone()
		for i := range v.F32() {
			v.F32()[i] *= 1 + 1.0/1024
		}
		p.Tensors[w.Name] = v
	}
	b, err := m.Bytes(p)
	if err != nil {
		t.Fatal(err)
	}
	out, err := onnx.Parse(b, "")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// back exports m as the state dict c. Where untouched, all of it is c to the bit, and PyTorch has
// the same network again. Where trained, folding again gives m to rounding, and what was divided is
// called rounded.
func back(t *testing.T, m *onnx.Model, c *checkpoint.Checkpoint, path string, untouched bool) {
	t.Helper()
	d, err := checkpoint.ExportAs(m, c, checkpoint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.Save(f, path), f.Close()); err != nil {
		t.Fatal(err)
	}
	again, err := checkpoint.Open(path, "")
	if err != nil {
		t.Fatal(err)
	}
	if len(again.Tensors) != len(c.Tensors) {
		t.Fatalf("%d tensors came back of %d", len(again.Tensors), len(c.Tensors))
	}
	rounded := 0
	for _, e := range d.Tensors {
		if e.Exact == checkpoint.Rounded {
			rounded++
		}
	}
	if untouched {
		if rounded > 0 {
			t.Errorf("untouched, but %d tensors are called rounded", rounded)
		}
		for _, x := range again.Tensors {
			if want := tensorOf(c, x.Name); want == nil || !bytes.Equal(x.Tensor.Bytes, want.Bytes) {
				t.Errorf("%s is not the checkpoint's", x.Name)
			}
		}
		if c.Format == "PyTorch" {
			loads(t, path)
		}
		return
	}
	if want := 2 * 20; rounded != want { // a weight and a bias of each convolution
		t.Errorf("%d tensors are called rounded, want %d", rounded, want)
	}
	r, err := checkpoint.Find(m, again, checkpoint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	worst := 0.0
	for _, mt := range r.Matched {
		got, want := mt.Value().F32(), m.Param(mt.Tensor).Tensor.F32()
		most := 0.0
		for _, x := range want {
			most = max(most, math.Abs(float64(x)))
		}
		for i := range want {
			worst = max(worst, math.Abs(float64(got[i]-want[i]))/most)
		}
	}
	t.Logf("folded, trained, undone and folded again: off by %.1e of each tensor's largest number", worst)
	if worst > 1e-6 {
		t.Errorf("folded again it is off by %g", worst)
	}
}

// loads checks that PyTorch takes the file at path for the state dict of the network, to the bit.
func loads(t *testing.T, path string) {
	t.Helper()
	var py struct {
		Same, Of int
		Off      float64
	}
	if err := json.Unmarshal(runPython(t, "state.py", "load", "resnet18", path), &py); err != nil {
		t.Fatal(err)
	}
	if py.Same != py.Of || py.Off != 0 {
		t.Errorf("PyTorch finds %d of %d tensors the same and its outputs off by %g", py.Same, py.Of, py.Off)
	}
}

func tensorOf(c *checkpoint.Checkpoint, name string) *tensor.Tensor {
	for _, x := range c.Tensors {
		if x.Name == name {
			return x.Tensor
		}
	}
	return nil
}
