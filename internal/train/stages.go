package train

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/optim"
	"github.com/permafrost-ml/permafrost/internal/schedule"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// stages is where a session stands in its schedule. Without one the three plans are the same.
//
// Session.Plan is what has trained in any stage so far: it is what plan.json, the tuned file's record and the seal speak of in the end.
type stages struct {
	schedule schedule.Schedule // nil: what trains stays the same
	reach    *freeze.Plan      // what may train in any stage
	now      *freeze.Plan      // what trains at present
	lasts    int               // optimiser steps that it is sure to last; 0 where that is not known
	reason   string            // of the present plan, in words
	unit     map[string]int    // by name of a weight in reach: its place among the schedule's units
	units    int               // how many there are

	slots      map[string]*optim.Slot    // of all weights that trained in any stage
	rates      map[string]float32        // multipliers of their learning rates, the schedule's apart
	pretrained map[string]*tensor.Tensor // what weights and statistics that change held before
}

// resolveSchedule settles the options that follow from a schedule, before the plan is made. It returns notes for the user.
func (c *Config) resolveSchedule() (notes []string) {
	if c.Schedule == "" {
		return nil
	}
	if slices.Equal(c.Thaw, []string{"head"}) {
		c.Thaw = []string{"all"}
		notes = append(notes, fmt.Sprintf("schedule %s chooses among all weights; --thaw names those that it may choose from", c.Schedule))
	}
	if spec, err := schedule.Parse(c.Schedule); err == nil && spec.Flat() && c.LRSchedule != "constant" {
		c.LRSchedule = "constant"
		notes = append(notes, fmt.Sprintf("schedule %s anneals the rate of each block by itself: the learning rate is constant apart from that", c.Schedule))
	}
	return notes
}

// checkSchedule errors on a schedule that does not exist.
func (c *Config) checkSchedule() error {
	if c.Schedule == "" {
		return nil
	}
	if _, err := schedule.Parse(c.Schedule); err != nil {
		return fmt.Errorf("schedule: %w", err)
	}
	return nil
}

// peak is the highest learning rate as a multiple of that at which all thawed weights train.
func (c *Config) peak() float64 {
	if spec, err := schedule.Parse(c.Schedule); err == nil {
		return spec.Peak()
	}
	return 1
}

// whole makes Plan that of the whole run.
func (s *Session) whole() {
	s.stage.reach, s.stage.now = s.Plan, s.Plan
	s.stage.slots, s.stage.rates, s.stage.pretrained = map[string]*optim.Slot{}, map[string]float32{}, map[string]*tensor.Tensor{}
}

// begin makes the schedule and the plan of its first stage from the plan of all that may train.
func (s *Session) begin() error {
	s.whole()
	if s.Config.Schedule == "" {
		return nil
	}
	spec, err := schedule.Parse(s.Config.Schedule)
	if err != nil {
		return fmt.Errorf("schedule: %w", err)
	}
	r := schedule.Run{Epochs: s.Config.Epochs, Steps: stepsPerEpoch(s.Train, s.Config.Batch, s.Config.Accumulate), Seed: s.Config.Seed}
	r.Units, s.stage.unit = unitsOf(s.Set, s.stage.reach)
	s.stage.units = len(r.Units)
	if s.stage.schedule, err = spec.New(r); err != nil {
		return err
	}
	d, _ := s.stage.schedule.Next(schedule.Moment{LR: s.Config.LRs(r.Epochs * r.Steps).At(0)})
	s.stage.now = s.planOf(d)
	s.Plan, s.stage.lasts, s.stage.reason = s.stage.now, d.Steps, d.Reason
	return nil
}

// unitsOf groups the weights that may train into what a schedule freezes or thaws as a whole: blocks from the input on, and the head.
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

// planOf is the plan in which the decision's units train.
func (s *Session) planOf(d schedule.Decision) *freeze.Plan {
	return s.stage.reach.Only(s.Set, func(w *freeze.Weight) bool { return d.Live[s.stage.unit[w.Name]] })
}

