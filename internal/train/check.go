package train

import "os"

// Check compiles a small training step, so that a plan that cannot be trained, such as one with an
// operator without gradient behind a thawed weight, is told before anything is written.
func (s *Session) Check() error {
	n := &Network{Headed: s.Headed, Set: s.Set, Plan: s.Plan, Loss: s.Net.Loss, Shapes: s.Net.Shapes}
	_, err := n.Train(min(2, s.Config.Batch))
	return err
}

// CheckResume errors, and writes nothing, unless the directory's checkpoint belongs to this session's
// options, model, data and plan. It reports whether there is a checkpoint: a run that was stopped
// before its first one begins anew.
func (s *Session) CheckResume(dir *RunDir) (found bool, err error) {
	if _, err := os.Stat(dir.File(LastCheckpoint)); os.IsNotExist(err) {
		return false, nil
	}
	c, err := dir.LoadCheckpoint(LastCheckpoint)
	if err != nil {
		return false, err
	}
	id, err := s.identity()
	if err != nil {
		return false, err
	}
	return true, c.State.Match(id, &s.Config)
}
