package compress

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// TopK sends the share Part of the numbers, those of the largest magnitude, and zeros for the
// others. A number goes as a float16 of its share of the largest magnitude, and its place as the
// distance from the place before, in one byte up to 127. Of equal magnitudes the first are sent.
// Rounds need Feedback to arrive where dense ones do (Stich, Cordonnier, Jaggi, Sparsified SGD with
// Memory, NeurIPS 2018).
type TopK struct{ Part float64 } // above 0, up to 1

// Encode appends three bytes or a little more for each number that is sent. Zeros are never sent.
func (t TopK) Encode(dst []byte, x []float32) []byte {
	k := min(len(x), int(math.Ceil(t.Part*float64(len(x)))))
	order := make([]int, 0, len(x))
	for i, v := range x {
		if v != 0 {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch va, vb := abs(x[a]), abs(x[b]); {
		case va > vb:
			return -1
		case va < vb:
			return 1
		}
		return a - b
	})
	order = order[:min(k, len(order))]
	slices.Sort(order)
	s := scaleOf(x)
	dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(s))
	dst = binary.AppendUvarint(dst, uint64(len(order)))
	last := -1
	for _, i := range order {
		dst = binary.AppendUvarint(dst, uint64(i-last-1))
		dst = binary.LittleEndian.AppendUint16(dst, tensor.Float32ToFloat16(x[i]/s))
		last = i
	}
	return dst
}

func abs(v float32) float32 { return max(v, -v) }

var errShort = errors.New("compress: the bytes end too early")

// Decode reads n numbers.
func (t TopK) Decode(b []byte, n int) ([]float32, error) {
	if len(b) < 4 {
		return nil, errShort
	}
	s := math.Float32frombits(binary.LittleEndian.Uint32(b))
	if err := checkScale(s); err != nil {
		return nil, err
	}
	b = b[4:]
	count, size := binary.Uvarint(b)
	if size <= 0 {
		return nil, errShort
	}
	if most := uint64(math.Ceil(t.Part * float64(n))); count > min(most, uint64(n)) {
		return nil, fmt.Errorf("compress: %d of %d numbers, at most %d are sent", count, n, most)
	}
	b = b[size:]
	out := make([]float32, n)
	at := uint64(0)
	for range count {
		gap, size := binary.Uvarint(b)
		if size <= 0 || len(b) < size+2 {
			return nil, errShort
		}
		if gap >= uint64(n) || at+gap >= uint64(n) {
			return nil, fmt.Errorf("compress: a place beyond %d numbers", n)
		}
		at += gap
		v, err := share(tensor.Float16ToFloat32(binary.LittleEndian.Uint16(b[size:])), s)
		if err != nil {
			return nil, err
		}
		out[at] = v
		at++
		b = b[size+2:]
	}
	if len(b) != 0 {
		return nil, fmt.Errorf("compress: %d bytes too many", len(b))
	}
	return out, nil
}
