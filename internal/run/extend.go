package run

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/option"
)

// An extension is a new run that goes on where a finished one ended, for more epochs than that one
// was to have. Its folder begins with the checkpoints of the finished run, and is then resumed.
// Weights, optimiser state, the history and the best epoch so far are those of the finished run;
// the learning rates begin again and span the added epochs. The finished run stays as it is.

// Extended says where the learning rates of an extension began again.
type Extended struct {
	Epoch int `json:"epoch"` // epochs done before
	Step  int `json:"step"`  // optimiser steps done before
}

// mayChange are the options that an extension may set anew: they say how long and how fast it
// trains, not what.
var mayChange = []string{"extends", "epochs", "lr", "lr_schedule", "warmup", "clip", "patience", "keep"}

// Finished reads how many epochs the finished run in a folder has. It errors if the run is not over.
func Finished(dir string) (epochs int, err error) {
	d, _, err := OpenRunDir(dir)
	if err != nil {
		return 0, err
	}
	c, err := d.finished()
	if err != nil {
		return 0, err
	}
	return c.State.Epoch, nil
}

// finished returns the last checkpoint of a run that is over.
func (d *RunDir) finished() (*Checkpoint, error) {
	if err := d.OfFit(); err != nil {
		return nil, err
	}
	c, err := d.LoadCheckpoint(LastCheckpoint)
	if err != nil {
		return nil, err
	}
	if st := &c.State; st.EpochStep > 0 || st.Epoch < st.Config.Epochs && !st.Best.Stop(st.Config.Patience) {
		return nil, fmt.Errorf("the run in %s is not over, it has %d of %d epochs: go on with it by option resume first", d.Path, st.Epoch, st.Config.Epochs)
	}
	return c, nil
}

// CheckExtend errors unless the session can go on where the run of option extends ended: it must be
// over, and of the same model, training examples, plan and options, but for those of mayChange. It
// writes nothing, and adds notes.
func (s *Session) CheckExtend(ctx context.Context) error {
	from := &RunDir{s.Config.Extends}
	c, err := from.finished()
	if err != nil {
		return option.Errorf("extends", "%w", err)
	}
	if err := s.settle(ctx, c.State.Plan); err != nil {
		return err
	}
	refuse := func(format string, a ...any) error {
		return option.Errorf("extends", "%s: %w", from.Path, fmt.Errorf(format, a...))
	}
	id, err := s.identity()
	if err != nil {
		return err
	}
	id.Val = c.State.Identity.Val // other examples to choose by do no harm
	was := c.State.Config
	diff := slices.DeleteFunc(was.Differences(&s.Config), func(d string) bool {
		name, _, _ := strings.Cut(d, " ")
		return slices.Contains(mayChange, name)
	})
	switch {
	case was.Schedule != "":
		return refuse("its schedule %s of what trains ends with its epochs and has no more: begin another run", was.Schedule)
	case was.Average == "swa":
		return refuse("its average swa is of its last quarter of epochs and has no more: begin another run")
	case len(diff) > 0:
		return refuse("it was made with other options: %s; only %s may change", strings.Join(diff, "; "), strings.Join(mayChange[1:], ", "))
	case s.Config.Epochs <= c.State.Epoch:
		return refuse("it has %d epochs already: option epochs %d gives it none more", c.State.Epoch, s.Config.Epochs)
	}
	if err := c.State.sameSources(id); err != nil {
		return refuse("%w", err)
	}
	rates := fmt.Sprintf("the learning rates begin again: %s from %.3g over these", s.Config.LRSchedule, s.Config.LR)
	if s.Config.LRSchedule == "constant" {
		rates = fmt.Sprintf("the learning rate is constant, %.3g", s.Config.LR)
	}
	s.Notes = append(s.Notes, fmt.Sprintf("going on from %s, its weights and its optimiser's state: %d epochs behind its %d; %s", from.Path, s.Config.Epochs-c.State.Epoch, c.State.Epoch, rates))
	return nil
}

// Extend begins the folder of an extension, which CheckExtend has checked, with the checkpoints of
// the run that it goes on from. The session is then fitted as one that resumes.
func (s *Session) Extend(dir *RunDir) error {
	from := &RunDir{s.Config.Extends}
	last, err := from.finished()
	if err != nil {
		return err
	}
	id, err := s.identity()
	if err != nil {
		return err
	}
	plan, err := planText(s.Plans.Reach)
	if err != nil {
		return err
	}
	begin := func(st *RunState) {
		st.Identity, st.Config, st.Plan = id, s.Config, plan
		st.Seconds, st.Best.Stale = 0, 0
		st.Extended = &Extended{st.Epoch, st.Step}
		if t := st.Temperatures; len(t) >= st.Epoch && st.Epoch > 0 { // the added epochs have that of the last one
			t = t[:st.Epoch:st.Epoch]
			for len(t) <= s.Config.Epochs {
				t = append(t, t[st.Epoch-1])
			}
			st.Temperatures = t
		}
	}
	if last.State.Best.Found {
		best, err := from.LoadCheckpoint(BestCheckpoint)
		if err != nil {
			return err
		}
		begin(&best.State)
		if err := SaveCheckpoint(dir.File(BestCheckpoint), best); err != nil {
			return err
		}
	}
	begin(&last.State)
	return SaveCheckpoint(dir.File(LastCheckpoint), last)
}
