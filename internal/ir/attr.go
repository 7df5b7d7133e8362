package ir

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Attrs are a node's attributes. Values are int, float32, string, []int, []float32, []string,
// *tensor.Tensor or *Graph.
type Attrs map[string]any

// Each accessor returns the attribute, or a default if it is absent. Nodes are checked when they
// are created (Node.CheckRawAttrs, Verify), so an attribute of another type is a bug, and the
// accessor panics.

// Int returns the attribute, or def.
func (a Attrs) Int(name string, def int) int {
	if v, ok := attr[int](a, name); ok {
		return v
	}
	return def
}

// Bool is an integer attribute read as a flag.
func (a Attrs) Bool(name string) bool { return a.Int(name, 0) != 0 }

// Float returns the attribute, or def.
func (a Attrs) Float(name string, def float32) float32 {
	if v, ok := attr[float32](a, name); ok {
		return v
	}
	return def
}

// Str returns the attribute, or def.
func (a Attrs) Str(name, def string) string {
	if v, ok := attr[string](a, name); ok {
		return v
	}
	return def
}

// Ints returns the attribute, or nil.
func (a Attrs) Ints(name string) []int {
	v, _ := attr[[]int](a, name)
	return v
}

// Floats returns the attribute, or nil.
func (a Attrs) Floats(name string) []float32 {
	v, _ := attr[[]float32](a, name)
	return v
}

// Strs returns the attribute, or nil.
func (a Attrs) Strs(name string) []string {
	v, _ := attr[[]string](a, name)
	return v
}

// Tensor returns the attribute, or nil.
func (a Attrs) Tensor(name string) *tensor.Tensor {
	v, _ := attr[*tensor.Tensor](a, name)
	return v
}

// Graph returns the attribute, or nil.
func (a Attrs) Graph(name string) *Graph {
	v, _ := attr[*Graph](a, name)
	return v
}

// Has reports whether the attribute is present.
func (a Attrs) Has(name string) bool { _, ok := a[name]; return ok }

// Graphs lists the subgraphs among the attributes, by name.
func (a Attrs) Graphs() []*Graph {
	var names []string
	for k, v := range a {
		if _, ok := v.(*Graph); ok {
			names = append(names, k)
		}
	}
	slices.Sort(names)
	var gs []*Graph
	for _, k := range names {
		gs = append(gs, a[k].(*Graph))
	}
	return gs
}

// With returns a copy in which name is v.
func (a Attrs) With(name string, v any) Attrs {
	c := maps.Clone(a)
	if c == nil {
		c = Attrs{}
	}
	c[name] = v
	return c
}

func (a Attrs) String() string {
	var b strings.Builder
	for i, k := range slices.Sorted(maps.Keys(a)) {
		if i > 0 {
			b.WriteString(", ")
		}
		switch v := a[k].(type) {
		case *tensor.Tensor:
			fmt.Fprintf(&b, "%s=%v%v", k, v.DType, v.Shape)
		case *Graph:
			fmt.Fprintf(&b, "%s=graph(%d nodes)", k, len(v.Nodes))
		case string:
			fmt.Fprintf(&b, "%s=%q", k, v)
		default:
			fmt.Fprintf(&b, "%s=%v", k, v)
		}
	}
	return b.String()
}
