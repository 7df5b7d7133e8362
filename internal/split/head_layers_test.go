package split

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/random"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// TestHeadGradients: the gradients of a head's layers are the differences of its loss, with the same
// values dropped; nothing is dropped outside of training.
func TestHeadGradients(t *testing.T) {
	for _, c := range []struct {
		head, activation string
		dropout          float64
		thaw             []string
	}{
		{"linear", "relu", 0, []string{"head"}},
		{"linear", "relu", 0.4, []string{"head"}},
		{"linear", "relu", 0.4, []string{"head", "last:1"}},
		{"mlp:6", "relu", 0.3, []string{"head"}},
		{"mlp:6", "gelu", 0, []string{"head"}},
		{"mlp:6,5", "gelu", 0.3, []string{"head"}},
		{"mlp:6,5,4", "silu", 0.3, []string{"head"}},
		{"mlp:6,5,4,3", "tanh", 0.2, []string{"head", "last:1"}},
	} {
		name := fmt.Sprintf("%s %s %g %v", c.head, c.activation, c.dropout, c.thaw)
		n, err := New(baseOf(fixture.ResidualGraph()), &task.Classify{Classes: []string{"a", "b", "c"}}, Options{
			Head: c.head, HeadActivation: c.activation, HeadDropout: c.dropout, Pool: "auto", Thaw: c.thaw, BatchNorm: "frozen", Seed: 3})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		r := random.For(5, random.Trial, 0)
		for _, w := range n.Set.Weights {
			if w.Head { // a linear head starts at zero, where dropping changes nothing
				for i, d := 0, w.Value.Data.F32(); i < len(d); i++ {
					d[i] = float32(r.NormFloat64()) / 2
				}
			}
		}
		const batch = 4
		frozen, err := n.Frozen(batch)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		x := tensor.New(tensor.Float32, batch, 3, 8, 8)
		for i, d := 0, x.F32(); i < len(d); i++ {
			d[i] = float32(r.NormFloat64())
		}
		out, err := frozen.Run(t.Context(), x)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var values []*tensor.Tensor
		for _, v := range out {
			values = append(values, v.Clone())
		}
		step, err := n.Train(batch)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		labels := []*tensor.Tensor{tensor.Of([]int64{0, 1, 2, 0})}
		loss := func(seed int64) float64 {
			l, _, err := step.Run(t.Context(), values, labels, seed)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return float64(l)
		}
		first := loss(7)
		if again, other := loss(7), loss(8); again != first || (other == first) != (c.dropout == 0) {
			t.Errorf("%s: the loss is %g, again %g, with another seed %g", name, first, again, other)
		}
		loss(7)
		var grads []*tensor.Tensor
		for _, g := range step.Grads {
			grads = append(grads, g.Clone())
		}
		k, checked := 0, 0
		for _, w := range n.Set.Weights {
			if state := n.Plan.Of(w.Name).State; state != "thawed" {
				continue
			}
			g := grads[k].F32()
			k++
			if !w.Head {
				continue
			}
			d := w.Value.Data.F32()
			for i := 0; i < len(d); i += 1 + len(d)/7 {
				const h = 1e-2
				was := d[i]
				d[i] = was + h
				up := loss(7)
				d[i] = was - h
				down := loss(7)
				d[i] = was
				if want := (up - down) / (2 * h); math.Abs(want-float64(g[i])) > 2e-3+0.03*math.Abs(want) {
					t.Errorf("%s: the gradient of %s[%d] is %g, the difference %g", name, w.Name, i, g[i], want)
				}
				checked++
			}
		}
		if checked < 6 {
			t.Errorf("%s: %d gradients were checked", name, checked)
		}
		if strings.Contains(n.Headed.Graph.String(), "Dropout") {
			t.Errorf("%s: the model has dropout", name)
		}
	}
}
