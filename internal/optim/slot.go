package optim

import (
	"fmt"
	"math"

	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Slot is one thawed parameter as the optimiser sees it. A frozen parameter has no slot. Frozen
// elements of a partly thawed parameter have no state and are not in checkpoints.
type Slot struct {
	Name  string
	Value *tensor.Tensor // the parameter, of any float type, updated in place
	// gradient of the loss, with the shape of Value, preferably Float32; a step skips nil
	Grad  *tensor.Tensor
	LR    float32 // learning-rate multiplier, above 0
	Decay bool    // weight decay applies
	Mask  []bool  // true where thawed, one per element; nil thaws the whole tensor

	Anchor *tensor.Tensor // what weight decay pulls towards, with the shape of Value; nil for 0

	spans []span // the runs of true in Mask, found on first use
}

// span is the half-open range of elements [lo, hi).
type span struct{ lo, hi int }

// check errors on an inconsistent slot.
func (s *Slot) check() error {
	switch {
	case s.Value == nil || !s.Value.DType.IsFloat():
		return fmt.Errorf("optim: parameter %q: only float tensors can be thawed", s.Name)
	case !(s.LR > 0) || math.IsInf(float64(s.LR), 0):
		return fmt.Errorf("optim: parameter %q: learning-rate multiplier %g is not above 0", s.Name, s.LR)
	case s.Mask != nil && len(s.Mask) != s.Value.Len():
		return fmt.Errorf("optim: parameter %q: mask of %d elements for %d", s.Name, len(s.Mask), s.Value.Len())
	}
	return s.checkGrad()
}

func (s *Slot) checkGrad() error {
	if s.Grad == nil {
		return nil
	}
	if !s.Grad.DType.IsFloat() || !s.Grad.Shape.Equal(s.Value.Shape) {
		return fmt.Errorf("optim: parameter %q: gradient is %v %v for %v %v",
			s.Name, s.Grad.DType, s.Grad.Shape, s.Value.DType, s.Value.Shape)
	}
	return nil
}

func spansOf(mask []bool) []span {
	var out []span
	for i := 0; i < len(mask); i++ {
		if !mask[i] {
			continue
		}
		j := i
		for i < len(mask) && mask[i] {
			i++
		}
		out = append(out, span{j, i})
	}
	return out
}

// Len returns the number of thawed elements.
func (s *Slot) Len() int {
	n := 0
	for _, sp := range s.thawedSpans() {
		n += sp.hi - sp.lo
	}
	return n
}

func (s *Slot) thawedSpans() []span {
	if s.spans == nil {
		s.spans = []span{{0, s.Value.Len()}}
		if s.Mask != nil {
			s.spans = spansOf(s.Mask)
		}
	}
	return s.spans
}

// Thawed returns what training may change: the whole value, sharing its memory, or, with a mask, a
// vector of the thawed elements in order.
func (s *Slot) Thawed() *tensor.Tensor {
	if s.Mask == nil {
		return s.Value
	}
	size := s.Value.DType.Size()
	out := tensor.New(s.Value.DType, s.Len())
	at := 0
	for _, sp := range s.thawedSpans() {
		at += copy(out.Bytes[at:], s.Value.Bytes[sp.lo*size:sp.hi*size])
	}
	return out
}

// SetThawed restores what Thawed returned. If type or shape differs, it errors and changes nothing.
func (s *Slot) SetThawed(t *tensor.Tensor) error {
	if err := s.CheckThawed(t); err != nil {
		return err
	}
	if s.Mask == nil {
		copy(s.Value.Bytes, t.Bytes)
		return nil
	}
	size := s.Value.DType.Size()
	at := 0
	for _, sp := range s.thawedSpans() {
		at += copy(s.Value.Bytes[sp.lo*size:sp.hi*size], t.Bytes[at:])
	}
	return nil
}

func (s *Slot) CheckThawed(t *tensor.Tensor) error {
	want := s.Value.Shape
	if s.Mask != nil {
		want = tensor.Shape{s.Len()}
	}
	if t.DType != s.Value.DType || !t.Shape.Equal(want) {
		return fmt.Errorf("optim: parameter %q: %v %v does not fit %v %v", s.Name, t.DType, t.Shape, s.Value.DType, want)
	}
	return nil
}

// direct reports whether t's elements can be used in place.
func (s *Slot) direct(t *tensor.Tensor) bool { return s.Mask == nil && t.DType == tensor.Float32 }

// Gather copies the thawed elements of t to dst, converted to float32.
func (s *Slot) Gather(dst []float32, t *tensor.Tensor) {
	at := 0
	for _, sp := range s.thawedSpans() {
		at += toFloat32(dst[at:], t, sp)
	}
}

// Scatter rounds src to the value's type and writes it to the thawed elements. An element whose
// float32 form did not change keeps its bits, as a float64 element is more precise than src.
func (s *Slot) Scatter(src []float32) {
	at := 0
	for _, sp := range s.thawedSpans() {
		at += fromFloat32(s.Value, sp, src[at:])
	}
}

func toFloat32(dst []float32, t *tensor.Tensor, sp span) int {
	switch t.DType {
	case tensor.Float32:
		copy(dst, t.F32()[sp.lo:sp.hi])
	case tensor.Float64:
		for i, v := range tensor.Data[float64](t)[sp.lo:sp.hi] {
			dst[i] = float32(v)
		}
	case tensor.Float16:
		for i, h := range tensor.Data[uint16](t)[sp.lo:sp.hi] {
			dst[i] = tensor.Float16ToFloat32(h)
		}
	case tensor.BFloat16:
		for i, h := range tensor.Data[uint16](t)[sp.lo:sp.hi] {
			dst[i] = tensor.BFloat16ToFloat32(h)
		}
	}
	return sp.hi - sp.lo
}

func fromFloat32(t *tensor.Tensor, sp span, src []float32) int {
	switch t.DType {
	case tensor.Float32:
		copy(t.F32()[sp.lo:sp.hi], src)
	case tensor.Float64:
		dst := tensor.Data[float64](t)[sp.lo:sp.hi]
		for i := range dst {
			if float32(dst[i]) != src[i] {
				dst[i] = float64(src[i])
			}
		}
	case tensor.Float16:
		dst := tensor.Data[uint16](t)[sp.lo:sp.hi]
		for i := range dst {
			dst[i] = tensor.Float32ToFloat16(src[i])
		}
	case tensor.BFloat16:
		dst := tensor.Data[uint16](t)[sp.lo:sp.hi]
		for i := range dst {
			dst[i] = tensor.Float32ToBFloat16(src[i])
		}
	}
	return sp.hi - sp.lo
}

// SumSquares returns the sum of the squared thawed elements of the gradient.
func (s *Slot) SumSquares() float64 {
	switch {
	case s.Grad == nil:
		return 0
	case s.direct(s.Grad):
		return kernel.SumSquares(s.Grad.F32())
	}
	g := make([]float32, s.Len())
	s.Gather(g, s.Grad)
	return kernel.SumSquares(g)
}

// scaleGrad multiplies the whole gradient by a.
func (s *Slot) scaleGrad(a float32) {
	if s.Grad == nil {
		return
	}
	if s.Grad.DType == tensor.Float32 {
		kernel.Scale(s.Grad.F32(), s.Grad.F32(), a)
		return
	}
	all := span{0, s.Grad.Len()}
	g := make([]float32, s.Grad.Len())
	toFloat32(g, s.Grad, all)
	kernel.Scale(g, g, a)
	fromFloat32(s.Grad, all, g)
}

// ValueNorm returns the Euclidean norm of the thawed elements.
func (s *Slot) ValueNorm() float64 {
	probe := Slot{Value: s.Value, Grad: s.Value, Mask: s.Mask, spans: s.spans}
	return math.Sqrt(probe.SumSquares())
}
