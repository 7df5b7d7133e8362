package feed

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// FrontEnd is a model that turns samples into features, for use as the front end of a
// sound.Pipeline. It is safe for concurrent use.
type FrontEnd struct {
	model *onnx.Model
	bins  int

	mu       sync.Mutex
	programs map[int]*compile.Program // by number of samples
	arena    compile.Arena

	// A program serves one number of samples. So that few of them serve a data set, a sound that
	// ends in silence is followed by more of it and the frames of that are dropped, if the model is
	// one where this changes no bit: see settle.
	size, hop int // samples of a frame, and from one frame to the next; 0: lengths are kept
}

// maxPrograms limits the number of lengths for which a program is kept.
const maxPrograms = 48

// probeLength is a number of samples that every front end accepts.
const probeLength = 16000

// NewFrontEnd makes the front end of a model with one input of samples, float32 [1,S]. The last two
// axes of its first output are frames and bins; the others are 1. It errors if the model has
// another form.
func NewFrontEnd(m *onnx.Model) (*FrontEnd, error) {
	f := &FrontEnd{model: m, programs: map[int]*compile.Program{}}
	if n := len(m.Graph.Inputs); n != 1 || len(m.Graph.Outputs) == 0 {
		return nil, fmt.Errorf("a front end has one input and an output, this model has %d and %d", n, len(m.Graph.Outputs))
	}
	if in := m.Graph.Inputs[0]; in.Type.DType != tensor.Float32 || len(in.Type.Shape) != 2 || in.Type.Shape[1] >= 0 {
		return nil, fmt.Errorf("a front end takes float32 samples [1,S] of any number, this model's input %q is %v", in.Name, in.Type)
	}
	p, err := f.program(probeLength)
	if err != nil {
		return nil, err
	}
	out := p.OutputTensor(0)
	if s := out.Shape; out.DType != tensor.Float32 || len(s) < 2 || out.Len() != s[len(s)-2]*s[len(s)-1] || out.Len() == 0 {
		return nil, fmt.Errorf("a front end gives frames of bins, this model gives %v of %v for %d samples", out.DType, s, probeLength)
	}
	f.bins = out.Shape[len(out.Shape)-1]
	f.settle()
	return f, nil
}

// Bins returns the number of values per frame.
func (f *FrontEnd) Bins() int { return f.bins }

// Digest returns the digest of the model's file.
func (f *FrontEnd) Digest() [sha256.Size]byte { return sha256.Sum256([]byte(f.model.Digest())) }

// Source returns the model's file.
func (f *FrontEnd) Source() []byte { return f.model.Source() }

// Features computes frames of Bins values from samples. It also returns the number of frames.
func (f *FrontEnd) Features(samples []float32) ([]float32, int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, keep := len(samples), -1
	if f.size > 0 && n >= f.size && silent(samples[n-f.size:]) {
		keep = 1 + (n-f.size)/f.hop
		n = f.size + f.hop*(rounded(keep)-1)
	}
	values, frames, err := f.run(samples, n)
	if err != nil || keep < 0 {
		return values, frames, err
	}
	return values[:keep*f.bins], keep, nil
}

// rounded rounds a number of frames up to one of eight steps per octave.
func rounded(frames int) int {
	step := max(8, 1<<max(0, bits.Len(uint(frames))-4))
	return (frames + step - 1) / step * step
}

func silent(x []float32) bool {
	for _, v := range x {
		if v != 0 {
			return false
		}
	}
	return true
}

// run computes the features of samples, padded with silence to n.
func (f *FrontEnd) run(samples []float32, n int) ([]float32, int, error) {
	p, err := f.program(n)
	if err != nil {
		return nil, 0, err
	}
	x := tensor.New(tensor.Float32, 1, n)
	copy(x.F32(), samples)
	out, err := p.Run(context.Background(), x)
	if err != nil {
		return nil, 0, err
	}
	s := out[0].Shape
	return slices.Clone(out[0].F32()), s[len(s)-2], nil
}

// program compiles the model for n samples, once.
func (f *FrontEnd) program(n int) (*compile.Program, error) {
	if p := f.programs[n]; p != nil {
		return p, nil
	}
	first := *f.model.Graph
	first.Outputs = first.Outputs[:1]
	p, err := compile.Inference(&first, map[string]tensor.Shape{first.Inputs[0].Name: {1, n}}, compile.Memory{Arena: &f.arena})
	if err != nil {
		return nil, err
	}
	if len(f.programs) >= maxPrograms {
		clear(f.programs)
	}
	f.programs[n] = p
	return p, nil
}

// settle finds the frame size and the hop. It also tests whether more silence after silence leaves
// the earlier frames unchanged to the bit.
func (f *FrontEnd) settle() {
	frames := func(n int) int {
		g, err := compile.Model(f.model.Graph, compile.Options{Shapes: map[string]tensor.Shape{f.model.Graph.Inputs[0].Name: {1, n}}, Plain: true})
		if err != nil {
			return -1
		}
		s := g.Outputs[0].Type.Shape
		return s[len(s)-2]
	}
	// next is the smallest number of samples above n that gives another frame, 0 if there is none
	// close to n.
	next := func(n int) int {
		have := frames(n)
		lo, hi := n, n+probeLength
		if frames(hi) <= have {
			return 0
		}
		for hi-lo > 1 {
			if mid := (lo + hi) / 2; frames(mid) > have {
				hi = mid
			} else {
				lo = mid
			}
		}
		return hi
	}
	first := next(probeLength)
	second := next(first)
	hop := second - first
	size := first - (frames(first)-1)*hop
	if first == 0 || second == 0 || size < 1 || size > probeLength || frames(size) != 1 || frames(size+hop-1) != 1 {
		return
	}
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, size+hop*29+7)
	for i := range x[:len(x)-size] {
		x[i] = float32(1000 * r.NormFloat64() * float64(i) / float64(len(x)))
	}
	exact, n, err := f.run(x, len(x))
	if err != nil || n != 30 {
		return
	}
	more, _, err := f.run(x, size+hop*(rounded(n)+8-1))
	if err != nil || !bytes.Equal(tensor.Of(exact, len(exact)).Bytes, tensor.Of(more[:len(exact)], len(exact)).Bytes) {
		return
	}
	f.size, f.hop = size, hop
}
