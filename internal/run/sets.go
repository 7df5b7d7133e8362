package run

import (
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// Sets are examples that a program hands over in the place of what Config.Data and Config.Val name,
// and the loss that is minimised on them. The zero Sets are none: the configuration's are read.
type Sets struct {
	Train, Val data.Place
	Loss       task.LossFunc // nil: the task's own
}

// GivenData stands as Config.Data where the examples come from the program.
const GivenData = "given by the program"

// Places are where the examples of a fit lie.
func (s Sets) Places(c *Config) (train, val data.Place) {
	train, val = s.Train, s.Val
	if train.IsZero() {
		train = data.Place{Path: c.Data}
	}
	if val.IsZero() {
		val = data.Place{Path: c.Val}
	}
	return train, val
}

// FeedOptions are those of c, for the kind of examples that are given: tensors serve models that
// would be taken to want something else.
func (s Sets) FeedOptions(c *Config) feed.Options {
	o := c.FeedOptions()
	if s.Train.Kind == feed.KindTensors {
		o.Kind = s.Train.Kind
	}
	return o
}
