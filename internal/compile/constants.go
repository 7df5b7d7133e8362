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

// Constants remembers what folding large weights came to, so that graphs of one model for several
// batch sizes do it once and share the results. It holds them for as long as it lives. The zero
// value is ready, and several goroutines may use it.
type Constants struct {
	mu   sync.Mutex
	made map[string]constant
}

// constant is what was made of some tensors. They are kept, or another could come to lie at the
// address of one.
type constant struct{ in, out []*tensor.Tensor }

// worthRemembering is the least size in bytes of a constant that is remembered: to compute smaller
// ones again costs less than to know them.
const worthRemembering = 1 << 12

// of is what make gives, remembered by the operation and the identity of the tensors it reads.
// Those must not change.
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
