package compress

import (
	"encoding/binary"
	"math"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Half keeps a number in 16 bits, as a float16 of its share of the largest magnitude among 1,024
// neighbours. So small numbers keep eleven bits too.
type Half struct{}

// Encode appends two bytes a number and four for each 1,024.
func (Half) Encode(dst []byte, x []float32) []byte {
	for len(x) > 0 {
		b := x[:min(block, len(x))]
		x = x[len(b):]
		s := scaleOf(b)
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(s))
		for _, v := range b {
			dst = binary.LittleEndian.AppendUint16(dst, tensor.Float32ToFloat16(ratio(v, s)))
		}
	}
	return dst
}

// Decode reads n numbers.
func (Half) Decode(b []byte, n int) ([]float32, error) {
	want := 2*n + 4*blocks(n)
	if len(b) != want {
		return nil, wrongLength(b, want, n)
	}
	out := make([]float32, 0, n)
	for len(out) < n {
		s := math.Float32frombits(binary.LittleEndian.Uint32(b))
		if err := checkScale(s); err != nil {
			return nil, err
		}
		b = b[4:]
		for range min(block, n-len(out)) {
			v, err := share(tensor.Float16ToFloat32(binary.LittleEndian.Uint16(b)), s)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
			b = b[2:]
		}
	}
	return out, nil
}

func blocks(n int) int { return (n + block - 1) / block }

// ratio is v/s, for a scale of 0 too.
func ratio(v, s float32) float32 {
	if s == 0 {
		return 0
	}
	return v / s
}
