package compile

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Constants caches the results of folding large weights, so that graphs of one model for several
// batch sizes fold once and share the results. It keeps them as long as it lives. The zero value is
// ready for use, also from several goroutines.
type Constants struct {
	mu   sync.Mutex
	made map[string]constant
}

// constant is what was computed from some tensors. It keeps the tensors alive, as otherwise another
// one could be allocated at the same address.
type constant struct{ in, out []*tensor.Tensor }

// worthRemembering is the smallest size in bytes of a cached constant. Smaller ones are cheaper to
// recompute than to look up.
const worthRemembering = 1 << 12

// of returns the result of make, cached by the operation and the identity of its input tensors.
// These must not change.
func (c *Constants) of(op string, attrs ir.Attrs, in []*tensor.Tensor, make func() ([]*tensor.Tensor, error)) ([]*tensor.Tensor, error) {
	size := 0
	for _, t := range in {
		if t != nil {
			size += len(t.Bytes)
		}
	}
	if size < worthRemembering {
		return make()
	}
	var key strings.Builder
	key.WriteString(op)
	for _, k := range slices.Sorted(maps.Keys(attrs)) {
		if t, ok := attrs[k].(*tensor.Tensor); ok {
			fmt.Fprintf(&key, " %s=%p", k, t)
			continue
		}
		fmt.Fprintf(&key, " %s=%v", k, attrs[k])
	}
	for _, t := range in {
		fmt.Fprintf(&key, " %p", t)
	}
	c.mu.Lock()
	m, ok := c.made[key.String()]
	c.mu.Unlock()
	if ok {
		return m.out, nil
	}
	out, err := make()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made == nil {
		c.made = map[string]constant{}
	}
	c.made[key.String()] = constant{in, out}
	return out, nil
}
