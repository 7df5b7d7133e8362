package compress

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Byte keeps a number in 8 bits, as one of 255 even steps up to the largest magnitude among 1,024
// neighbours. It rounds to the nearest step, ties to the even one.
type Byte struct{}

const steps = 127

// Encode appends one byte a number and four for each 1,024.
func (Byte) Encode(dst []byte, x []float32) []byte {
	for len(x) > 0 {
		b := x[:min(block, len(x))]
		x = x[len(b):]
		s := scaleOf(b)
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(s))
		for _, v := range b {
			dst = append(dst, byte(int8(math.RoundToEven(float64(ratio(v, s))*steps))))
		}
	}
	return dst
}

// Decode reads n numbers.
func (Byte) Decode(b []byte, n int) ([]float32, error) {
	want := n + 4*blocks(n)
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
			q := int8(b[0])
			if q < -steps {
				return nil, fmt.Errorf("compress: a step of %d", q)
			}
			out = append(out, float32(float64(q)/steps*float64(s)))
			b = b[1:]
		}
	}
	return out, nil
}

// share is r of a scale. It errors where r is no share.
func share(r, s float32) (float32, error) {
	if !(r >= -1 && r <= 1) {
		return 0, fmt.Errorf("compress: %g of a scale", r)
	}
	return r * s, nil
}