// adopt makes plan the present one. What it thaws for the first time leaves the seal and gets a buffer of its own; the optimiser holds
// what trains: with the state that it has, or fresh state where it comes in. A weight that is frozen again keeps its value.
func (s *Session) adopt(plan *freeze.Plan) error {
	ever := s.Plan
	s.stage.now = plan
	s.Plan = s.stage.reach.Only(s.Set, func(w *freeze.Weight) bool { return ever.Live(w.Name) || plan.Live(w.Name) })
	var partly map[string]string
	for _, w := range s.Set.Weights {
		if ever.Live(w.Name) || !plan.Live(w.Name) {
			continue
		}
		delete(s.digests, w.Name)
		if plan.Of(w.Name).State == freeze.Partly {
			if partly == nil {
				partly = freeze.Digests(s.Set, s.Plan)
			}
			s.digests[w.Name] = partly[w.Name]
		}
	}
	s.own()
	return s.hold()
}

// own gives every weight that changes a buffer of its own: those of the model are views of the file.
func (s *Session) own() {
	for _, w := range s.Set.Weights {
		if s.stage.pretrained[w.Name] == nil && s.Plan.Live(w.Name) {
			s.stage.pretrained[w.Name] = w.Value.Data
			w.Value.Data = w.Value.Data.Clone()
		}
	}
}

// hold makes the optimiser hold the weights that train at present, in the order of the set, in which gradients come.
func (s *Session) hold() error {
	var want []*optim.Slot
	s.stage.now.Thawed(s.Set).Each(func(w *freeze.Weight, e freeze.Entry) {
		if s.stage.slots[w.Name] == nil {
			s.stage.slots[w.Name] = s.slot(w, e)
			s.stage.rates[w.Name] = s.stage.slots[w.Name].LR
		}
		want = append(want, s.stage.slots[w.Name])
	})
	for _, have := range s.opt.Slots() {
		if !slices.Contains(want, have) {
			have.Grad = nil
			if err := s.opt.Remove(have.Name); err != nil {
				return err
			}
		}
	}
	for _, w := range want {
		if !s.opt.Has(w.Name) {
			w.LR = s.stage.rates[w.Name]
			if err := s.opt.Add(w); err != nil {
				return err
			}
		}
	}
	s.opt.Arrange(want)
	return nil
}

// slot is a thawed weight as the optimiser sees it.
func (s *Session) slot(w *freeze.Weight, e freeze.Entry) *optim.Slot {
	_, everything := s.Config.Decay()
	slot := &optim.Slot{Name: w.Name, Value: w.Value.Data, LR: 1, Decay: everything || w.Role == freeze.RoleWeight || w.Role == freeze.RoleEmbedding}
	if e.LR != 0 {
		slot.LR = float32(e.LR)
	}
	slot.Anchor = s.anchor(w)
	if m := e.ElementMask(w.Value.Type.Shape); m != nil {
		slot.Mask = make([]bool, len(m))
		for i, b := range m {
			slot.Mask[i] = b == 1
		}
	}
	return slot
}

// params are the weights that trained in any stage, in the order of the set.
func (s *Session) params() []*optim.Slot {
	var out []*optim.Slot
	for _, w := range s.Set.Weights {
		if p := s.stage.slots[w.Name]; p != nil {
			out = append(out, p)
		}
	}
	return out
}

// restoreWeights puts the weights of an earlier epoch back: those that were thawed later have their pretrained values again.
func (s *Session) restoreWeights(tensors map[string]*tensor.Tensor) error {
	c := Checkpoint{Tensors: tensors}
	missing, err := c.RestoreWeights(s.params(), s.stats())
	for _, name := range missing {
		copy(s.Set.ByName(name).Value.Data.Bytes, s.stage.pretrained[name].Bytes)
	}
	return err
}

// again reports whether a weight trained in an earlier stage and is frozen now: what is computed from it no other run can use.
func (s *Session) again() bool {
	for _, w := range s.Set.Weights {
		if s.Plan.Live(w.Name) && !s.stage.now.Live(w.Name) {
			return true
		}
	}
	return false
}

// anchor is what a thawed weight decays towards, nil for 0.
func (s *Session) anchor(w *freeze.Weight) *tensor.Tensor {
	if s.Config.L2SP == 0 || s.isNew(w.Name) {
		return nil
	}
	return s.stage.pretrained[w.Name]
}
