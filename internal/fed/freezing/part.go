package freezing

import "fmt"

// Part trains the layers in turn (FedPart: Wang, Liu, Zhou, Why Go Full? Elevating Federated
// Learning Through Partial Network Updates, NeurIPS 2024): some rounds of everything, then for each
// group of weights a number of rounds of it alone, from the inputs to the head, and again.
type Part struct {
	Groups []int // the group of each place, from 0; places of one group are a layer or a block
	Whole  int   // rounds of everything between two turns
	Each   int   // rounds of each group

	groups int
}

// NewPart is FedPart over the groups.
func NewPart(groups []int, whole, each int) (*Part, error) {
	p := &Part{Groups: groups, Whole: whole, Each: each}
	for i, g := range groups {
		if g < 0 {
			return nil, fmt.Errorf("freezing: place %d is in group %d", i, g)
		}
		p.groups = max(p.groups, g+1)
	}
	if whole < 0 || each < 1 || p.groups == 0 {
		return nil, fmt.Errorf("freezing: %d rounds of everything, %d of each of %d groups", whole, each, p.groups)
	}
	return p, nil
}

// Group is the group that trains in a round, from 0, or -1 where all do.
func (p *Part) Group(round int) int {
	at := round%(p.Whole+p.groups*p.Each) - p.Whole
	if at < 0 || p.groups == 1 {
		return -1
	}
	return at / p.Each
}

// Mask is what takes part in a round, from 0.
func (p *Part) Mask(round int) Mask {
	g := p.Group(round)
	if g < 0 {
		return nil
	}
	m := make(Mask, len(p.Groups))
	for i, of := range p.Groups {
		m[i] = of == g
	}
	return m
}
