package ir

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// AttrType is the type of an attribute.
type AttrType uint8

// The types of attributes.
const (
	AttrAny     AttrType = iota // unknown
	AttrInt                     // int; flags too
	AttrFloat                   // float32
	AttrString                  // string
	AttrInts                    // []int
	AttrFloats                  // []float32
	AttrStrings                 // []string
	AttrTensor                  // *tensor.Tensor
	AttrGraph                   // *Graph
)

func (t AttrType) String() string {
	return [...]string{"of unknown type", "an integer", "a floating-point number", "a string", "a list of integers",
		"a list of floating-point numbers", "a list of strings", "a tensor", "a graph"}[t]
}

// attrTypeOf returns the type of a value, AttrAny if attributes cannot hold it.
func attrTypeOf(v any) AttrType {
	switch v.(type) {
	case int:
		return AttrInt
	case float32:
		return AttrFloat
	case string:
		return AttrString
	case []int:
		return AttrInts
	case []float32:
		return AttrFloats
	case []string:
		return AttrStrings
	case *tensor.Tensor:
		return AttrTensor
	case *Graph:
		return AttrGraph
	}
	return AttrAny
}

// attrNames gives the types of attributes by name. As in ONNX, an attribute usually has the same
// type in all operators. An operator that differs, or that has an attribute with another name,
// states the type itself (Def.Attrs, Form.Attrs).
var attrNames = map[AttrType][]string{
	AttrInt: {"align_corners", "allowzero", "antialias", "axis", "batch_axis", "batch_dims", "blank", "block_size",
		"blocksize", "broadcast", "ceil_mode", "center_point_box", "channels_last", "chosen_for", "count_include_pad", "depth", "detect_negative",
		"detect_positive", "do_rotary", "dtype", "exclude_outside", "exclusive", "end", "fmod", "from", "group", "hidden_size",
		"ignore_index", "input_forget", "interleaved", "inverse", "is_causal", "k", "keepdims", "kv_num_heads", "largest",
		"linear_before_reset", "links", "local_window_size", "max_gram_length", "max_skip_count", "min_gram_length",
		"new_axis", "noop_with_empty_axes", "num_groups", "num_heads", "num_outputs", "num_scan_inputs", "offset_group", "onesided",
		"output_datatype", "output_dtype", "output_height", "output_width", "p", "past", "periodic", "q_num_heads",
		"qk_matmul_output_mode", "random", "residual", "reverse", "rotary_interleaved", "salt", "sampling_ratio", "saturate",
		"select_last_index", "size", "sorted", "start", "states", "storage_order", "time_axis", "to", "training_mode", "transA",
		"transB", "transBatchA", "transBatchB", "unidirectional", "upper", "zero", "zero_infinity"},
	AttrFloat: {"act_alpha", "act_max", "act_min", "alpha", "beta", "bias", "clip", "cubic_coeff_a", "delta", "epsilon",
		"extrapolation_value", "gamma", "high", "label_smoothing", "lambd", "low", "mask_filter_value", "max", "mean", "min",
		"momentum", "ratio", "scale", "seed", "softcap", "spatial_scale"},
	AttrString: {"act", "activation", "approximate", "auto_pad", "cell", "coordinate_transformation_mode", "direction", "distribution",
		"equation", "keep_aspect_ratio_policy", "layout", "mode", "nearest_mode", "padding_mode", "reduction", "round_mode",
		"update_rule"},
	AttrInts: {"axes", "block_shape", "dilations", "directions", "ends", "extent", "image_shape", "k_at", "kernel_shape", "ngram_counts", "ngram_indexes",
		"output_padding", "output_shape", "paddings", "pads", "perm", "pool_int64s", "q_at", "qkv_hidden_sizes", "repeats",
		"scan_input_axes", "scan_input_directions", "scan_output_axes", "scan_output_directions", "shape", "spatial", "split",
		"starts", "steps", "strides", "v_at", "y_at"},
	AttrFloats:  {"activation_alpha", "activation_beta", "activation_params", "roi", "scales", "weights"},
	AttrStrings: {"activations", "pool_strings"},
	AttrTensor:  {"table", "value"},
	AttrGraph:   {"body", "else_branch", "then_branch"},
}

var attrTypes = func() map[string]AttrType {
	m := map[string]AttrType{}
	for t, names := range attrNames {
		for _, name := range names {
			m[name] = t
		}
	}
	return m
}()

// AttrTypes returns the types that attributes with a name may have: first the usual one, if there
// is one, then those that operators state.
func AttrTypes(name string) (types []AttrType) {
	add := func(m map[string]AttrType) {
		if t, ok := m[name]; ok && !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	add(attrTypes)
	for _, d := range Ops() {
		add(d.Attrs)
	}
	for _, k := range slices.SortedFunc(maps.Keys(forms), func(a, b formKey) int { return cmp.Or(cmp.Compare(a.op, b.op), cmp.Compare(a.domain, b.domain)) }) {
		for _, f := range forms[k] {
			add(f.Attrs)
		}
	}
	return types
}

// CheckRawAttrs errors if an attribute of a raw node does not have the type that its ONNX operator
// takes. The error names the node, its operator, the attribute and both types. Attributes that the
// operator does not know have no effect, whatever their type, and stay in the file. Operators with
// an unknown name are not checked, as nothing reads their attributes.
func (n *Node) CheckRawAttrs() error {
	form, def, err := FindForm(n.Domain, n.Op, n.Version)
	if err != nil {
		// Another version or domain of a known operator: code that goes by names may read its
		// attributes.
		if len(forms[formKey{"", n.Op}])+len(forms[formKey{n.Domain, n.Op}]) == 0 {
			return nil
		}
		return n.checkAttrs()
	}
	own := []map[string]AttrType{form.Attrs}
	if form.Lower == nil {
		own = append(own, def.Attrs)
	}
	return n.checkAttrs(own...)
}

// CheckAttrs does the same for a specialised node.
func (n *Node) CheckAttrs() error {
	d := Lookup(n.Op)
	if d == nil {
		return nil
	}
	return n.checkAttrs(d.Attrs)
}

func (n *Node) checkAttrs(own ...map[string]AttrType) error {
	for _, name := range slices.Sorted(maps.Keys(n.Attrs)) {
		want := attrTypes[name]
		for _, m := range own {
			if t, ok := m[name]; ok {
				want = t
			}
		}
		if got := attrTypeOf(n.Attrs[name]); want != AttrAny && got != want {
			return n.Errorf("attribute %q is %v, takes %v", name, got, want)
		}
	}
	return nil
}

// attr reads an attribute as type T. Nodes are checked when they are created, so another type is a
// bug.
func attr[T any](a Attrs, name string) (v T, ok bool) {
	x := a[name]
	if x == nil {
		return v, false
	}
	if v, ok = x.(T); !ok {
		panic(fmt.Sprintf("ir: attribute %q is %v and read as %v", name, attrTypeOf(x), attrTypeOf(v)))
	}
	return v, true
}
