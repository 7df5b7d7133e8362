package compress

import (
	"encoding/binary"
	"fmt"
	"math"
)

// None keeps every bit: four bytes a number, little endian.
type None struct{}

// Encode appends 4*len(x) bytes.
func (None) Encode(dst []byte, x []float32) []byte {
	for _, v := range x {
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(v))
	}
	return dst
}

// Decode reads n numbers.
func (None) Decode(b []byte, n int) ([]float32, error) {
	if len(b) != 4*n {
		return nil, wrongLength(b, 4*n, n)
	}
	out := make([]float32, n)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		if out[i]-out[i] != 0 {
			return nil, fmt.Errorf("compress: number %d is %g", i, out[i])
		}
	}
	return out, nil
}
