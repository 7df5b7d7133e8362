package feed

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// Targets returns the right answers to the examples of a data set. It errors on an answer that is
// invalid for the task.
func Targets(t task.Task, ds *data.Dataset, f Feed) ([]data.Target, error) {
	out := make([]data.Target, ds.Len())
	tokens := ""
	if texts, ok := f.(*Texts); ok {
		tokens = texts.form.Inputs[slices.Index(texts.roles, TokenIDs)].Name
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
