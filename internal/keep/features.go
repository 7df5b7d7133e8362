package keep

import (
	"context"
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// OpenFeatures keeps the head's input values for every example. It takes them from the shared cache
// if possible, and leaves there what it computes for later runs.
func OpenFeatures(ctx context.Context, net *split.Network, ds *data.Dataset, o Options) (*Encoder, error) {
	e, err := NewEncoder(net, ds, nil)
	if err != nil {
		return nil, err
	}
	outline, err := net.Outline()
	if err != nil {
		return nil, err
	}
	if !outline.WorthKeeping() {
		return e, nil
	}
	at := outline.Cut(outline.Frontier)
	if e.shares == nil { // pooled values are kept separately, as each can serve other runs
		if parts := split.Joined(outline.Frontier); parts != nil {
			at = outline.Cut(parts)
			e.cut = at
		}
	}
	e.keeps(at.Types())
	e.kept = at
	k := newKeeper(net, outline, &Encoders{Train: e}, &o)
	if k.shared != nil {
		k.added.left = k.shared.Budget()
	}
	t, err := k.stores(e, at)
	if err != nil {
		return nil, err
	}
	t.both = true
	if _, err := e.fill(ctx, func(done int) { o.Progress(done, ds.Len()) }, func(seconds float64) {
		t.persist = t.disk != nil && (o.Where == "disk" || worthDisk(k.size(at), seconds))
	}); err != nil {
		return nil, err
	}
	e.near = nil
	if k.shared != nil {
		if err := k.shared.Flush(); err != nil {
			o.Warn(fmt.Sprintf("what is kept for later runs may be lost: %v", err))
		}
	}
	return e, nil
}

// Rows runs a program over all examples, batch by batch, and stores its output for each example in
// dst [N,width]. An example with several rows gets the mean of its rows.
func (e *Encoder) Rows(ctx context.Context, dst []float32, width, batch int, run func(net *split.Network, b *split.Batch) ([]*tensor.Tensor, error)) error {
	for b, err := range e.Batches(ctx, e.ds.Groups(data.FileOrder(e.ds.Len()), batch), data.Plain) {
		if err != nil {
			return err
		}
		out, err := run(e.net.At(b.Length), b)
		if err != nil {
			return err
		}
		got := out[0].F32()
		steps := len(got) / (len(b.Indices) * width)
		for k, i := range b.Indices {
			row := dst[i*width : (i+1)*width]
			if steps == 1 {
				copy(row, got[k*width:])
				continue
			}
			for r := range b.Lengths[k] {
				kernel.Axpy(row, got[(k*steps+r)*width:][:width], 1/float32(b.Lengths[k]))
			}
		}
	}
	e.net.ReleaseFrozen()
	return nil
}
