package freeze

import (
	"fmt"
	"math"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/option"
)

// Selection is what a list of selectors names: weights, whole or some of their rows, and the share of single numbers that is taken of
// them.
type Selection struct {
	rows  map[*Weight][]bool // nil: the whole weight
	share *Share
}

// add takes rows of a weight, all for nil, in or away.
func (s *Selection) add(w *Weight, rows []bool, take bool) {
	was, in := s.rows[w]
	switch {
	case rows == nil && take:
		s.rows[w] = nil
	case rows == nil:
		delete(s.rows, w)
	case !in && !take || in && was == nil && take:
	default:
		now := make([]bool, len(rows))
		for i := range now {
			has := in && (was == nil || was[i])
			now[i] = has && !rows[i] || take && rows[i]
		}
		s.set(w, now)
	}
}

// set makes rows all that is selected of a weight.
func (s *Selection) set(w *Weight, rows []bool) {
	switch {
	case !slices.Contains(rows, true):
		delete(s.rows, w)
	case !slices.Contains(rows, false):
		s.rows[w] = nil
	default:
		s.rows[w] = rows
	}
}

// take removes what another selection holds.
func (s *Selection) take(o *Selection) {
	for w, rows := range o.rows {
		s.add(w, rows, false)
	}
}

// entry is the plan's word on a weight of which this is trained.
func (s *Selection) entry(w *Weight) Entry {
	e := Entry{Name: w.Name, State: Frozen}
	rows, in := s.rows[w]
	switch {
	case !in:
	case rows == nil:
		e.State = Thaw
	default:
		e.State = Partly
		for i := 0; i < len(rows); i++ {
			if rows[i] {
				from := i
				for i < len(rows) && rows[i] {
					i++
				}
				e.Rows = append(e.Rows, [2]int{from, i})
			}
		}
	}
	return e
}

// Pending reports whether the plan trains a share that is not known yet: see Mask.
func (p *Plan) Pending() bool { return p.Share != nil && p.Share.Elements == 0 }

// Masked reports whether the plan's share is taken of a weight: it trains, and is neither the head's nor an adapter's.
func (p *Plan) Masked(w *Weight) bool {
	return p.Share != nil && p.Of(w.Name).Trains() && !w.Head && w.Role != RoleAdapter
}

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

// Mask takes the plan's share: of all numbers of the weights that are Masked, those with the largest scores go on training, ties going
// to the first ones. Scores has one number an element, NaN counting least; a weight without is frozen. It errors where there is nothing
// to take a share of.
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

// order puts numbers that are none at the end.
func order(v float32) float32 {
	if v != v {
		return float32(math.Inf(-1))
	}
	return v
}

// Adopt takes the share from a plan in which it was taken before. It errors where that plan is another one.
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
