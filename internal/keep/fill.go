package keep

import (
	"context"
	"math/bits"
	"time"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/split"
)

// near is an earlier cut that other runs have kept. A missing frontier is computed faster from it
// than from the inputs.
type near struct {
	cut   *split.Cut
	store Store
}

// filled counts where the values of a store came from.
type filled struct {
	// examples already kept, computed from nearer values, or computed from the inputs
	hits, near, misses int
}

// fill computes what the store lacks, in the order of the files. It calls progress with the number
// of examples done. Before it stores a chunk it calls computed with the seconds per example.
func (e *Encoder) fill(ctx context.Context, progress func(done int), computed func(seconds float64)) (filled, error) {
	var f filled
	row := e.row()
	for v := range max(1, e.variants) {
		variant := e.variant(v)
		var missing []int
		for i := range e.ds.Len() {
			if e.shares != nil {
				row = e.room(i)
			}
			if e.store.Get(e.slot(i, variant), row) {
				f.hits++
			} else {
				missing = append(missing, i)
			}
		}
		if e.near != nil && len(missing) > 0 {
			var err error
			if missing, err = e.fillNear(ctx, missing, func(n int) { f.near += n; progress(f.hits + f.near + f.misses) }, computed); err != nil {
				return f, err
			}
		}
		if len(missing) > 0 && e.shares == nil {
			// compile before timing starts
			if _, err := e.whole(min(e.chunk, e.ds.Len())); err != nil {
				return f, err
			}
			kernel.ReleaseMemory() // what compiling needed, which is more than running does
		}
		if err := e.fillMissing(ctx, missing, variant, func(n int) { f.misses += n; progress(f.hits + f.near + f.misses) }, computed); err != nil {
			return f, err
		}
	}
	return f, nil
}

// fillMissing computes examples from the inputs. Where there are helpers, the first group is computed
// here, which tells how long one takes, and the rest is offered to them.
func (e *Encoder) fillMissing(ctx context.Context, missing []int, variant int, step func(n int), computed func(seconds float64)) error {
	groups := e.chunks(missing)
	if e.helpers == nil || len(groups) < 2 {
		return e.compute(ctx, groups, variant, step, computed)
	}
	began := time.Now()
	if err := e.compute(ctx, groups[:1], variant, step, computed); err != nil {
		return err
	}
	p := &Pass{Net: e.net, Data: e.ds, At: e.kept, Half: e.half, Variant: variant, Groups: groups[1:], Size: e.sizeOf,
		Seconds: time.Since(began).Seconds() / float64(len(groups[0].Indices))}
	return e.withHelp(ctx, e.helpers.Help(ctx, p), p, step, computed)
}

// compute computes groups of examples here, and stores them. Before it stores a group it calls
// computed with the seconds per example, and afterwards step with the number of examples.
func (e *Encoder) compute(ctx context.Context, groups []data.Group, variant int, step func(n int), computed func(seconds float64)) error {
	began := time.Now()
	for b, err := range e.ds.Loader(e.chunk).Groups(ctx, groups, variant) {
		if err != nil {
			return err
		}
		values, err := e.frozenChunk(ctx, b)
		if err != nil {
			return err
		}
		computed(time.Since(began).Seconds() / float64(len(b.Indices)))
		for k, i := range b.Indices {
			e.put(i, variant, values, k, b.Length)
		}
		step(len(b.Indices))
		began = time.Now()
	}
	return nil
}

// fillNear computes the missing examples whose nearer values are kept, and returns the others.
func (e *Encoder) fillNear(ctx context.Context, missing []int, step func(n int), computed func(seconds float64)) (rest []int, err error) {
	staged := stageCut(e.near.cut, e.chunk)
	var have []int
	flush := func() error {
		for len(have) > 0 {
			n := power(min(len(have), e.chunk))
			in := stageCut(e.near.cut, n)
			at := len(have) - n // from the end of the staged examples
			for k := range in {
				size := len(in[k].Bytes)
				copy(in[k].Bytes, staged[k].Bytes[at*size/n:])
			}
			began := time.Now()
			values, err := e.between(ctx, e.near.cut, in)
			if err != nil {
				return err
			}
			computed(time.Since(began).Seconds() / float64(n))
			for k, i := range have[at:] {
				e.store.Put(i, e.slice(values, k))
			}
			have = have[:at]
			step(n)
		}
		return nil
	}
	for _, i := range missing {
		if !e.near.store.Get(i, sliceOf(staged, sizesOf(e.near.cut), len(have))) {
			rest = append(rest, i)
			continue
		}
		if have = append(have, i); len(have) == e.chunk {
			if err := flush(); err != nil {
				return nil, err
			}
		}
	}
	return rest, flush()
}

// power is the largest power of two up to n. Odd numbers of examples are computed in pieces of this
// size, so that few programs are compiled.
func power(n int) int { return 1 << (bits.Len(uint(n)) - 1) }
