package schedule

import (
	"cmp"
	"fmt"
	"slices"
)

func init() { register("slimfit", Kind{Make: newSlimFit, Check: optional(fraction)}) }

// slimfit freezes the blocks whose weights change least. It decides twenty times in a run. Each
// time it measures how far the weights of each block that trains have moved, relative to their
// size, and freezes half of all blocks, or the share that the argument says: those that moved least
// when they last trained. As the learning rate falls, blocks that train move less too, so frozen
// blocks get another turn.
//
// Source: Ardakani, Haan, Tan and others, SlimFit: Memory-Efficient Fine-Tuning of
// Transformer-based Models Using Training Dynamics, 2023, section 4.1. There it decides at every
// step, from random distances at first. Here everything trains until each block has been measured.
type slimfit struct {
	base
	frozen int // blocks

	Changes []float64 `json:"changes"` // of each block when it last trained
	Live    []bool    `json:"live"`
}

func newSlimFit(r Run, arg string) (Schedule, error) {
	n := int(share(arg, 0.5)*float64(r.blocks()) + 0.5)
	return &slimfit{base: base{r, r.interval(20)}, frozen: max(1, n), Changes: make([]float64, r.blocks())}, nil
}

func (*slimfit) Measures() Statistic { return Change }

func (s *slimfit) Next(m Moment) (Decision, bool) {
	if m.Step == 0 {
		d := s.all("everything trains until it is known what moves")
		d.Steps, s.Live = s.every, d.Live
		return d, true
	}
	order := make([]int, len(s.Changes))
	for i := range order {
		order[i] = i
		if s.Live[i] {
			s.Changes[i] = m.Values[i]
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(s.Changes[a], s.Changes[b]) })
	live := s.run.last(s.run.blocks())
	for _, i := range order[:s.frozen] {
		live[i] = false
	}
	if slices.Equal(live, s.Live) {
		return Decision{}, false
	}
	s.Live = live
	return Decision{Live: live, Steps: s.every, Reason: fmt.Sprintf("%s moved least, each by at most %.2g%%", plural(s.frozen, "block"), 100*s.Changes[order[s.frozen-1]])}, true
}
