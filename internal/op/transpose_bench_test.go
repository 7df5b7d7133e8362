package op

import (
	"fmt"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// BenchmarkTranspose reports the bytes written by the orders that networks use.
func BenchmarkTranspose(b *testing.B) {
	for _, c := range []struct {
		shape tensor.Shape
		perm  []int
	}{
		{tensor.Shape{16, 64, 56, 56}, []int{0, 2, 3, 1}},
		{tensor.Shape{16, 56, 56, 64}, []int{0, 3, 1, 2}},
		{tensor.Shape{16, 3, 224, 224}, []int{0, 2, 3, 1}},
		{tensor.Shape{16, 128, 12, 64}, []int{0, 2, 1, 3}},
		{tensor.Shape{16, 128, 12, 64}, []int{0, 2, 3, 1}},
		{tensor.Shape{1024, 1024}, []int{1, 0}},
	} {
		b.Run(fmt.Sprint(c.shape, c.perm), func(b *testing.B) {
			x, y := tensor.New(tensor.Float32, c.shape...), tensor.New(tensor.Float32, permuted(c.shape, c.perm)...)
			run := permute[uint32](newPermutation(c.shape, c.perm))
			b.SetBytes(int64(len(y.Bytes)))
			for b.Loop() {
				if err := run([]*tensor.Tensor{x}, []*tensor.Tensor{y}, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
