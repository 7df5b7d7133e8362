package run

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/hub/layout"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/peft"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// writePEFT writes what LoRA trained in the layout of peft, where the fit has LoRA. A network whose
// layers peft cannot name, or has no form for, has none: a warning says why.
func (f *loop) writePEFT(patch *onnx.Patch) error {
	s := f.session
	if s.Net.Headed.Adapters == nil {
		return nil
	}
	pairs, all := s.Net.Headed.Adapters.Pairs()
	if len(pairs) == 0 {
		return nil
	}
	warn := func(format string, args ...any) {
		f.events.Emit(&report.Warning{Message: "folder adapter, for peft: " + fmt.Sprintf(format, args...)})
	}
	if !all {
		warn("it is not written, as the fit has ia3 too, which such a folder cannot hold beside LoRA")
		return nil
	}
	full, notes := s.trainedWhole(patch)
	a, err := peft.Of(pairs, s.Net.Set, full, baseName(s.Config.Model))
	if err != nil {
		warn("it is not written: %v", err)
		return nil
	}
	for _, n := range notes {
		warn("%s", n)
	}
	return a.Write(f.dir.File(AdapterDir))
}

// baseName is how peft names the model: on the hub by its repository.
func baseName(model string) string {
	model = layout.Pinned(model)
	if n, err := layout.Parse(model); err == nil && layout.Is(model) {
		return n.Repo
	}
	return filepath.Base(model)
}

// trainedWhole are the weights that trained beside the pairs, by their paths in PyTorch, and notes on
// those that have none.
func (s *Session) trainedWhole(patch *onnx.Patch) (map[string]*tensor.Tensor, []string) {
	out := map[string]*tensor.Tensor{}
	var notes, lost []string
	set, h := s.Net.Set, s.Net.Headed
	if h.Fresh {
		if module, err := s.headModule(); err != nil {
			notes = append(notes, fmt.Sprintf("it has no head: %v", err))
		} else {
			for _, i := range patch.AddInitializers {
				for k, name := range []string{"weight", "bias"} {
					if i.Name == h.Weights[k] {
						out[module+"."+name] = i.Tensor
					}
				}
			}
		}
	}
	for _, e := range s.Plans.Ever.Params {
		w := set.ByName(e.Name)
		if !e.Trains() && e.State != freeze.Tracking || w == nil || w.Role == freeze.RoleAdapter || h.Fresh && w.Head {
			continue
		}
		path, t, err := peft.Whole(h.Graph, set, w)
		if err != nil {
			lost = append(lost, w.Name)
			continue
		}
		out[path] = t
	}
	if len(lost) > 0 {
		notes = append(notes, fmt.Sprintf("it lacks %s, which trained too: peft has no name for them", strings.Join(lost, ", ")))
	}
	return out, notes
}

// headModule is the path of the classifier that a new head takes the place of. It errors unless the
// head is a linear layer and reads what that read.
func (s *Session) headModule() (string, error) {
	h := s.Net.Headed
	own := split.FindClassifier(s.Base.Model.Graph)
	if own == nil || len(own.Weights) == 0 {
		return "", errors.New("the model had no classifier, so PyTorch's has no place for it")
	}
	first := h.New[0]
	reads := own.Features.Name
	if h.Adapters != nil && h.Adapters.Instead[reads] != "" {
		reads = h.Adapters.Instead[reads]
	}
	if first.Op != "Gemm" || first.Inputs[0].Name != reads || len(h.Weights) != 2 {
		return "", errors.New("it is no linear layer in place of the model's classifier")
	}
	name := own.Weights[0]
	for _, w := range freeze.Describe(s.Base.Model.Graph, nil).Weights {
		if w.Name == name && len(w.Module) > 0 {
			return strings.Join(w.Module, "."), nil
		}
	}
	return "", fmt.Errorf("the classifier %q that it replaces has no path", name)
}
