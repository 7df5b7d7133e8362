package compile

import (
	"slices"
	"weak"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Arena is memory that several programs use in turn. The zero Arena is empty and grows to the
// largest program. When it grows, earlier programs move to the new memory and their outputs become
// invalid. It must not be used from several goroutines at once.
type Arena struct {
	bytes    []byte
	programs []weak.Pointer[Program]
}

// admit gives a program its n bytes.
func (a *Arena) admit(p *Program, n int) {
	a.programs = slices.DeleteFunc(a.programs, func(w weak.Pointer[Program]) bool { return w.Value() == nil })
	if n > len(a.bytes) {
		a.bytes = tensor.AlignedBytes(n)
		for _, w := range a.programs {
			if q := w.Value(); q != nil {
				q.tie(a.bytes[:len(q.arena)])
			}
		}
	}
	a.programs = append(a.programs, weak.Make(p))
	p.tie(a.bytes[:n])
}

// span ties a header to its place in the arena.
type span struct {
	header *tensor.Tensor
	offset int
	size   int
}

// tie makes bytes the memory of the program: its values first, its workspace behind them.
func (p *Program) tie(bytes []byte) {
	p.arena = bytes[:len(bytes):len(bytes)]
	for _, s := range p.spans {
		s.header.Bytes = p.arena[s.offset : s.offset+s.size : s.offset+s.size]
	}
	work := p.arena[align(p.plan.size):]
	for i := range p.steps {
		n := p.plan.bounds[p.steps[i].node].Scratch
		p.steps[i].scratch = work[:n:n]
	}
}

// Detach copies the outputs of the last run out of the arena, so that other programs of the arena
// can read them. It reuses the memory of an earlier call's results where that is large enough. Outputs
// that are inputs or constants are not copied.
func (p *Program) Detach(into []*tensor.Tensor) []*tensor.Tensor {
	out := make([]*tensor.Tensor, len(p.out))
	for i, t := range p.out {
		out[i] = t
		if p.one != nil {
			continue // not in the arena
		}
		if p.plan.block[p.plan.root(p.graph.Outputs[i])] == nil {
			continue
		}
		if i < len(into) && cap(into[i].Bytes) >= len(t.Bytes) {
			out[i] = &tensor.Tensor{DType: t.DType, Shape: t.Shape, Bytes: into[i].Bytes[:len(t.Bytes)]}
			copy(out[i].Bytes, t.Bytes)
			continue
		}
		out[i] = t.Clone()
	}
	return out
}
