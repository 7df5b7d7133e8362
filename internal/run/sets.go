package run

import (
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// Sets are what a program gives beside a configuration: examples in place of Config.Data and
// Config.Val, the loss to minimise on them, and helpers. The zero value reads the examples of the
// configuration.
type Sets struct {
	Train, Val data.Place
	Loss       task.LossFunc // nil: the task's own
	// Both says that the training examples validate as well: nothing is held out, and that they are
	// equal is no news.
	Both bool
	// Own are the classes that the examples must be of; nil: those that are found, or with option head
	// keep those of the model.
	Own *data.Own
	// Helpers compute a part of the frozen values in other processes; nil: none.
	Helpers Helpers
	// OnDisk keeps in files what is large and seldom read, where the system can, see package ondisk: the
	// model as its file has it, until the process ends, and the best weights.
	OnDisk bool
}

// GivenData is the value of Config.Data if the program passes the examples.
const GivenData = "given by the program"

// Places returns where the training and validation examples of a fit are.
func (s Sets) Places(c *config.Config) (train, val data.Place) {
	train, val = s.Train, s.Val
	if train.IsZero() {
		train = data.At(c.Data)
	}
	switch {
	case s.Both:
		val = train
	case val.IsZero():
		val = data.At(c.Val)
	}
	return train, val
}

// openModel reads the model file of c.
func (s Sets) openModel(c *config.Config) (*onnx.Model, error) {
	if s.OnDisk {
		return onnx.OpenOnDisk(c.Model)
	}
	return onnx.Open(c.Model)
}

// FeedOptions returns those of c for the examples. With tensors, a model may be used that would
// otherwise seem to need another kind of data.
func (s Sets) FeedOptions(c *config.Config) feed.Options {
	o := c.FeedOptions()
	o.Data, _ = s.Places(c)
	if s.Train.Kind == feed.KindTensors {
		o.Kind = s.Train.Kind
	}
	return o
}
