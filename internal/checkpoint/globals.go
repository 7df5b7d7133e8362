package checkpoint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// storage is a buffer of the file that tensors are views of.
type storage struct {
	dtype  tensor.DType // Invalid: bytes, whose views say what they are
	key    string
	offset int64 // elements of the buffer before the first
	len    int64 // elements
}

// view is a tensor as a pickle describes it. Its sizes are as stated in the file, and are checked
// when the tensor is read.
type view struct {
	storage *storage
	dtype   tensor.DType
	offset  int64 // elements
	shape   []int64
	strides []int64 // elements
}

// storages are the types of buffers, by their names in PyTorch.
var storages = map[global]tensor.DType{
	"torch.FloatStorage":           tensor.Float32,
	"torch.DoubleStorage":          tensor.Float64,
	"torch.HalfStorage":            tensor.Float16,
	"torch.BFloat16Storage":        tensor.BFloat16,
	"torch.CharStorage":            tensor.Int8,
	"torch.ShortStorage":           tensor.Int16,
	"torch.IntStorage":             tensor.Int32,
	"torch.LongStorage":            tensor.Int64,
	"torch.ByteStorage":            tensor.Uint8,
	"torch.BoolStorage":            tensor.Bool,
	"torch.UntypedStorage":         tensor.Invalid,
	"torch.storage.UntypedStorage": tensor.Invalid,
}

// torchTypes are the names of element types for views of bytes.
var torchTypes = map[global]tensor.DType{
	"torch.float32": tensor.Float32, "torch.float64": tensor.Float64, "torch.float16": tensor.Float16, "torch.bfloat16": tensor.BFloat16,
	"torch.int8": tensor.Int8, "torch.int16": tensor.Int16, "torch.int32": tensor.Int32, "torch.int64": tensor.Int64,
	"torch.uint8": tensor.Uint8, "torch.uint16": tensor.Uint16, "torch.uint32": tensor.Uint32, "torch.uint64": tensor.Uint64,
	"torch.bool": tensor.Bool,
}

// makers are the functions and types that checkpoints are built with, and what each gives.
var makers = map[global]func(args tuple) (any, error){
	"collections.OrderedDict":                    makeDict,
	"torch._utils._rebuild_tensor":               makeView,
	"torch._utils._rebuild_tensor_v2":            makeView,
	"torch._utils._rebuild_tensor_v3":            makeView,
	"torch._utils._rebuild_parameter":            first,
	"torch._utils._rebuild_parameter_with_state": first,
	"torch.Size":                          first,
	"collections.defaultdict":             func(tuple) (any, error) { return &dict{}, nil },
	"torch.device":                        harmless,
	"argparse.Namespace":                  harmless,
	"numpy.dtype":                         harmless,
	"_codecs.encode":                      harmless,
	"builtins.set":                        harmless,
	"__builtin__.set":                     harmless,
	"collections.Counter":                 harmless,
	"collections.deque":                   harmless,
	"datetime.datetime":                   harmless,
	"pathlib.Path":                        harmless,
	"pathlib.PosixPath":                   harmless,
	"pathlib.WindowsPath":                 harmless,
	"numpy.ndarray":                       harmless,
	"numpy.core.multiarray.scalar":        harmless,
	"numpy.core.multiarray._reconstruct":  harmless,
	"numpy._core.multiarray.scalar":       harmless,
	"numpy._core.multiarray._reconstruct": harmless,
}

func known(name string) bool {
	g := global(name)
	_, maker := makers[g]
	_, store := storages[g]
	_, typ := torchTypes[g]
	return maker || store || typ
}

// construct calls one of makers.
func construct(name global, args tuple) (any, error) {
	if f, ok := makers[name]; ok {
		return f(args)
	}
	return nil, fmt.Errorf("is nothing to call")
}

// harmless is for values other than weights, such as the arguments of a training script.
func harmless(tuple) (any, error) { return inert{}, nil }

