package run

import (
	"github.com/permafrost-ml/permafrost/internal/option"
)

// checkRegularisation errors on options that do not fit the task. Call it after the recipe.
func (s *Session) checkRegularisation() error {
	switch c := &s.Config; {
	case c.Mixup != 0 && s.Task.PerPosition():
		return option.Errorf("mixup", "the task %s has an answer at every position, which cannot be mixed", s.Task.Name())
	case c.Mixup != 0 && s.Base.Feed.Form().Varies():
		return option.Errorf("mixup", "examples of different lengths cannot be mixed")
	}
	return nil
}
