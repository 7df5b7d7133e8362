package compress

import (
	"encoding/binary"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Half keeps a number in 16 bits, as a float16 of its share of the largest magnitude among 1,024
// neighbours. So small numbers keep eleven bits too.
type Half struct{}

// Encode appends two bytes a number and four for each 1,024.
func (Half) Encode(dst []byte, x []float32) []byte {
	return encodeBlocks(dst, x, func(dst []byte, share float32) []byte {
		return binary.LittleEndian.AppendUint16(dst, tensor.Float32ToFloat16(share))
	})
}

// Decode reads n numbers.
func (Half) Decode(b []byte, n int) ([]float32, error) {
	return decodeBlocks(b, n, 2, func(b []byte) float32 { return tensor.Float16ToFloat32(binary.LittleEndian.Uint16(b)) })
}
