package run

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/config"
)

// Check compiles a small training step of everything that may train in any stage. It finds plans
// that cannot be trained before anything is written: for example an operator without a gradient
// between a thawed weight and the loss, or an adapter where the file has no room for one.
func (s *Session) Check() error {
	if err := s.checkTranscripts(); err != nil {
		return err
	}
	if err := s.Net.Prepare(); err != nil {
		return err
	}
	widest := s.Net
	if s.Plans.Reach != s.Plans.Now { // later stages of a schedule train a subset of these weights
		widest = s.Net.With(s.Plans.Reach)
		if err := widest.Prepare(); err != nil {
			return err
		}
	}
	if err := s.checkMixup(widest); err != nil {
		return err
	}
	two := min(2, s.Config.Batch)
	step, err := widest.Twin().Train(two)
	if err != nil {
		return err
	}
	s.stepBytes = int64(step.Program.ArenaBytesFor(float64(s.Config.Batch) / float64(two)))
	if s.Net.Headed.Adapters == nil {
		return nil
	}
	p, err := s.patch()
	if err != nil {
		return err
	}
	return s.Base.Model.Check(p)
}

// StepBytes estimates the memory of a training step without the weights, once Check has compiled one.
func (s *Session) StepBytes() int64 { return s.stepBytes }

// CheckResume errors unless the checkpoint in dir belongs to this session's options, model, data
// and plan. It writes nothing. It reports whether there is a checkpoint: a run that stopped before
// its first one starts again with its recorded options.
func (s *Session) CheckResume(dir *RunDir) (found bool, err error) {
	if _, err := os.Stat(dir.File(LastCheckpoint)); os.IsNotExist(err) {
		was, err := config.LoadConfig(dir.File(RunFile))
		if err != nil {
			return false, err
		}
		was, is := was.Pinned(), s.Config.Pinned()
		diff := was.Differences(&is)
		for _, p := range []struct{ what, then, now string }{{"model", was.Model, is.Model}, {"data", was.Data, is.Data}, {"val", was.Val, is.Val}} {
			if p.then != p.now {
				diff = append(diff, fmt.Sprintf("%s was %s, is %s", p.what, p.then, p.now))
			}
		}
		if len(diff) > 0 {
			return false, fmt.Errorf("the run in %s was begun with other options: %s", dir.Path, strings.Join(diff, "; "))
		}
		return false, nil
	}
	c, err := dir.LoadCheckpoint(LastCheckpoint)
	if err != nil {
		return false, err
	}
	if err := s.settle(context.Background(), c.State.Plan); err != nil {
		return false, err
	}
	id, err := s.identity()
	if err != nil {
		return false, err
	}
	return true, c.State.Match(id, &s.Config)
}
