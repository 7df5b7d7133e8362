package checkpoint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// gathered is a constant that an exporter computed from a table of weights and an index of its
// rows, both in the checkpoint. The bias of attention by relative position is one: table[index],
// reshaped. With a table [rows,width] and n numbers in the index, the constant has n*width
// elements. As [outer,width,inner], with outer*inner = n,
//
//	constant[o,c,i] = table[index[o*inner+i],c]
type gathered struct {
	table        *source
	rows         []int // the index
	width, inner int
}

// at is the element of the table that is element i of the constant.
func (g *gathered) at(i int) int {
	o, c, k := i/(g.width*g.inner), i/g.inner%g.width, i%g.inner
	return g.rows[o*g.inner+k]*g.width + c
}

// gather makes the constant.
func (g *gathered) gather(shape tensor.Shape) *tensor.Tensor {
	src := g.table.Tensor
	size := src.DType.Size()
	out := tensor.New(src.DType, shape...)
	for i := range out.Len() {
		j := g.at(i)
		copy(out.Bytes[i*size:(i+1)*size], src.Bytes[j*size:(j+1)*size])
	}
	return out
}

// scatter inverts gather. Rows that the index does not name are the table's own. It returns false
// where elements that come from one element of the table differ, as they do after training.
func (g *gathered) scatter(t *tensor.Tensor) (*tensor.Tensor, bool) {
	out := convert(g.table.Tensor, t.DType)
	if out == g.table.Tensor {
		out = out.Clone()
	}
	size := t.DType.Size()
	seen := make([]bool, out.Len())
	for i := range t.Len() {
		j := g.at(i)
		is, to := t.Bytes[i*size:(i+1)*size], out.Bytes[j*size:(j+1)*size]
		if seen[j] && string(is) != string(to) {
			return nil, false
		}
		seen[j] = true
		copy(to, is)
	}
	return out, true
}

// byTable looks for a table and an index in the module that reads t, from which t is gathered. It
// recognises them by t's own contents, which are equal wherever the index is. It returns nil where
// two pairs would fit.
func (r *Result) byTable(t *target) *Match {
	if !t.madeUp() || t.module == "" || !t.param.Tensor.DType.IsFloat() || t.shape().Len() < 2 {
		return nil
	}
	var found *gathered
	for _, s := range r.sources {
		if s.used || len(s.Tensor.Shape) < 1 || s.Tensor.Len() == 0 || !related(s.key, r.key(t.module)) {
			continue
		}
		for _, index := range r.indices {
			if !together(s.key, index.key) {
				continue
			}
			if g := gatheredFrom(t, s, index); g != nil {
				if found != nil {
					return nil
				}
				found = g
			}
		}
	}
	if found == nil {
		return nil
	}
	found.table.used = true
	return &Match{Tensor: t.name, Shape: t.shape(), How: "node path", target: t, form: gatheredRows, source: found.table, table: found}
}

// gatheredFrom tries every axis of t, and every run of axes, for the rows of the table. It returns
// nil where none or several agree with t's own contents.
func gatheredFrom(t *target, table, index *source) *gathered {
	s := table.Tensor.Shape
	width := s.Len() / s[0]
	rows, err := index.Tensor.Ints()
	if err != nil || len(rows) == 0 || t.shape().Len() != width*len(rows) || slices.Min(rows) < 0 || slices.Max(rows) >= s[0] || !repeats(rows) {
		return nil
	}
	var found []*gathered
	dims := squeezed(t.shape())
	for end := len(dims); end >= 0; end-- {
		inner := tensor.Shape(dims[end:]).Len()
		start := end
		for start > 0 && tensor.Shape(dims[start:end]).Len() < width {
			start--
		}
		if tensor.Shape(dims[start:end]).Len() != width || width == 1 && end < len(dims) {
			continue
		}
		g := &gathered{table: table, rows: rows, width: width, inner: inner}
		if _, ok := g.scatter(t.param.Tensor); ok {
			found = append(found, g)
		}
	}
	if len(found) != 1 {
		return nil
	}
	return found[0]
}

// repeats reports whether some row is gathered twice. Otherwise every tensor of the size would fit.
func repeats(rows []int) bool {
	seen := map[int]bool{}
	for _, row := range rows {
		if seen[row] {
			return true
		}
		seen[row] = true
	}
	return false
}

// related reports whether a tensor belongs to a module, to a module inside it, or to the module
// around it.
func related(key, module string) bool {
	p, _ := parent(key)
	return p != "" && (p == module || strings.HasPrefix(p, module+".") || strings.HasPrefix(module, p+"."))
}

// together reports whether two tensors belong to one module.
func together(a, b string) bool {
	p, _ := parent(a)
	q, _ := parent(b)
	return p == q
}

// computed names the tensors of t's module without a place, from which the exporter may have
// computed t. It is "" where there are none.
func (r *Result) computed(t *target) string {
	if !t.madeUp() || t.module == "" {
		return ""
	}
	var names []string
	for _, s := range r.sources {
		p, _ := parent(s.key)
		if module := r.key(t.module); !s.used && (p == module || strings.HasPrefix(p, module+".")) {
			names = append(names, s.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("the exporter computed it, as it seems from %s, and how cannot be told: export the model with do_constant_folding=False", strings.Join(names[:min(3, len(names))], ", "))
}
