package keep

import (
	"context"
	"iter"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// EvalBatch returns the batch size for inference, given the batch size of a training step.
func (e *Encoder) EvalBatch(batch int) int {
	if e.shares != nil {
		return batch
	}
	return max(batch, min(e.chunk, e.ds.Len()))
}

// Batches yields groups of examples at the frontier, as the epoch sees them. A batch is valid until
// the next one.
func (e *Encoder) Batches(ctx context.Context, groups []data.Group, epoch int) iter.Seq2[*split.Batch, error] {
	if e.variants > 0 {
		epoch = e.variant(epoch)
	}
	if e.direct != nil || e.store == nil && e.shares == nil {
		return e.computed(ctx, groups, epoch)
	}
	return func(yield func(*split.Batch, error) bool) {
		for b, missing := range e.stored(groups, e.variant(epoch)) {
			err := e.recompute(ctx, b, missing, epoch)
			if err == nil {
				b, err = e.rest(ctx, b)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(b, nil) {
				return
			}
		}
	}
}

// stored yields batches from the store, with the positions of the examples that it lacks. If the
// store reads from disk, the next batch is read while the current one is in use.
func (e *Encoder) stored(groups []data.Group, variant int) iter.Seq2[*split.Batch, []int] {
	type found struct {
		batch   *split.Batch
		missing []int
	}
	staged, giveBack := e.staging()
	read := func(turn int) found {
		g := groups[0]
		groups = groups[1:]
		at := stageSize{len(g.Indices), g.Length}
		if staged[turn][at] == nil {
			if e.shares == nil && len(staged[turn]) > 1 { // only the last batch of an epoch has another size
				clear(staged[turn])
			}
			staged[turn][at] = e.stageAt(at.n, at.length)
		}
		b := found{batch: e.encoded(g, staged[turn][at])}
		row := make([][]byte, len(e.bytes))
		for k, i := range b.batch.Indices {
			if !e.get(i, variant, b.batch.Values, k, g.Length, row) {
				b.missing = append(b.missing, k)
			}
		}
		return b
	}
	if r, ok := e.store.(interface{ full() bool }); e.store == nil || ok && r.full() {
		return func(yield func(*split.Batch, []int) bool) {
			defer giveBack()
			for len(groups) > 0 {
				if b := read(0); !yield(b.batch, b.missing) {
					return
				}
			}
		}
	}
	return func(yield func(*split.Batch, []int) bool) {
		defer giveBack()
		turn := 0
		next := make(chan found, 1)
		ahead := func() {
			if len(groups) == 0 {
				close(next)
				return
			}
			turn = 1 - turn
			next <- read(turn)
		}
		go ahead()
		for b := range next {
			go ahead()
			if !yield(b.batch, b.missing) {
				for range next { // let a pending read end before this function returns
					break
				}
				return
			}
		}
	}
}

// encoded returns a group with its values at the frontier.
func (e *Encoder) encoded(g data.Group, values []*tensor.Tensor) *split.Batch {
	b := &split.Batch{Values: values, Indices: g.Indices, Length: g.Length, Lengths: make([]int, len(g.Indices))}
	for k, i := range g.Indices {
		b.Lengths[k] = e.ds.Length(i)
	}
	return b
}

// recompute computes the examples of a batch, given by position, that the store lacks.
func (e *Encoder) recompute(ctx context.Context, b *split.Batch, missing []int, epoch int) error {
	if e.shares != nil {
		return e.recomputeAt(ctx, b, missing, epoch)
	}
	variant := e.variant(epoch)
	for len(missing) > 0 {
		n := power(min(len(missing), e.chunk))
		indices := make([]int, n)
		for k, at := range missing[:n] {
			indices[k] = b.Indices[at]
		}
		for got, err := range e.ds.Loader(n).Batches(ctx, indices, variant) {
			if err != nil {
				return err
			}
			values, err := e.frozen(ctx, got)
			if err != nil {
				return err
			}
			for k, at := range missing[:n] {
				src, dst := e.slice(values, k), e.slice(b.Values, at)
				for i := range dst {
					copy(dst[i], src[i])
				}
				e.store.Put(e.slot(indices[k], variant), src)
			}
		}
		missing = missing[n:]
	}
	return nil
}

// computed runs the frozen region over every batch, without a store.
func (e *Encoder) computed(ctx context.Context, groups []data.Group, epoch int) iter.Seq2[*split.Batch, error] {
	size := 1
	for _, g := range groups {
		size = max(size, len(g.Indices))
	}
	return func(yield func(*split.Batch, error) bool) {
		defer func() { e.atCut, e.atFrontier = nil, nil }() // another encoder may be next
		for b, err := range e.ds.Loader(size).Groups(ctx, groups, epoch) {
			if err != nil {
				yield(nil, err)
				return
			}
			var values []*tensor.Tensor
			if e.direct != nil {
				for _, k := range e.direct {
					values = append(values, b.Inputs[k])
				}
			} else if values, err = e.detached(ctx, b); err != nil {
				yield(nil, err)
				return
			}
			out := e.encoded(data.Group{Indices: b.Indices, Length: b.Length}, values)
			if e.direct == nil {
				if out, err = e.rest(ctx, out); err != nil {
					yield(nil, err)
					return
				}
			}
			if !yield(out, nil) {
				return
			}
		}
	}
}
