package freeze

import (
	"fmt"
	"math"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/option"
)

// maskable is how many numbers the plan's share is taken of.
func (p *Plan) maskable(set *Set) int {
	n := 0
	for _, w := range set.Weights {
		if p.Masked(w) {
			n += p.Of(w.Name).trains(w.Value.Type.Shape)
		}
	}
	return n
}

// Pending reports whether the plan has a share that has not been taken yet, see Mask.
func (p *Plan) Pending() bool { return p.Share != nil && p.Share.Elements == 0 }

// Masked reports whether the plan's share applies to a weight: it trains, and it is part of neither
// the head nor an adapter.
func (p *Plan) Masked(w *Weight) bool {
	return p.Share != nil && p.Of(w.Name).Trains() && !w.Head && w.Role != RoleAdapter
}

// Mask takes the plan's share. Of all elements of the Masked weights, those with the largest scores
// train; of equal scores, the first. Scores holds one number for each element, and NaN counts
// least. A weight without scores is frozen. Mask errors where the share comes to no element, and
// where a weight has a wrong number of scores.
func (p *Plan) Mask(set *Set, scores map[string][]float32) error {
	type candidate struct {
		e    *Entry
		mask []uint8 // may train; nil: all
		s    []float32
	}
	var all []candidate
	var flat []float32
	total := p.maskable(set)
	for i := range p.Params {
		e := &p.Params[i]
		w := set.ByName(e.Name)
		if w == nil || !p.Masked(w) {
			continue
		}
		c := candidate{e, e.ElementMask(w.Value.Type.Shape), scores[e.Name]}
		if c.s != nil && len(c.s) != w.Len() {
			return fmt.Errorf("%s: %d scores for the %d numbers of %s", p.Share, len(c.s), w.Len(), e.Name)
		}
		for k, v := range c.s {
			if c.mask == nil || c.mask[k] == 1 {
				flat = append(flat, order(v))
			}
		}
		all = append(all, c)
	}
	n, err := p.Share.of(total)
	if err != nil {
		return err
	}
	if n = min(n, len(flat)); n == 0 {
		return option.Errorf("thaw", "%s: the head reads nothing of the %d numbers that it is taken of", p.Share, total)
	}
	slices.Sort(flat)
	least := flat[len(flat)-n]
	ties := n // of the numbers that score least, as many as there is room for
	for _, v := range flat {
		if v > least {
			ties--
		}
	}
	for _, c := range all {
		bits := make(Bits, (len(c.s)+7)/8)
		any := false
		for k, v := range c.s {
			v = order(v)
			if c.mask != nil && c.mask[k] == 0 || v < least || v == least && ties == 0 {
				continue
			}
			if v == least {
				ties--
			}
			bits[k/8] |= 1 << (k % 8)
			any = true
		}
		c.e.State, c.e.Rows, c.e.Mask = Partly, nil, bits
		if !any {
			*c.e = Entry{Name: c.e.Name, State: Frozen, Tied: c.e.Tied}
		}
	}
	p.Share.Elements = n
	p.track(set)
	return nil
}

// order ranks NaN below all numbers.
func order(v float32) float32 {
	if v != v {
		return float32(math.Inf(-1))
	}
	return v
}

// Adopt copies the share from a plan in which it was taken before. It errors where that is a
// different plan.
func (p *Plan) Adopt(set *Set, was *Plan) error {
	if p.Share == nil || was.Share == nil || was.Pending() || was.Share.By != p.Share.By || was.Share.Share != p.Share.Share || was.Model != p.Model {
		return fmt.Errorf("the recorded plan does not hold the share %s of this model", p.Share)
	}
	for i := range p.Params {
		e := &p.Params[i]
		if w := set.ByName(e.Name); w != nil && p.Masked(w) {
			o := was.Of(e.Name)
			e.State, e.Rows, e.Mask = o.State, o.Rows, o.Mask
			p.byName = nil
		}
	}
	s := *was.Share
	p.Share = &s
	p.track(set)
	return nil
}