func first(args tuple) (any, error) {
	if len(args) == 0 {
		return nil, fmt.Errorf("no argument")
	}
	return args[0], nil
}

func makeDict(args tuple) (any, error) {
	d := &dict{}
	if len(args) == 0 {
		return d, nil
	}
	pairs, ok := args[0].(*list)
	if !ok {
		return nil, fmt.Errorf("want a list of pairs")
	}
	for _, p := range pairs.items {
		if l, ok := p.(*list); ok {
			p = tuple(l.items)
		}
		kv, ok := p.(tuple)
		if !ok || len(kv) != 2 {
			return nil, fmt.Errorf("want a list of pairs")
		}
		d.set(kv[0], kv[1])
	}
	return d, nil
}

// makeView takes the arguments (storage, offset, size, stride, ...). In version 3, an element type
// follows requires_grad and hooks.
func makeView(args tuple) (any, error) {
	if len(args) < 4 {
		return nil, fmt.Errorf("%d arguments, want 4 or more", len(args))
	}
	s, ok := args[0].(*storage)
	if !ok {
		return nil, fmt.Errorf("a tensor without a storage")
	}
	v := &view{storage: s, dtype: s.dtype}
	if v.offset, ok = args[1].(int64); !ok {
		return nil, fmt.Errorf("the offset is no number")
	}
	var err error
	if v.shape, err = integers(args[2]); err != nil {
		return nil, err
	}
	if v.strides, err = integers(args[3]); err != nil {
		return nil, err
	}
	if s.dtype == tensor.Invalid {
		if len(args) > 6 {
			name, _ := args[6].(global)
			v.dtype = torchTypes[name]
		}
		if v.dtype == tensor.Invalid {
			return nil, fmt.Errorf("a tensor of an element type that is not known")
		}
	}
	return v, nil
}

func integers(v any) ([]int64, error) {
	t, ok := v.(tuple)
	if !ok {
		return nil, fmt.Errorf("sizes are no tuple")
	}
	out := make([]int64, len(t))
	for i, x := range t {
		if out[i], ok = x.(int64); !ok {
			return nil, fmt.Errorf("a size is no number")
		}
	}
	return out, nil
}

// persistent reads the reference to a storage: ("storage", type, key, location, elements) and,
// before torch 1.6, a view of another storage: (key, offset, elements).
func persistent(id any) (*storage, error) {
	t, ok := id.(tuple)
	if !ok || len(t) < 5 || t[0] != "storage" {
		return nil, fmt.Errorf("a persistent id that is no storage")
	}
	name, _ := t[1].(global)
	dt, ok := storages[name]
	if !ok {
		return nil, fmt.Errorf("storage type %q is not known", name)
	}
	key, ok1 := t[2].(string)
	n, ok2 := t[4].(int64)
	if !ok1 || !ok2 {
		return nil, fmt.Errorf("a storage without key or size")
	}
	s := &storage{dtype: dt, key: key, len: n}
	if len(t) > 5 && t[5] != nil {
		sub, ok := t[5].(tuple)
		if !ok || len(sub) != 3 {
			return nil, fmt.Errorf("a view of a storage that is not (key, offset, size)")
		}
		off, ok1 := sub[1].(int64)
		n, ok2 := sub[2].(int64)
		if !ok1 || !ok2 || off < 0 || n < 0 {
			return nil, fmt.Errorf("a view of a storage outside of it")
		}
		s.offset, s.len = off, n
	}
	return s, nil
}

// entry is a name of a state dict and its tensor.
type entry struct {
	name string
	view *view
}

// picker finds the state dict in the contents of a file. Values may be shared, so walking a small
// file could take forever. Steps bounds it.
type picker struct{ steps int }

// errEndless is the error for a file that would be walked forever.
var errEndless = fmt.Errorf("its parts hold one another without end")

// maxName bounds the length of a tensor's name, maxDepth how deep state dicts may be nested.
const (
	maxName  = 1024
	maxDepth = 16
)

