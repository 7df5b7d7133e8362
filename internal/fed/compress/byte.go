package compress

import "math"

// Byte keeps a number in 8 bits, as one of 255 even steps up to the largest magnitude among 1,024
// neighbours. It rounds to the nearest step, ties to the even one.
type Byte struct{}

const steps = 127

// Encode appends one byte a number and four for each 1,024.
func (Byte) Encode(dst []byte, x []float32) []byte {
	return encodeBlocks(dst, x, func(dst []byte, share float32) []byte {
		return append(dst, byte(int8(math.RoundToEven(float64(share)*steps))))
	})
}

// Decode reads n numbers.
func (Byte) Decode(b []byte, n int) ([]float32, error) {
	return decodeBlocks(b, n, 1, func(b []byte) float32 { return float32(int8(b[0])) / steps })
}
