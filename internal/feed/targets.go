package feed

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// Targets returns the right answers to the examples of a data set. It errors on an answer that is
// invalid for the task.
func Targets(t task.Task, ds *data.Dataset, f Feed) ([]data.Target, error) {
	out := make([]data.Target, ds.Len())
	tokens := ""
	for _, in := range f.Form().Inputs {
		if RoleOf(in.Name) == TokenIDs && tokens == "" {
			tokens = in.Name
		}
	}
	for i, e := range ds.Examples {
		var err error
		if out[i], err = t.Target(e); err != nil {
			return nil, fmt.Errorf("data: %w", err)
		}
		if task.KindOf(t).Tokens {
			if out[i].Labels, err = ds.Tokens(i, tokens); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}
