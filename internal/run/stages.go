package run

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/schedule"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// stage is a session's position in its schedule.
type stage struct {
	schedule schedule.Schedule // nil: the plan never changes
	// optimiser steps for which the current plan will surely last; 0 if unknown
	lasts  int
	reason string         // for the current plan, in words
	unit   map[string]int // index of the schedule's unit, by weight name in Plans.Reach
	units  int            // number of units
}

// begin makes the schedule and the plan of its first stage from the plan of everything that may
// train.
func (s *Session) begin() error {
	if s.Config.Schedule == "" {
		return nil
	}
	spec, err := schedule.Parse(s.Config.Schedule)
	if err != nil {
		return option.Errorf("schedule", "%w", err)
	}
	r := schedule.Run{Epochs: s.Config.Epochs, Steps: s.stepsPerEpoch(), Seed: s.Config.Seed}
	r.Units, s.stage.unit = unitsOf(s.Net.Set, s.Plans.Reach)
	s.stage.units = len(r.Units)
	if s.stage.schedule, err = spec.New(r); err != nil {
		return err
	}
	d, _ := s.stage.schedule.Next(schedule.Moment{LR: s.Config.LRs(r.Epochs * r.Steps).At(0)})
	s.Plans.Now = s.planOf(d)
	s.Plans.Ever, s.stage.lasts, s.stage.reason = s.Plans.Now, d.Steps, d.Reason
	return nil
}

// unitsOf groups the weights that may train into the units that a schedule freezes or thaws: the
// blocks from the input on, then the head.
func unitsOf(set *freeze.Set, reach *freeze.Plan) (units []schedule.Unit, of map[string]int) {
	embeds := map[int]bool{}
	var blocks []int
	head := false
	reach.Thawed(set).Each(func(w *freeze.Weight, _ freeze.Entry) {
		if w.Block < 0 || w.Head {
			head = true
			return
		}
		if !slices.Contains(blocks, w.Block) {
			blocks = append(blocks, w.Block)
		}
		embeds[w.Block] = embeds[w.Block] || w.Role == freeze.RoleEmbedding
	})
	slices.Sort(blocks)
	for _, b := range blocks {
		units = append(units, schedule.Unit{Name: set.Blocks[b], Embedding: embeds[b]})
	}
	if head {
		units = append(units, schedule.Unit{Name: "head", Head: true})
	}
	of = map[string]int{}
	reach.Thawed(set).Each(func(w *freeze.Weight, _ freeze.Entry) {
		of[w.Name] = len(units) - 1
		if w.Block >= 0 && !w.Head {
			of[w.Name] = slices.Index(blocks, w.Block)
		}
	})
	return units, of
}

// planOf is the plan that trains the units of a decision.
func (s *Session) planOf(d schedule.Decision) *freeze.Plan {
	return s.Plans.Reach.Only(s.Net.Set, func(w *freeze.Weight) bool { return d.Live[s.stage.unit[w.Name]] })
}

// adopt makes plan the current one. A weight that is thawed for the first time leaves the seal and
// gets its own buffer. The optimiser gets the weights that train, with their earlier state or with
// fresh state. A weight that is frozen again keeps its value.
func (s *Session) adopt(plan *freeze.Plan) error {
	ever := s.Plans.Ever
	s.Plans.Now = plan
	s.Plans.Ever = s.Plans.Reach.Only(s.Net.Set, func(w *freeze.Weight) bool { return ever.Live(w.Name) || plan.Live(w.Name) })
	var partly map[string]string
	for _, w := range s.Net.Set.Weights {
		if ever.Live(w.Name) || !plan.Live(w.Name) {
			continue
		}
		delete(s.digests, w.Name)
		if plan.Of(w.Name).State == freeze.Partly {
			if partly == nil {
				partly = freeze.Digests(s.Net.Set, s.Plans.Ever)
			}
			s.digests[w.Name] = partly[w.Name]
		}
	}
	s.active.own(s.Net.Set, s.Plans.Ever)
	return s.active.Hold(s.Net.Set, s.Plans.Now)
}

// restoreWeights puts back the weights of an earlier epoch.
func (s *Session) restoreWeights(tensors map[string]*tensor.Tensor) error {
	return s.active.restore(s.Net.Set, s.stats(), tensors)
}

// again reports whether a weight that trained in an earlier stage is frozen. Other runs cannot use
// values computed from it.
func (s *Session) again() bool {
	return slices.ContainsFunc(s.Net.Set.Weights, s.isFrozenAgain)
}

// frozenAgain counts the weights that trained in an earlier stage and are frozen.
func (s *Session) frozenAgain() int {
	n := 0
	for _, w := range s.Net.Set.Weights {
		if w.Role.Trains() && s.isFrozenAgain(w) {
			n++
		}
	}
	return n
}

func (s *Session) isFrozenAgain(w *freeze.Weight) bool {
	return s.Plans.Ever.Live(w.Name) && !s.Plans.Now.Live(w.Name)
}
