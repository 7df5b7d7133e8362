package keep

import (
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// stage is buffers for batches of several sizes, of which two are in use at a time.
type stage [2]map[stageSize][]*tensor.Tensor

type stageSize struct{ n, length int }

// stagedMost is how many bytes of buffers are kept from one epoch to the next. Where there are more,
// making them again is little beside using them, and they are not held while another encoder runs.
const stagedMost = 1 << 20

// staging returns the buffers of earlier epochs, or new ones while those are in use.
func (e *Encoder) staging() (s *stage, giveBack func()) {
	s, e.staged = e.staged, nil
	if s == nil {
		s = &stage{{}, {}}
	}
	return s, func() {
		if s.bytes() <= stagedMost {
			e.staged = s
		}
	}
}

func (s *stage) bytes() (n int) {
	for _, turn := range s {
		for _, values := range turn {
			for _, v := range values {
				n += len(v.Bytes)
			}
		}
	}
	return n
}

// row allocates buffers for the values of one example.
func (e *Encoder) row() [][]byte {
	row := make([][]byte, len(e.bytes))
	for i, n := range e.bytes {
		row[i] = make([]byte, n)
	}
	return row
}

// slice returns views of example k in a batch's values.
func (e *Encoder) slice(values []*tensor.Tensor, k int) [][]byte { return sliceOf(values, e.bytes, k) }

func sliceOf(values []*tensor.Tensor, sizes []int, k int) [][]byte {
	row := make([][]byte, len(values))
	sliceInto(row, values, sizes, k)
	return row
}

func sliceInto(row [][]byte, values []*tensor.Tensor, sizes []int, k int) {
	for i, v := range values {
		n := sizes[i]
		row[i] = v.Bytes[k*n : (k+1)*n]
	}
}

// stage allocates tensors for the values of n examples.
func (e *Encoder) stage(n int) []*tensor.Tensor { return stageOf(e.shape, n) }

// stageCut allocates tensors for the values of n examples at a cut.
func stageCut(c *split.Cut, n int) []*tensor.Tensor { return stageOf(c.Types(), n) }

// sizesOf returns the sizes in bytes of a cut's values for one example.
func sizesOf(c *split.Cut) []int {
	var sizes []int
	for _, p := range c.Points {
		sizes = append(sizes, p.One.Bytes())
	}
	return sizes
}

func stageOf(one []ir.Type, n int) []*tensor.Tensor {
	out := make([]*tensor.Tensor, len(one))
	for i, t := range one {
		s := t.Shape.Clone()
		s[0] *= n
		out[i] = tensor.New(t.DType, s...)
	}
	return out
}
