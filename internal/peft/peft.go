// Package peft reads and writes LoRA adapters as the Python package peft stores them: a folder with
// adapter_config.json and adapter_model.safetensors.
//
// In: a folder, and the weights of a model. Out: which of the weights get which low-rank pair, and the
// other way round. It knows the names that PyTorch and exporters give to layers. It must not know
// how a pair is run or trained.
//
// Source: LoraConfig and get_peft_model_state_dict of peft.
package peft

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/safetensors"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// The files of an adapter's folder.
const (
	ConfigFile  = "adapter_config.json"
	WeightsFile = "adapter_model.safetensors"
)

// prefix is what peft puts before the path of each module.
const prefix = "base_model.model."

// Adapter is what a folder holds.
type Adapter struct {
	Pairs []Pair
	// Full are parameters that take the place of the model's own, such as biases and classifiers, by
	// their paths.
	Full    map[string]*tensor.Tensor
	Dropout float64 // with which peft trained it; it changes training alone
	Base    string  // name of the model that it was trained for, "" for unknown
}

// Pair is what LoRA adds to a module: its weight W becomes W + Scale B A.
type Pair struct {
	Module string // path, as encoder.layer.0.attention.self.query
	// A is [rank, in], for a convolution [rank, in, k, k]; B is [out, rank], for a convolution
	// [out, rank, 1, 1].
	A, B  *tensor.Tensor
	Scale float64
}

// Rank is the width of the pair.
func (p *Pair) Rank() int { return p.A.Shape[0] }

// Is reports whether a folder holds an adapter.
func Is(dir string) bool {
	st, err := os.Stat(filepath.Join(dir, ConfigFile))
	return err == nil && st.Mode().IsRegular()
}

// Read reads an adapter from its folder. It errors on what it cannot heed and what would change what
// the adapter computes, and names it.
func Read(dir string) (*Adapter, error) {
	b, err := os.ReadFile(filepath.Join(dir, ConfigFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s holds no adapter of peft: it has no %s", dir, ConfigFile)
	}
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, ConfigFile)
	c, err := parseConfig(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f, err := safetensors.ReadFile(filepath.Join(dir, WeightsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s has no %s: peft writes it with save_pretrained(..., safe_serialization=True)", dir, WeightsFile)
	}
	if err != nil {
		return nil, err
	}
	a, err := c.adapter(f.Tensors)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, WeightsFile), err)
	}
	return a, nil
}

// Parts of the names of tensors that have a meaning in peft.
const (
	suffixA = ".lora_A.weight"
	suffixB = ".lora_B.weight"
)

// adapter sorts the tensors of a file.
func (c *config) adapter(tensors map[string]*tensor.Tensor) (*Adapter, error) {
	a := &Adapter{Full: map[string]*tensor.Tensor{}, Base: c.Base, Dropout: c.Dropout}
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		key, ok := strings.CutPrefix(name, prefix)
		t := tensors[name]
		switch {
		case !ok:
			return nil, fmt.Errorf("tensor %q does not begin with %s, as peft's do", name, prefix)
		case !t.DType.IsFloat():
			return nil, fmt.Errorf("tensor %q holds %v, not floating point numbers", name, t.DType)
		case strings.HasSuffix(key, suffixB):
			if tensors[prefix+strings.TrimSuffix(key, suffixB)+suffixA] == nil {
				return nil, fmt.Errorf("tensor %q has no lora_A beside it", name)
			}
		case strings.HasSuffix(key, suffixA):
			module := strings.TrimSuffix(key, suffixA)
			p := Pair{Module: module, A: t, B: tensors[prefix+module+suffixB]}
			if err := c.check(&p); err != nil {
				return nil, err
			}
			a.Pairs = append(a.Pairs, p)
		case strings.Contains(key, "lora_"):
			return nil, fmt.Errorf("tensor %q is not understood: of LoRA, pairs of linear layers and convolutions are", name)
		default:
			if err := c.full(key); err != nil {
				return nil, err
			}
			a.Full[key] = t
		}
	}
	if len(a.Pairs) == 0 {
		return nil, errors.New("it holds no pair lora_A and lora_B")
	}
	return a, nil
}

// check errors if the tensors of a pair do not fit together or to the configuration, and finds the
// scale.
func (c *config) check(p *Pair) error {
	if p.B == nil {
		return fmt.Errorf("module %s has lora_A and no lora_B", p.Module)
	}
	a, b := p.A.Shape, p.B.Shape
	ones := len(a) == len(b) && len(a) >= 2
	if ones {
		for _, d := range b[2:] {
			ones = ones && d == 1
		}
	}
	if !ones || a[0] != b[1] {
		return fmt.Errorf("module %s: lora_A %v and lora_B %v are no pair", p.Module, a, b)
	}
	rank, alpha, err := c.of(p.Module)
	if err != nil {
		return err
	}
	if rank != a[0] {
		return fmt.Errorf("module %s: lora_A %v has rank %d, and %s says %d", p.Module, a, a[0], ConfigFile, rank)
	}
	p.Scale = c.scale(alpha, rank)
	return nil
}

// full errors unless the configuration says that a parameter of the model itself is in the file.
func (c *config) full(key string) error {
	if strings.HasSuffix(key, ".bias") && c.Bias != "none" {
		return nil
	}
	module, _, _ := cutLast(key)
	for _, m := range c.Saved {
		if module == m || strings.HasSuffix(module, "."+m) || strings.Contains("."+module+".", "."+m+".") {
			return nil
		}
	}
	return fmt.Errorf("tensor %q is neither of LoRA nor of modules_to_save", prefix+key)
}

// cutLast divides a path before its last part.
func cutLast(path string) (before, last string, ok bool) {
	i := strings.LastIndexByte(path, '.')
	if i < 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}
