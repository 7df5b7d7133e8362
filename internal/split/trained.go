package split

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/adapter"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/peft"
)

// trained reads the adapter that a spec names and finds its layers.
func (h *Headed) trained(spec *adapter.Spec, set *freeze.Set, base *Base) error {
	a, err := peft.Read(spec.Folder)
	if err != nil {
		return err
	}
	var original *ir.Graph
	if h.Fresh || len(h.short.Bypasses) > 0 {
		original = base.Model.Graph
	}
	p, err := a.Place(h.Graph, set, original)
	if err != nil {
		return err
	}
	if a.Dropout > 0 {
		h.Notes = append(h.Notes, fmt.Sprintf("lora_dropout %g of the adapter is not applied: adapters train without dropout here", a.Dropout))
	}
	spec.Given, h.full = p.Given, p.Full
	h.Notes = append(h.Notes, p.Notes...)
	return nil
}

// placeFull gives the weights that a trained adapter holds as a whole these values. They must train, as
// what is frozen stays as the model has it.
func (h *Headed) placeFull(set *freeze.Set, plan *freeze.Plan) error {
	for _, w := range set.Weights {
		t := h.full[w.Name]
		switch {
		case t == nil:
		case plan.Of(w.Name).State != freeze.Thaw:
			return option.Errorf("adapter", "it holds %q as a whole, which is frozen: let it train with option thaw %s", w.Name, w.Name)
		default:
			w.Value.Data = t
		}
	}
	return nil
}
