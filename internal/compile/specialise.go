package compile

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"

	_ "github.com/permafrost-ml/permafrost/internal/op" // operators register themselves
)

// maxValueBytes limits the size of one value. The largest activations of real models at real batch
// sizes are far smaller, so a model that asks for more is damaged or hostile.
const maxValueBytes = 1 << 36

// specialise turns a raw graph into a static one for the given input shapes. Every ONNX operator is
// lowered to registered operators, types are inferred, and everything determined by shapes and
// constants is folded. Weights remain values of kind Param and share their contents with the raw
// graph. env maps the raw graph's values to the results.
//
// Inputs missing from shapes must have known shapes. It errors, naming the node, on an unsupported
// operator, on types that do not fit, and on shapes that depend on data.
func specialise(raw *ir.Graph, shapes map[string]tensor.Shape) (*specialiser, error) {
	g := ir.New(raw.Name)
	s := &specialiser{g: g, env: map[*ir.Value]*ir.Value{}, batch: 1}
	for _, in := range raw.Inputs {
		shape := in.Type.Shape
		if want, ok := shapes[in.Name]; ok {
			if in.Type.Shape != nil && len(want) != len(in.Type.Shape) {
				return nil, fmt.Errorf("specialise: input %q has %d axes %v, given %v", in.Name, len(in.Type.Shape), in.Type.Shape, want)
			}
			for i, d := range in.Type.Shape {
				if d >= 0 && d != want[i] {
					return nil, fmt.Errorf("specialise: input %q is %v, given %v", in.Name, in.Type.Shape, want)
				}
			}
			shape = want
		}
		if slices.Contains(shape, -1) || shape == nil {
			return nil, fmt.Errorf("specialise: input %q has shape %v: give its unknown axes", in.Name, in.Type.Shape)
		}
		if in == raw.Inputs[0] && len(shape) > 0 {
			s.batch = shape[0]
		}
		s.env[in] = g.AddInput(in.Name, ir.Type{DType: in.Type.DType, Shape: shape.Clone()})
	}
	if err := s.nodes(raw.Needed()); err != nil {
		return nil, err
	}
	for _, v := range raw.Outputs {
		nv := s.value(v)
		if nv == nil {
			return nil, fmt.Errorf("specialise: output %q is never computed", v.Name)
		}
		g.Outputs = append(g.Outputs, nv)
	}
	g.Prune()
	return s, nil
}

// maxInlined limits the nodes from unrolled loops, nested ones included, so that a hostile file
// cannot take forever.
const maxInlined = 1 << 22

// specialiser maps values of the raw graph to values of the static one.
type specialiser struct {
	g       *ir.Graph
	env     map[*ir.Value]*ir.Value
	batch   int // the first axis of the first input
	inlined int // nodes of subgraphs built so far
}

func (s *specialiser) value(v *ir.Value) *ir.Value {
	if v == nil {
		return nil
	}
	if nv, ok := s.env[v]; ok {
		return nv
	}
	var nv *ir.Value
	switch v.Kind {
	case ir.Param:
		nv = s.g.NewParam(v.Name, v.Data)
	case ir.Const:
		nv = s.g.NewConst(v.Name, spread(v, s.batch))
	default:
		return nil
	}
	s.env[v] = nv
	return nv
}

// spread is the contents of a constant of a raw graph. One with an open axis is the same for every
// example: it is repeated along that axis.
func spread(v *ir.Value, batch int) *tensor.Tensor {
	t, axis := v.Data, slices.Index(v.Type.Shape, -1)
	if axis < 0 || t.Shape[axis] == batch {
		return t
	}
	s := t.Shape.Clone()
	s[axis] = batch
	out := tensor.New(t.DType, s...)
	blocks := t.Shape[:axis].Len()
	row := len(t.Bytes) / max(1, blocks)
	for k := range blocks {
		for i := range batch {
			copy(out.Bytes[(k*batch+i)*row:], t.Bytes[k*row:(k+1)*row])
		}
	}
	return out
}

func (s *specialiser) nodes(nodes []*ir.Node) error {
	for _, n := range nodes {
		if err := s.node(n); err != nil {
			return err
		}
	}
	return nil
}

