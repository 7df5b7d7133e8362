package tuned

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// A tensor comes back bit for bit, whole or sparse, whichever is smaller.
func TestSparse(t *testing.T) {
	for _, dt := range []tensor.DType{tensor.Float32, tensor.Float16, tensor.Int64, tensor.Int8} {
		was := tensor.New(dt, 10, 10)
		for _, changed := range []int{0, 1, 20, 60, 100} {
			is := was.Clone()
			for i := range changed {
				is.Bytes[(i*100/max(changed, 1))*dt.Size()] = 0x80 // minus zero in some types: bits count, not values
			}
			f := map[string]*tensor.Tensor{}
			putSparse(f, "w", was, is)
			bytes := 0
			for _, x := range f {
				bytes += len(x.Bytes)
			}
			if sparse := f["w"] == nil; sparse != (dt.Size() > 1 && changed*(4+dt.Size()) < len(is.Bytes)) || bytes > len(is.Bytes) {
				t.Errorf("%v, %d changed: stored as %v in %d bytes", dt, changed, slices.Collect(maps.Keys(f)), bytes)
			}
			got := f["w"]
			if got == nil {
				var err error
				if got, err = getSparse(f, "w", was); err != nil {
					t.Fatal(err)
				}
			}
			if string(got.Bytes) != string(is.Bytes) {
				t.Errorf("%v, %d changed: other bits came back", dt, changed)
			}
		}
	}
	base := tensor.New(tensor.Float32, 4)
	for _, bad := range []map[string]*tensor.Tensor{
		{"w:indices": tensor.Of([]uint32{1})},
		{"w:indices": tensor.Of([]uint32{4}), "w:values": tensor.New(tensor.Float32, 1)},
		{"w:indices": tensor.Of([]uint32{1}), "w:values": tensor.New(tensor.Float16, 1)},
		{"w:indices": tensor.Of([]uint32{1}), "w:values": tensor.New(tensor.Float32, 2)},
		{"w:indices": tensor.Of([]int64{1}), "w:values": tensor.New(tensor.Float32, 1)},
	} {
		if _, err := getSparse(bad, "w", base); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%v: %v", bad, err)
		}
	}
}
