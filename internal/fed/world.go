package fed

import (
	"context"
	"fmt"
	"sync"

	"github.com/permafrost-ml/permafrost/internal/fed/compress"
	"github.com/permafrost-ml/permafrost/internal/fed/freezing"
)

// World is what clients know of the weights: the vector of the last versions. Simulated clients share
// one. It may be used from several goroutines.
type World struct {
	mu       sync.Mutex
	depot    Depot
	versions map[int][]float32
	masks    map[string]freezing.Mask
}

// NewWorld is a World that takes what it lacks from a depot.
func NewWorld(depot Depot) *World {
	return &World{depot: depot, versions: map[int][]float32{}, masks: map[string]freezing.Mask{}}
}

// start gives the weights of version 0, if they are not there.
func (w *World) start(x []float32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.versions[0] == nil {
		w.versions[0] = x
	}
}

// has reports whether the weights of a version are there.
func (w *World) has(version int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.versions[version] != nil
}

// at gives the weights that a task names, of n numbers. They must not be changed.
func (w *World) at(ctx context.Context, t *Task, scheme compress.Scheme, n int) ([]float32, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if x := w.versions[t.Version]; x != nil {
		return x, nil
	}
	x, err := w.stepped(ctx, t, scheme, n)
	if err != nil {
		return nil, err
	}
	w.versions[t.Version] = x
	for v := range w.versions { // clients may be a version apart, while they go on to the next one
		if v != 0 && v < t.Version-1 {
			delete(w.versions, v)
		}
	}
	return x, nil
}

func (w *World) stepped(ctx context.Context, t *Task, scheme compress.Scheme, n int) ([]float32, error) {
	from := w.versions[t.Held]
	if len(t.Steps) == 0 || from == nil {
		b, err := w.get(ctx, t.Full)
		if err != nil {
			return nil, err
		}
		return readFloats(b, n)
	}
	x := append([]float32(nil), from...)
	for _, s := range t.Steps {
		mask, err := w.mask(ctx, s.Mask, n)
		if err != nil {
			return nil, err
		}
		b, err := w.get(ctx, s.Change)
		if err != nil {
			return nil, err
		}
		change, err := scheme.Decode(b, mask.Active(n))
		if err != nil {
			return nil, err
		}
		if change, err = mask.Scatter(change, n); err != nil {
			return nil, err
		}
		for i, v := range change {
			x[i] += v
		}
	}
	return x, nil
}

// maskOf is mask with a lock.
func (w *World) maskOf(ctx context.Context, b Blob, n int) (freezing.Mask, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mask(ctx, b, n)
}

// mask gives the mask of a blob. The last few stay here.
func (w *World) mask(ctx context.Context, b Blob, n int) (freezing.Mask, error) {
	if b.Digest == "" {
		return nil, nil
	}
	if m, ok := w.masks[b.Digest]; ok {
		return m, nil
	}
	content, err := w.get(ctx, b)
	if err != nil {
		return nil, err
	}
	m, err := freezing.Unmarshal(content, n)
	if err != nil {
		return nil, err
	}
	if len(w.masks) > 8 {
		clear(w.masks)
	}
	w.masks[b.Digest] = m
	return m, nil
}

func (w *World) get(ctx context.Context, b Blob) ([]byte, error) {
	content, err := w.depot.Get(ctx, b.Digest)
	if err != nil {
		return nil, err
	}
	if len(content) != b.Size {
		return nil, fmt.Errorf("fed: %d bytes came, the server said %d", len(content), b.Size)
	}
	return content, nil
}
