package peft

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/permafrost-ml/permafrost/internal/adapter"
	"github.com/permafrost-ml/permafrost/internal/atomicfile"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/safetensors"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Of makes an adapter of the pairs beside a model's weights. Full are other weights that trained, by
// their paths in PyTorch. It errors if a weight has no path that PyTorch knows, or if peft has no
// form for its pair.
func Of(pairs []adapter.Given, set *freeze.Set, full map[string]*tensor.Tensor, base string) (*Adapter, error) {
	a := &Adapter{Full: full, Base: base}
	paths := pathsOf(set)
	for _, g := range pairs {
		w := set.ByName(g.Weight)
		if g.Groups > 1 {
			return nil, fmt.Errorf("the convolution of %q has groups, for which peft has no form", g.Weight)
		}
		if folded(w) {
			return nil, errFolded(w)
		}
		module := ""
		for _, p := range paths {
			if m, last, ok := cutLast(p.path); p.weight == w && ok && last == "weight" {
				module = m
				break
			}
		}
		if module == "" {
			return nil, fmt.Errorf("neither the name of weight %q nor the path of its node says what PyTorch calls it", g.Weight)
		}
		if again, err := one(paths, module+".weight"); err != nil || again != w {
			return nil, fmt.Errorf("weight %q is not the only one at %s", g.Weight, module)
		}
		if full[module+".weight"] != nil {
			return nil, fmt.Errorf("weight %q trained beside its pair, for which peft has no form", g.Weight)
		}
		a.Pairs = append(a.Pairs, Pair{Module: module, A: g.A, B: g.B, Scale: g.Scale})
	}
	return a, nil
}

// Whole is a weight of a model as a parameter of PyTorch. It errors if nothing says what PyTorch calls
// it.
func Whole(g *ir.Graph, set *freeze.Set, w *freeze.Weight) (path string, t *tensor.Tensor, err error) {
	for _, p := range pathsOf(set) {
		if p.weight != w {
			continue
		}
		if _, last, ok := cutLast(p.path); !ok || w.Role != freeze.RoleNorm && w.Role != freeze.RoleStat && last != "weight" && last != "bias" {
			break
		}
		t, err := adapter.ToTorch(g, w)
		return p.path, t, err
	}
	return "", nil, fmt.Errorf("neither the name of weight %q nor the path of its node says what PyTorch calls it", w.Name)
}

// Write writes an adapter's folder.
func (a *Adapter) Write(dir string) error {
	f := safetensors.File{Tensors: map[string]*tensor.Tensor{}, Metadata: map[string]string{"format": "pt"}}
	for _, p := range a.Pairs {
		f.Tensors[prefix+p.Module+suffixA], f.Tensors[prefix+p.Module+suffixB] = p.A, p.B
	}
	for path, t := range a.Full {
		f.Tensors[prefix+path] = t
	}
	config, err := json.MarshalIndent(configOf(a), "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	if err := atomicfile.Write(filepath.Join(dir, WeightsFile), func(w io.Writer) error { return safetensors.Write(w, f) }); err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, ConfigFile), func(w io.Writer) error {
		_, err := w.Write(append(config, '\n'))
		return err
	})
}
