package op_test

import (
	"compress/gzip"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// TestContrib holds the contributed operators of ONNX Runtime against its own results, which
// testdata/contrib_ops.py makes.
func TestContrib(t *testing.T) {
	f, err := os.Open(filepath.Join("testdata", "contrib_ops.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	type numbers struct {
		DType string
		Shape []int
		Data  []float64
	}
	var cases []struct {
		Name            string
		Model           []byte
		Inputs, Outputs map[string]numbers
	}
	if err := json.NewDecoder(z).Decode(&cases); err != nil {
		t.Fatal(err)
	}
	read := func(m map[string]numbers) (ts []*tensor.Tensor) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			n := m[k]
			var x *tensor.Tensor
			switch n.DType {
			case "int64":
				x = tensor.New(tensor.Int64, n.Shape...)
				for i, v := range n.Data {
					x.I64()[i] = int64(v)
				}
			case "int32":
				x = tensor.New(tensor.Int32, n.Shape...)
				for i, v := range n.Data {
					tensor.Data[int32](x)[i] = int32(v)
				}
			case "uint8":
				x = tensor.New(tensor.Uint8, n.Shape...)
				for i, v := range n.Data {
					x.Bytes[i] = uint8(v)
				}
			default:
				x = tensor.New(tensor.Float32, n.Shape...)
				for i, v := range n.Data {
					x.F32()[i] = float32(v)
				}
			}
			ts = append(ts, x)
		}
		return ts
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "model.onnx")
			if err := os.WriteFile(path, c.Model, 0o644); err != nil {
				t.Fatal(err)
			}
			got, err := run(path, read(c.Inputs))
			if err != nil {
				t.Fatal(err)
			}
			want := read(c.Outputs)
			if len(got) != len(want) {
				t.Fatalf("%d outputs, want %d", len(got), len(want))
			}
			for i := range want {
				if err := tensor.Close(got[i], want[i], tensor.Tolerance{Name: "ONNX Runtime", Rel: 1e-4, Abs: 2e-6}); err != nil {
					t.Errorf("output %d: %v", i, err)
				}
			}
		})
	}
}
