package split

import (
	"context"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// SameInCompany reports whether values of a batch of n have for example number at what one, the
// values of that example alone, has. It allows for rounding.
func SameInCompany(one, all []*tensor.Tensor, at, n int) bool {
	for i, v := range one {
		if !compile.SameInCompany(v, all[i], at, n) {
			return false
		}
	}
	return true
}

// FirstMixing describes the first node that gives an example other values in a batch of size, in
// which it is number at, than alone: node "NAME" (OP). It returns "" if no result of the network differs.
// Given are the model's inputs, in the order of its graph.
func (n *Network) FirstMixing(ctx context.Context, example, all []*tensor.Tensor, at, size int) (string, error) {
	one, err := n.inference(1)
	if err != nil {
		return "", err
	}
	several, err := n.inference(size)
	if err != nil {
		return "", err
	}
	return one.FirstMixing(ctx, example, several, all, at, size)
}

// inference compiles the whole network: from the model's inputs to the frontier values, what a fresh
// head reads, and the scores of a head that is not standardised. It is not kept.
func (n *Network) inference(batch int) (*compile.Program, error) {
	g, err := n.Graph(batch)
	if err != nil {
		return nil, err
	}
	cut, err := n.frontier(g)
	if err != nil {
		return nil, err
	}
	out := slices.Concat(cut, g.Outputs)
	if head := n.headNode(g); head != nil {
		out = append(out, head.Inputs[0])
	}
	sub, _ := ir.Extract(g, "whole", g.Inputs, out)
	return n.region(sub, 0)
}
