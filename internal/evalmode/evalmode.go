// Package evalmode puts a model that was exported in training mode into evaluation mode, in which a
// network gives an example the same result whatever the batch around it is.
//
// Operators whose statistics have no running values in the file take them of each example by itself.
//
// Comes in: a model that was read. Goes out: the changed graph, the patch that makes the same
// change in the written file, and a note of what was done. It must not know what the model is for.
package evalmode

import (
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
)

// Set puts every BatchNormalization and Dropout of a model into evaluation mode: norms use their
// running statistics, nothing drops out, and MeanVarianceNormalization leaves the first axis apart.
// It changes m's raw graph, subgraphs too, and returns
// the same change of the main graph as a patch for the written file. The note is empty where
// nothing was in training mode.
//
// A norm whose running statistics are computed is left as it is: it normalises each example by
// itself, which some exporters write so, or it mixes examples, which is for the caller to find. It
// errors where the graph reads the statistics that a norm moves.
func Set(m *onnx.Model) (*onnx.Patch, string, error) {
	s := &setter{model: m, patch: &onnx.Patch{}, read: map[*ir.Value]bool{}}
	s.mark(m.Graph)
	if err := s.graph(m.Graph, true); err != nil {
		return nil, "", err
	}
	var did []string
	if s.norms > 0 {
		did = append(did, fmt.Sprintf("%d of its norms were, and use their running statistics", s.norms))
	}
	if s.dropouts > 0 {
		did = append(did, fmt.Sprintf("%d of its dropouts were, and drop nothing outside of training", s.dropouts))
	}
	var notes []string
	if did != nil {
		notes = append(notes, "the model was exported in training mode: "+strings.Join(did, "; "))
	}
	if s.means > 0 {
		notes = append(notes, fmt.Sprintf("%d of the model's norms take statistics over the whole batch: they take those of each example", s.means))
	}
	return s.patch, strings.Join(notes, "; "), nil
}

type setter struct {
	model           *onnx.Model
	patch           *onnx.Patch
	read            map[*ir.Value]bool
	norms, dropouts int
	means           int // normalisations over the batch
}

// mark notes the values that g and its subgraphs read.
func (s *setter) mark(g *ir.Graph) {
	for _, n := range g.Nodes {
		for _, v := range n.Inputs {
			s.read[v] = true
		}
		for _, sub := range n.Attrs.Graphs() {
			s.mark(sub)
		}
	}
	for _, v := range g.Outputs {
		s.read[v] = true
	}
}

func (s *setter) graph(g *ir.Graph, main bool) error {
	for _, n := range g.Nodes {
		for _, sub := range n.Attrs.Graphs() {
			if err := s.graph(sub, false); err != nil {
				return err
			}
		}
		if n.Domain != "" || len(n.Outputs) == 0 || n.Outputs[0] == nil {
			continue
		}
		var err error
		var p onnx.Patch
		switch n.Op {
		case "BatchNormalization":
			err = s.norm(n, &p)
		case "Dropout":
			s.dropout(n, &p)
		case "MeanVarianceNormalization":
			s.meanVariance(n, &p)
		}
		if err != nil {
			return err
		}
		if main && !p.Empty() && s.model.Check(&p) == nil { // a node of a function is not in the main graph
			s.patch.Attrs = append(s.patch.Attrs, p.Attrs...)
			s.patch.CutOutputs = append(s.patch.CutOutputs, p.CutOutputs...)
			s.patch.Rewire = append(s.patch.Rewire, p.Rewire...)
		}
	}
	return nil
}

func (s *setter) norm(n *ir.Node, p *onnx.Patch) error {
	if n.Version < 14 || !n.Attrs.Bool("training_mode") { // before, files are read in evaluation mode
		return nil
	}
	for i := 3; i < 5; i++ {
		if v := n.In(i); v == nil || v.Kind != ir.Param && v.Kind != ir.Const || v.Type.Shape.Len() == 0 {
			return nil
		}
	}
	for _, v := range n.Outputs[1:] {
		if v != nil && s.read[v] {
			return n.Errorf("the model was exported in training mode and gives %q, the statistics that this norm moves: export it in evaluation mode", v.Name)
		}
	}
	p.Attrs = append(p.Attrs, onnx.Attr{Node: n.Outputs[0].Name, Name: "training_mode", Value: 0})
	if len(n.Outputs) > 1 {
		p.CutOutputs = append(p.CutOutputs, n.Outputs[0].Name)
	}
	n.Attrs, n.Outputs = n.Attrs.With("training_mode", 0), n.Outputs[:1]
	s.norms++
	return nil
}

func (s *setter) dropout(n *ir.Node, p *onnx.Patch) {
	mode := n.In(2)
	if n.Version < 12 || mode == nil || mode.IsConst() && mode.Data.Bytes[0] == 0 {
		return
	}
	p.Rewire = append(p.Rewire, onnx.Rewire{Node: n.Outputs[0].Name, Index: 2, Value: ""})
	n.Inputs = n.Inputs[:2]
	s.dropouts++
}

func (s *setter) meanVariance(n *ir.Node, p *onnx.Patch) {
	axes := n.Attrs.Ints("axes")
	if axes == nil {
		axes = []int{0, 2, 3}
	}
	rest := slices.DeleteFunc(slices.Clone(axes), func(a int) bool { return a == 0 })
	if len(rest) == len(axes) || len(rest) == 0 {
		return
	}
	p.Attrs = append(p.Attrs, onnx.Attr{Node: n.Outputs[0].Name, Name: "axes", Value: rest})
	n.Attrs = n.Attrs.With("axes", rest)
	s.means++
}