func (s *specialiser) node(raw *ir.Node) error {
	form, def, err := ir.FindForm(raw.Domain, raw.Op, raw.Version)
	if err != nil {
		return fmt.Errorf("node %q: %w", raw.Name, err)
	}
	if err := raw.CheckRawAttrs(); err != nil {
		return err
	}
	n := &ir.Node{Name: raw.Name, Op: raw.Op, Domain: raw.Domain, Version: raw.Version, Attrs: raw.Attrs, Outputs: raw.Outputs}
	for _, v := range raw.Inputs {
		nv := s.value(v)
		if nv == nil && v != nil {
			return n.Errorf("input %q is never computed", v.Name)
		}
		n.Inputs = append(n.Inputs, nv)
	}
	b := ir.NewBuilder(s.g, raw.Name)
	b.Inline = func(sub *ir.Graph, args []*ir.Value) ([]*ir.Value, error) { return s.inline(sub, args) }
	b.Subgraph = s.subgraph
	first := len(s.g.Nodes)
	var outs []*ir.Value
	if form.Lower != nil {
		outs, err = form.Lower(b, n)
		if err == nil {
			err = b.Err()
		}
		if err != nil {
			return fmt.Errorf("node %q (%s): %w", n.Name, n.Op, err)
		}
	} else {
		names := make([]string, len(raw.Outputs))
		for i, v := range raw.Outputs {
			if v != nil {
				names[i] = v.Name
			}
		}
		outs = b.Add(&ir.Node{Name: s.g.Unique(raw.Name), Op: def.Name, Inputs: n.Inputs, Attrs: n.Attrs}, names...)
		if err := b.Err(); err != nil {
			return err
		}
	}
	for _, m := range s.g.Nodes[first:] {
		for _, v := range m.Outputs {
			if v != nil && (v.Type.Bytes() > maxValueBytes || v.Type.Bytes() < 0) {
				return n.Errorf("its result %v is too large", v.Type)
			}
		}
	}
	if err := new(Constants).foldFrom(s.g, first); err != nil {
		return err
	}
	for i, v := range raw.Outputs {
		if v == nil {
			continue
		}
		if i >= len(outs) || outs[i] == nil {
			return n.Errorf("output %d (%q) is not supported", i, v.Name)
		}
		if outs[i].Kind == ir.Result && slices.Contains(s.g.Nodes[first:], outs[i].Node) {
			outs[i].Name = v.Name
		}
		s.env[v] = outs[i]
	}
	return nil
}

// inline builds a raw subgraph's nodes into the graph.
func (s *specialiser) inline(sub *ir.Graph, args []*ir.Value) ([]*ir.Value, error) {
	for i, in := range sub.Inputs {
		if i < len(args) {
			s.env[in] = args[i]
		}
	}
	if s.inlined += len(sub.Nodes) + 1; s.inlined > maxInlined {
		return nil, fmt.Errorf("subgraph %q: its loops unroll to more than %d nodes", sub.Name, maxInlined)
	}
	// A body that is inlined again defines its values anew: later bindings overwrite earlier ones.
	if err := s.nodes(sub.Needed()); err != nil {
		return nil, err
	}
	var outs []*ir.Value
	for _, v := range sub.Outputs {
		nv := s.value(v)
		if nv == nil {
			return nil, fmt.Errorf("output %q of subgraph %q is never computed", v.Name, sub.Name)
		}
		outs = append(outs, nv)
	}
	return outs, nil
}

// subgraph specialises a raw subgraph into its own graph. Captured values become its last inputs.
func (s *specialiser) subgraph(sub *ir.Graph, inputs []ir.Type) (*ir.Graph, []*ir.Value, error) {
	t := &specialiser{g: ir.New(sub.Name), env: map[*ir.Value]*ir.Value{}, batch: s.batch}
	for i, in := range sub.Inputs {
		ty := in.Type
		if i < len(inputs) {
			ty = inputs[i]
		}
		t.env[in] = t.g.AddInput(in.Name, ty)
	}
	var captured []*ir.Value
	for _, v := range sub.Captures() {
		outer := s.value(v)
		if outer == nil {
			return nil, nil, fmt.Errorf("subgraph %q reads %q, which is never computed", sub.Name, v.Name)
		}
		if outer.Kind == ir.Const {
			t.env[v] = t.g.NewConst(outer.Name, outer.Data)
			continue
		}
		if outer.Kind == ir.Param {
			t.env[v] = t.g.NewParam(outer.Name, outer.Data)
			continue
		}
		t.env[v] = t.g.AddInput(outer.Name, outer.Type)
		captured = append(captured, outer)
	}
	if err := t.nodes(sub.Needed()); err != nil {
		return nil, nil, err
	}
	for _, v := range sub.Outputs {
		nv := t.value(v)
		if nv == nil {
			return nil, nil, fmt.Errorf("output %q of subgraph %q is never computed", v.Name, sub.Name)
		}
		t.g.Outputs = append(t.g.Outputs, nv)
	}
	return t.g, captured, nil
}
