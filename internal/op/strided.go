package op

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// strided is a copy between two regular patterns of elements. Element i of dims is at dstAt + the
// sum of i[d]*dst[d] in one tensor and at srcAt + the sum of i[d]*src[d] in the other. Strides may
// be 0 or negative. Slices, concatenations, paddings and repetitions are all of this kind.
type strided struct {
	dims, dst, src []int
	dstAt, srcAt   int
}

// merged drops axes of size 1 and joins neighbours that both sides step through as one.
func (s strided) merged() strided {
	m := strided{dstAt: s.dstAt, srcAt: s.srcAt}
	for i, d := range s.dims {
		k := len(m.dims) - 1
		switch {
		case d == 1:
		case k >= 0 && m.dst[k] == s.dst[i]*d && m.src[k] == s.src[i]*d:
			m.dims[k] *= d
			m.dst[k], m.src[k] = s.dst[i], s.src[i]
		default:
			m.dims = append(m.dims, d)
			m.dst = append(m.dst, s.dst[i])
			m.src = append(m.src, s.src[i])
		}
	}
	if len(m.dims) == 0 {
		m.dims, m.dst, m.src = []int{1}, []int{1}, []int{1}
	}
	return m
}

// copyBlock is the number of elements that one task of a parallel copy moves.
const copyBlock = 1 << 14

// rows calls f in parallel for every run of the last axis with the offsets of its first element.
func (s strided) rows(f func(dst, src, n int)) {
	if tensor.Shape(s.dims).Len() == 0 {
		return
	}
	last := len(s.dims) - 1
	n := s.dims[last]
	outer := tensor.Shape(s.dims[:last])
	rows := outer.Len()
	group := max(1, copyBlock/n)
	kernel.Parallel((rows+group-1)/group, func(task int) {
		lo, hi := task*group, min((task+1)*group, rows)
		idx := make([]int, last)
		dst, src := s.dstAt, s.srcAt
		for r, d := lo, last-1; d >= 0; d-- {
			idx[d] = r % outer[d]
			r /= outer[d]
			dst += idx[d] * s.dst[d]
			src += idx[d] * s.src[d]
		}
		for range hi - lo {
			f(dst, src, n)
			for d := last - 1; d >= 0; d-- {
				idx[d]++
				dst += s.dst[d]
				src += s.src[d]
				if idx[d] < outer[d] {
					break
				}
				dst -= outer[d] * s.dst[d]
				src -= outer[d] * s.src[d]
				idx[d] = 0
			}
		}
	})
}

// copyStrided copies src to dst by a merged plan. Parts of dst outside the plan stay as they are.
func copyStrided[W word](dst, src []W, s strided) {
	last := len(s.dims) - 1
	a, b := s.dst[last], s.src[last]
	s.rows(func(i, j, n int) {
		if a == 1 && b == 1 {
			copy(dst[i:i+n], src[j:j+n])
			return
		}
		for range n {
			dst[i] = src[j]
			i += a
			j += b
		}
	})
}

// copier is copyStrided between two tensors of one type.
func copier(dt tensor.DType) func(dst, src *tensor.Tensor, s strided) {
	return bySize(dt, copyTensor[uint8], copyTensor[uint16], copyTensor[uint32], copyTensor[uint64])
}

func copyTensor[W word](dst, src *tensor.Tensor, s strided) {
	copyStrided(bits[W](dst), bits[W](src), s)
}

// fillTensor sets every element of dst to the one element of v, a tensor of the same type; zero for
// nil.
func fillTensor(dst, v *tensor.Tensor) {
	if v == nil || !slices.ContainsFunc(v.Bytes, func(b byte) bool { return b != 0 }) {
		clear(dst.Bytes)
		return
	}
	size := dst.DType.Size()
	n := copy(dst.Bytes, v.Bytes[:size])
	for n < len(dst.Bytes) {
		n += copy(dst.Bytes[n:], dst.Bytes[:n])
	}
}
