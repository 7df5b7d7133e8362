package tuned

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// keyProbabilities is the key in metadata_props of a tuned file whose output gives probabilities.
// It names the output. What its operator reads are the scores, of which the record speaks.
const keyProbabilities = "permafrost.probabilities"

// temper is the operator that divides scores by a temperature: it multiplies them by the inverse.
const temper = "Mul"

// probable are the operators that turn the scores of a task into probabilities.
var probable = map[string]string{"classify": "Softmax", "multilabel": "Sigmoid"}

// Probabilities says how a file that was written by WriteProbabilities differs from the tuned file.
type Probabilities struct {
	Output   string // its output: probabilities, one for each label
	Scores   string // the output of the tuned file
	Operator string // Softmax or Sigmoid
	Labels   []string
}

// WriteProbabilities writes a tuned classifier to path with probabilities in place of the scores as
// its output: softmax for one label an example, sigmoid for several, of the scores divided by the
// record's temperature. All else has the tuned file's bytes. A Predictor gives the same answers for both files. It errors for other tasks, and for a
// file that gives probabilities already.
func WriteProbabilities(tunedFile, path string) (*Probabilities, error) {
	m, err := onnx.Open(tunedFile)
	if err != nil {
		return nil, err
	}
	if !Tuned(m.Metadata) {
		return nil, fmt.Errorf("%s was not written by permafrost fit, and does not say whether one label is right or several: tune it first; option head keep keeps its own classifier", tunedFile)
	}
	r, err := ReadRecord(m.Metadata)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", tunedFile, err)
	}
	p := &Probabilities{Operator: probable[r.Task], Labels: r.Labels}
	switch {
	case p.Operator == "":
		return nil, fmt.Errorf("%s: the task %s has no probabilities of labels", tunedFile, r.Task)
	case probabilities(m) >= 0:
		return nil, fmt.Errorf("%s gives probabilities already", tunedFile)
	}
	outputs := append([]onnx.ValueInfo(nil), m.Outputs...)
	last := &outputs[len(outputs)-1]
	p.Scores, p.Output = last.Name, m.FreshName("probabilities")
	attrs := ir.Attrs{}
	if p.Operator == "Softmax" { // over the last axis, in every version of the operator
		attrs["axis"] = max(len(last.Shape)-1, 1)
	}
	last.Name, last.DType = p.Output, tensor.Float32
	patch := &onnx.Patch{Outputs: outputs, Metadata: map[string]string{keyProbabilities: p.Output}}
	scores := p.Scores
	if t := r.Temperature; t != 1 {
		factor, divided := m.FreshName("inverse_temperature"), m.FreshName("divided_scores")
		patch.AddInitializers = []onnx.Initializer{{Name: factor, Tensor: tensor.Scalar(float32(1 / t))}}
		patch.AddNodes = []*onnx.Node{{Name: "/" + p.Output + "/" + temper, Op: temper, Inputs: []string{scores, factor}, Outputs: []string{divided}}}
		scores = divided
	}
	patch.AddNodes = append(patch.AddNodes, &onnx.Node{Name: "/" + p.Output + "/" + p.Operator, Op: p.Operator, Inputs: []string{scores}, Outputs: []string{p.Output}, Attrs: attrs})
	return p, m.WriteFile(path, patch)
}

// probabilities is the index of the output that gives probabilities, -1 for none. A fit from such a
// file writes outputs of its own.
func probabilities(m *onnx.Model) int {
	name, ok := m.Metadata[keyProbabilities]
	for i, v := range m.Graph.Outputs {
		if ok && v.Name == name && v.Node != nil {
			return i
		}
	}
	return -1
}

// scored makes the scores an output of the graph in place of the probabilities.
func scored(m *onnx.Model) {
	if i := probabilities(m); i >= 0 {
		scores := m.Graph.Outputs[i].Node.Inputs[0]
		if dividesScores(m, scores.Node) {
			scores = scores.Node.Inputs[0]
		}
		m.Graph.Outputs[i] = scores
	}
}

// dividesScores reports whether a node is the one with which WriteProbabilities divides the scores.
func dividesScores(m *onnx.Model, n *ir.Node) bool {
	return n != nil && n.Op == temper && n.Name == "/"+m.Metadata[keyProbabilities]+"/"+temper && len(n.Inputs) == 2 && n.Inputs[0] != nil && n.Inputs[1] != nil
}

// tempers reports whether a node divides the scores by the temperature of the file's own record. A
// fit from such a file writes another record.
func tempers(m *onnx.Model, n *ir.Node) bool {
	if !dividesScores(m, n) {
		return false
	}
	r, err := ReadRecord(m.Metadata)
	by := n.Inputs[1].Data
	return err == nil && by != nil && by.DType == tensor.Float32 && by.Len() == 1 && by.F32()[0] == float32(1/r.Temperature)
}