// usual are the keys under which training scripts save weights, in order of preference.
var usual = []string{"state_dict", "model_state_dict", "model", "net", "network", "module", "weights", "params"}

// find returns the state dict and the keys that lead to it. Path gives the keys, or else they are
// searched for: the value itself where it holds tensors, or the only part of it that does, or the
// part with a usual name.
func (p *picker) find(root any, path string) (d *dict, keys []string, ignored []string, err error) {
	d, ok := root.(*dict)
	if !ok {
		return nil, nil, nil, fmt.Errorf("holds no state dict: save one with torch.save(model.state_dict(), path)")
	}
	if path != "" {
		d, err = descend(d, path)
		return d, []string{path}, nil, err
	}
	for depth := 0; ; depth++ {
		if depth > maxDepth {
			return nil, nil, nil, errEndless
		}
		var parts, others []string
		for i, v := range d.values {
			switch v := v.(type) {
			case *view:
				return d, keys, ignored, nil
			case *dict:
				has, err := p.holds(v, 0)
				if err != nil {
					return nil, nil, nil, err
				}
				if has && !strings.Contains(strings.ToLower(d.keys[i]), "optim") {
					parts = append(parts, d.keys[i])
					continue
				}
			}
			others = append(others, d.keys[i])
		}
		key := ""
		switch {
		case len(parts) == 0:
			return nil, nil, nil, fmt.Errorf("holds no state dict: save one with torch.save(model.state_dict(), path)")
		case len(parts) == 1:
			key = parts[0]
		default:
			i := slices.IndexFunc(usual, func(s string) bool { return slices.Contains(parts, s) })
			if i < 0 {
				return nil, nil, nil, fmt.Errorf("holds several state dicts: choose with option entry one of %s", strings.Join(parts[:min(len(parts), 8)], ", "))
			}
			key = usual[i]
		}
		for _, o := range append(parts, others...) {
			if o != key {
				ignored = append(ignored, o)
			}
		}
		v, _ := d.get(key)
		d = v.(*dict)
		keys = append(keys, key)
	}
}

// descend follows keys joined by dots. Where keys contain dots, the longest match comes first.
func descend(d *dict, path string) (*dict, error) {
	for rest := path; rest != ""; {
		key, after := rest, ""
		v, ok := d.get(key)
		for !ok {
			i := strings.LastIndexByte(key, '.')
			if i < 0 {
				return nil, fmt.Errorf("has no entry %q: it holds %s", path, strings.Join(d.keys[:min(len(d.keys), 8)], ", "))
			}
			key, after = rest[:i], rest[i+1:]
			v, ok = d.get(key)
		}
		if d, ok = v.(*dict); !ok {
			return nil, fmt.Errorf("entry %q is no state dict", path)
		}
		rest = after
	}
	return d, nil
}

// holds reports whether there is a tensor in d, at any depth.
func (p *picker) holds(d *dict, depth int) (bool, error) {
	for _, v := range d.values {
		if p.steps--; p.steps < 0 || depth > maxDepth {
			return false, errEndless
		}
		switch v := v.(type) {
		case *view:
			return true, nil
		case *dict:
			if has, err := p.holds(v, depth+1); has || err != nil {
				return has, err
			}
		}
	}
	return false, nil
}

// flatten lists the tensors of d in order. Nested names are joined by dots. Other values are
// skipped.
func (p *picker) flatten(d *dict, prefix string, depth int, out []entry) ([]entry, error) {
	for i, v := range d.values {
		if p.steps--; p.steps < 0 || depth > maxDepth {
			return nil, errEndless
		}
		name := prefix + d.keys[i]
		if len(name) > maxName {
			return nil, fmt.Errorf("a name of %d bytes", len(name))
		}
		switch v := v.(type) {
		case *view:
			out = append(out, entry{name, v})
		case *dict:
			var err error
			if out, err = p.flatten(v, name+".", depth+1, out); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}
