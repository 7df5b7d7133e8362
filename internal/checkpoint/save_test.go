package checkpoint

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// stateDict holds a tensor of every type that PyTorch 1.13 knows, among them scalars, empty and
// tied ones.
func stateDict() *StateDict {
	d := &StateDict{}
	add := func(name string, t *tensor.Tensor) { d.add(name, t, name, "own name", Exact) }
	tied := tensor.Of([]float32{1, -2.5, 3, 4, 5, 6}, 2, 3)
	add("z.first", tied)
	add("f64", tensor.Of([]float64{1, 2}, 2))
	add("f16", &tensor.Tensor{DType: tensor.Float16, Shape: tensor.Shape{1, 2}, Bytes: []byte{0, 60, 0, 64}})
	add("i8", tensor.Of([]int8{-1, 2}, 2))
	add("i16", tensor.Of([]int16{-1, 2}, 2, 1))
	add("i32", tensor.Of([]int32{-1, 2, 3}, 3))
	add("u8", tensor.Of([]uint8{255}, 1))
	add("mask", tensor.Of([]bool{true, false}, 2))
	add("steps", tensor.Scalar(int64(1<<40)))
	add("empty", tensor.New(tensor.Float32, 0, 4))
	add("a.tied", tied)
	return d
}

func save(t *testing.T, d *StateDict, name string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := d.Save(&b, name); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestSave: every format gives the same tensors back.
func TestSave(t *testing.T) {
	for name, format := range map[string]string{"x.safetensors": "safetensors", "x.pth": "PyTorch", "x.PT": "PyTorch", "pytorch_model.bin": "PyTorch", "x.npz": "npz"} {
		d := stateDict()
		b := save(t, d, name)
		c, err := Read(bytes.NewReader(b), int64(len(b)), "")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if c.Format != format || len(c.Tensors) != len(d.Tensors) {
			t.Errorf("%s: %s with %d tensors, want %s with %d", name, c.Format, len(c.Tensors), format, len(d.Tensors))
		}
		for i, want := range d.Tensors {
			got := c.get(want.Name)
			if !same(got, want.tensor) {
				t.Errorf("%s: %s is %v %v, want %v %v", name, want.Name, got.DType, got.Bytes, want.tensor.DType, want.tensor.Bytes)
			}
			if format != "safetensors" && c.Tensors[i].Name != want.Name {
				t.Errorf("%s: tensor %d is %s, want %s", name, i, c.Tensors[i].Name, want.Name)
			}
		}
		if !bytes.Equal(b, save(t, stateDict(), name)) {
			t.Errorf("%s: written twice, the bytes differ", name)
		}
	}
}

// TestSaveAligned: the numbers lie where they can be mapped into memory.
func TestSaveAligned(t *testing.T) {
	for _, name := range []string{"x.pth", "x.npz"} {
		b := save(t, stateDict(), name)
		z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range z.File {
			off, err := f.DataOffset()
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(f.Name, ".npy") { // the numbers follow the header
				off += 10 + int64(binary.LittleEndian.Uint16(b[off+8:]))
			}
			if off%archiveAlign != 0 {
				t.Errorf("%s: %s begins at byte %d", name, f.Name, off)
			}
		}
	}
}

// TestSaveTied: names that share a tensor share its storage.
func TestSaveTied(t *testing.T) {
	b := save(t, stateDict(), "x.pth")
	c, err := Read(bytes.NewReader(b), int64(len(b)), "")
	if err != nil {
		t.Fatal(err)
	}
	if c.get("a.tied") != c.get("z.first") {
		t.Error("two tensors, want one")
	}
}

func TestSaveErrors(t *testing.T) {
	with := func(name string, x *tensor.Tensor) *StateDict {
		d := stateDict()
		d.add(name, x, name, "own name", Exact)
		return d
	}
	for _, c := range []struct {
		d          *StateDict
		name, want string
	}{
		{stateDict(), "x.h5", "want .safetensors, .pth, .pt or .bin"},
		{stateDict(), "x", "want .safetensors"},
		{with("f64", tensor.Scalar(1.5)), "x.pth", `two tensors would be called "f64"`},
		{with("wide", tensor.Scalar(uint32(1))), "x.pt", `tensor "wide": PyTorch has no storage for uint32`},
		{with("brain", tensor.New(tensor.BFloat16, 2)), "x.npz", `tensor "brain": NumPy has no type for bfloat16`},
	} {
		var b bytes.Buffer
		if err := c.d.Save(&b, c.name); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// TestSavedIsPyTorchs: PyTorch and NumPy read the files, PyTorch with weights_only=True.
func TestSavedIsPyTorchs(t *testing.T) {
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import torch").Run(); err != nil {
		t.Skipf("%s has no torch: %v", python, err)
	}
	dir := t.TempDir()
	d := stateDict()
	for _, name := range []string{"x.pth", "x.npz"} {
		if err := os.WriteFile(filepath.Join(dir, name), save(t, d, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d.add("brain", &tensor.Tensor{DType: tensor.BFloat16, Shape: tensor.Shape{2}, Bytes: []byte{128, 63, 0, 64}}, "", "", Exact)
	if err := os.WriteFile(filepath.Join(dir, "brain.pt"), save(t, d, "brain.pt"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-c", `
import numpy, torch
for file in ["x.pth", "brain.pt"]:
    d = torch.load(file, weights_only=True)
    for name, t in d.items():
        print(file, name, str(t.dtype).split(".")[1], list(t.shape), t.flatten().tolist())
    d["z.first"][0, 0] = 9
    print(file, d["a.tied"][0, 0].item())
for name, a in numpy.load("x.npz").items():
    print("x.npz", name, a.dtype, list(a.shape), a.flatten().tolist())
`)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for _, want := range []string{
		"x.pth z.first float32 [2, 3] [1.0, -2.5, 3.0, 4.0, 5.0, 6.0]",
		"x.pth f64 float64 [2] [1.0, 2.0]",
		"x.pth f16 float16 [1, 2] [1.0, 2.0]",
		"x.pth i8 int8 [2] [-1, 2]",
		"x.pth i16 int16 [2, 1] [-1, 2]",
		"x.pth i32 int32 [3] [-1, 2, 3]",
		"x.pth u8 uint8 [1] [255]",
		"x.pth mask bool [2] [True, False]",
		"x.pth steps int64 [] [1099511627776]",
		"x.pth empty float32 [0, 4] []",
		"x.pth 9.0",
		"brain.pt brain bfloat16 [2] [1.0, 2.0]",
		"x.npz z.first float32 [2, 3] [1.0, -2.5, 3.0, 4.0, 5.0, 6.0]",
		"x.npz mask bool [2] [True, False]",
		"x.npz steps int64 [] [1099511627776]",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}
