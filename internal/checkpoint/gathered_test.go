package checkpoint

import (
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// arranged is table[index] as PyTorch's code of many networks brings it to a bias of attention:
// [n,width], or with the width first.
func arranged(table *tensor.Tensor, index []int64, widthFirst bool, shape ...int) *tensor.Tensor {
	width, n := table.Shape[1], len(index)
	out := tensor.New(tensor.Float32, shape...)
	for i, row := range index {
		for c := range width {
			at := i*width + c
			if widthFirst {
				at = c*n + i
			}
			out.F32()[at] = table.F32()[int(row)*width+c]
		}
	}
	return out
}

// A constant that the exporter gathered from a table is gathered from the checkpoint's, whatever
// the tensors are called, and comes back as a table; where it cannot be told how, the tensors are
// named.
func TestGathered(t *testing.T) {
	// 4 steps, 7 distances, the last row of 8 unused
	index := []int64{3, 2, 1, 0, 4, 3, 2, 1, 5, 4, 3, 2, 6, 5, 4, 3}
	bias := func(widthFirst bool, shape ...int) *ir.Value {
		return g0.NewParam("onnx::Add_7", arranged(random("theirs", 8, 3), index, widthFirst, shape...))
	}
	for _, c := range []struct {
		name  string
		value *ir.Value
		first bool
		found bool
	}{
		{"width first", bias(true, 1, 3, 4, 4), true, true},
		{"width last", bias(false, 4, 4, 3), false, true},
		{"flat", bias(false, 16, 1, 3), false, true},
		{"of another table or order", g0.NewParam("onnx::Add_7", random("free", 1, 3, 4, 4)), true, false},
		{"all equal", g0.NewParam("onnx::Add_7", tensor.New(tensor.Float32, 1, 3, 4, 4)), true, true},
	} {
		m := model(t, layer{"/block/mix/Add", nil, []*ir.Value{c.value}})
		k := ckpt("block.mix.offsets 8,3")
		k.Tensors = append(k.Tensors, Named{"block.mix.places", tensor.Of(index, 4, 4)})
		r, err := Find(m, k, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Check(); !c.found {
			if err == nil || !strings.Contains(err.Error(), "nothing matches") {
				t.Errorf("%s: %v", c.name, err)
			}
			if len(r.Missing) != 1 || !strings.Contains(r.Missing[0].Why, "from block.mix.offsets, and how cannot be told") {
				t.Errorf("%s: missing %+v", c.name, r.Missing)
			}
			continue
		} else if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got := apply(t, m, r)
		if want := arranged(k.get("block.mix.offsets"), index, c.first, c.value.Data.Shape...); !same(got.Param("onnx::Add_7").Tensor, want) {
			t.Errorf("%s: %v, want %v", c.name, got.Param("onnx::Add_7").Tensor.F32(), want.F32())
		}
		d, err := ExportAs(got, k, Options{})
		if err != nil || len(d.Tensors) != 2 || !same(d.Tensors[0].tensor, k.get("block.mix.offsets")) || d.Tensors[0].Exact != Exact {
			t.Errorf("%s: exported %+v, %v", c.name, d, err)
		}
		for _, x := range got.Param("onnx::Add_7").Tensor.F32() {
			if x < 0.5 {
				t.Fatalf("%s: %v is not of the table", c.name, x)
			}
		}
		// Doubled as a whole it is still gathered; one element for itself is not.
		v := got.Param("onnx::Add_7").Tensor
		for i := range v.F32() {
			v.F32()[i] *= 2
		}
		d, err = ExportAs(got, k, Options{})
		if err != nil || d.Tensors[0].tensor.F32()[4] != 2*k.get("block.mix.offsets").F32()[4] || d.Tensors[0].tensor.F32()[23] != k.get("block.mix.offsets").F32()[23] {
			t.Errorf("%s: doubled: %+v, %v", c.name, d, err)
		}
	}
}

// After training, elements of one origin differ: no table gives them.
func TestGatheredTrained(t *testing.T) {
	index := []int64{1, 0, 2, 1}
	f := &gathered{table: &source{Named: Named{"t", random("t", 3, 2)}}, rows: []int{1, 0, 2, 1}, width: 2, inner: 4}
	v := f.gather(tensor.Shape{2, 2, 2})
	if want := arranged(f.table.Tensor, index, true, 2, 2, 2); !same(v, want) {
		t.Fatalf("%v, want %v", v.F32(), want.F32())
	}
	v.F32()[7]++
	if _, ok := f.scatter(v); ok {
		t.Error("a table is made of elements that differ")
	}
}
