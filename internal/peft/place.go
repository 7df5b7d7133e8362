package peft

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/adapter"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Placed is an adapter with the weights of a model that it belongs to.
type Placed struct {
	Given []adapter.Given
	Full  map[string]*tensor.Tensor // new contents of weights, by the names of the model
	From  map[string][]string       // names of the adapter's tensors, by the names of the model's weights
	Notes []string                  // what was left out, and why
}

// Place finds the weights of a graph that an adapter belongs to. A module is found by its path: the
// model's weight is named so or, where the exporter made a name up, the node that reads it is. Either
// path may have parts before it that the other lacks, as bert. is where the model was a part of
// another. Original is the graph before parts of it were left out, nil if none were: what only that has
// is left out of the adapter as well, with a note.
//
// It errors if a module is not found, if several weights fit, if several modules fit one weight, and
// if shapes differ.
func (a *Adapter) Place(g *ir.Graph, set *freeze.Set, original *ir.Graph) (*Placed, error) {
	out := &Placed{Full: map[string]*tensor.Tensor{}, From: map[string][]string{}}
	here := pathsOf(set)
	var before []place
	if original != nil {
		before = pathsOf(freeze.Describe(original, nil))
	}
	taken := map[string]string{}
	var gone []string
	find := func(path string) (*freeze.Weight, error) {
		w, err := one(here, path)
		if w == nil && err == nil && before != nil {
			if was, _ := one(before, path); was != nil {
				gone = append(gone, path)
				return nil, nil
			}
		}
		if w == nil && err == nil {
			err = fmt.Errorf("the model has no weight for %s of the adapter; nearest names: %s", path, nearest(here, path))
		}
		if err != nil {
			return nil, err
		}
		if other := taken[w.Name]; other != "" {
			return nil, fmt.Errorf("modules %q and %q of the adapter both fit weight %q of the model", other, path, w.Name)
		}
		taken[w.Name] = path
		return w, nil
	}
	for i := range a.Pairs {
		p := &a.Pairs[i]
		w, err := find(p.Module + ".weight")
		if err != nil {
			return nil, err
		}
		if w != nil && folded(w) {
			return nil, fmt.Errorf("module %s of the adapter: %w", p.Module, errFolded(w))
		}
		if w != nil {
			out.Given = append(out.Given, adapter.Given{Weight: w.Name, A: p.A, B: p.B, Scale: p.Scale})
			out.From[w.Name] = []string{prefix + p.Module + suffixA, prefix + p.Module + suffixB}
		}
	}
	for _, path := range slices.Sorted(maps.Keys(a.Full)) {
		w, err := find(path)
		if err != nil {
			return nil, err
		}
		if w == nil {
			continue
		}
		t, err := adapter.FromTorch(g, w, a.Full[path])
		if err != nil {
			return nil, fmt.Errorf("module %s of the adapter: %w", path, err)
		}
		out.Full[w.Name], out.From[w.Name] = t, []string{prefix + path}
	}
	if len(gone) > 0 {
		out.Notes = append(out.Notes, fmt.Sprintf("%s of the adapter is left out: these layers are no part of the network that trains", strings.Join(gone, ", ")))
	}
	if len(out.Given) == 0 {
		return nil, fmt.Errorf("no layer of the adapter is part of the network that trains")
	}
	return out, nil
}

// place is a weight with a path that PyTorch may know it by.
type place struct {
	weight *freeze.Weight
	path   string
}

// pathsOf lists the weights of a model by the paths that PyTorch has for them: their own names, or where
// the exporter made these up, the paths of their layers.
func pathsOf(set *freeze.Set) []place {
	var out []place
	for _, w := range set.Weights {
		path, module := strings.ReplaceAll(w.Name, "/", "."), strings.Join(w.Module, ".")
		if module != "" && !strings.HasPrefix(path, module+".") {
			switch w.Role {
			case freeze.RoleWeight, freeze.RoleEmbedding:
				path = module + ".weight"
			case freeze.RoleBias:
				path = module + ".bias"
			}
		}
		out = append(out, place{w, path})
	}
	return out
}

// folded reports whether the weight of a convolution has no name of PyTorch: exporters give it a new one
// when they fold the batch normalisation behind it into it. Then it is not PyTorch's weight, and a
// pair for the one does not fit the other.
func folded(w *freeze.Weight) bool {
	return len(w.Value.Type.Shape) > 2 && !strings.HasPrefix(strings.ReplaceAll(w.Name, "/", "."), strings.Join(w.Module, ".")+".")
}

func errFolded(w *freeze.Weight) error {
	return fmt.Errorf("the exporter folded batch normalisation into convolution %q, so pairs for PyTorch's do not fit it: export the model with training=TrainingMode.PRESERVE or do_constant_folding=False", w.Name)
}

// one is the weight for a path: the one that has it, else the only one of which one path ends in the
// other. It is nil without one, and an error where several fit.
func one(places []place, path string) (*freeze.Weight, error) {
	var equal, ends []place
	for _, p := range places {
		switch {
		case p.path == path:
			equal = append(equal, p)
		case strings.HasSuffix(p.path, "."+path), strings.HasSuffix(path, "."+p.path):
			ends = append(ends, p)
		}
	}
	found := equal
	if len(found) == 0 {
		found = ends
	}
	var names []string
	for _, p := range found {
		if !slices.Contains(names, p.weight.Name) {
			names = append(names, p.weight.Name)
		}
	}
	switch len(names) {
	case 0:
		return nil, nil
	case 1:
		return found[0].weight, nil
	}
	return nil, fmt.Errorf("%s of the adapter fits several weights of the model: %s", path, quoted(names))
}

// nearest are the paths that share the most of their ends with a path.
func nearest(places []place, path string) string {
	common := func(p string) int {
		a, b := strings.Split(p, "."), strings.Split(path, ".")
		n := 0
		for n < min(len(a), len(b)) && a[len(a)-1-n] == b[len(b)-1-n] {
			n++
		}
		return n
	}
	sorted := slices.Clone(places)
	slices.SortStableFunc(sorted, func(a, b place) int { return common(b.path) - common(a.path) })
	var names []string
	for _, p := range sorted[:min(3, len(sorted))] {
		names = append(names, p.path)
	}
	return strings.Join(names, ", ")
}
