package op

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// TestConcurrentRun runs what each operator was bound to from several goroutines at once, with
// inputs of their own, unless it says that it keeps something between calls: with the case's inputs
// as they come, and with all but the first as constants.
func TestConcurrentRun(t *testing.T) {
	for _, d := range ir.Ops() {
		if d.Bind == nil {
			continue
		}
		for i, c := range d.Cases() {
			c = fill(d.Name, c)
			t.Run(fmt.Sprintf("%s/%d", d.Name, i), func(t *testing.T) { runConcurrently(t, d, c) })
			var rest []int
			for k := 1; k < len(c.Inputs); k++ {
				if c.Inputs[k] != nil {
					rest = append(rest, k)
				}
			}
			if len(rest) > 0 && c.Inputs[0] != nil {
				fixed := c
				fixed.Const = rest
				t.Run(fmt.Sprintf("%s/%d/constants", d.Name, i), func(t *testing.T) { runConcurrently(t, d, fixed) })
			}
		}
	}
}

func runConcurrently(t *testing.T, d *ir.Def, c ir.Case) {
	_, n, err := caseGraph(d, c)
	if err != nil {
		t.Skip(err) // not with constants
	}
	b, err := d.Bind(n)
	if err != nil || b.View || b.Stateful {
		return // folded, or never shared
	}
	const goroutines = 4
	run := func(b ir.Bound, in []*tensor.Tensor) (out []*tensor.Tensor, err error) {
		for _, v := range n.Outputs {
			var x *tensor.Tensor
			if v != nil {
				x = tensor.New(v.Type.DType, v.Type.Shape...)
				garbage(x)
			}
			out = append(out, x)
		}
		return out, b.Run(in, out, dirty(b.Scratch))
	}
	var inputs, want [goroutines][]*tensor.Tensor
	for g := range goroutines {
		for i, x := range c.Inputs {
			if x != nil {
				x = x.Clone() // some of which CachedAttention writes
				if !slices.Contains(c.Const, i) && x.DType == tensor.Float32 && g > 0 {
					for k := range x.F32() {
						x.F32()[k] *= 1 - float32(g)/16
					}
				}
			}
			if slices.Contains(b.Packed, i) {
				x = nil
			}
			inputs[g] = append(inputs[g], x)
		}
		if want[g], err = run(b, inputs[g]); err != nil {
			return // other numbers mean nothing to it
		}
	}
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for range 3 {
				got, err := run(b, inputs[g])
				if err != nil {
					t.Error(err)
					return
				}
				for i := range got {
					if got[i] != nil && !bytes.Equal(got[i].Bytes, want[g][i].Bytes) {
						t.Errorf("goroutine %d: output %d differs from that of a call alone", g, i)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}
