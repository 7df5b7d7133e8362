package run

import (
	"errors"
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/optim"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/split"
)

// Local trains the weights of a session for a while at a time, between exchanges with others. What
// is exchanged is one vector: the thawed elements of every weight that the plan trains, in the order
// of the model's weights, and then the running statistics that follow the data. It is for one
// goroutine. Several Locals of one Base may train beside each other.
type Local struct {
	f      *loop
	pieces []Piece
	slots  []*optim.Slot // by piece
	units  []string
	unit   map[string]int // by the name of a weight that trains
	batch  int            // of the recipe

	kept *keep.Kept // frozen values; nil: computed in every epoch
	at   []int      // the indices of the training examples among those kept
	seal map[string]string
	nets map[string]narrow // by the digest of the plan
}

// Piece is a part of the vector of a Local.
type Piece struct {
	Name      string
	Len       int
	Unit      int  // index into Units
	Statistic bool // a running statistic, which no optimiser moves
	Positive  bool // its numbers are not below 0
}

// Local makes the session a Local, with fresh heads reading features as standard says; nil leaves
// them as they are. The session must not be fitted. It errors where the session has a schedule.
func (s *Session) Local(standard *split.Standard) (*Local, error) {
	if s.stage.schedule != nil {
		return nil, errors.New("run: a session with a schedule cannot be exchanged")
	}
	if standard != nil {
		if !s.Net.Headed.Fresh || len(standard.Mean) != s.Net.Headed.Features {
			return nil, fmt.Errorf("run: a standardisation of %d features for a head that reads %d", len(standard.Mean), s.Net.Headed.Features)
		}
		s.Net.Norm = standard
	}
	l := &Local{f: &loop{session: s, events: report.NewEvents(), frontier: &keep.Encoders{}}, batch: s.Config.Batch, nets: map[string]narrow{}}
	units, of := unitsOf(s.Net.Set, s.Plans.Reach)
	l.unit = of
	for _, u := range units {
		l.units = append(l.units, u.Name)
	}
	for _, slot := range s.active.params(s.Net.Set) {
		l.slots = append(l.slots, slot)
		l.pieces = append(l.pieces, Piece{Name: slot.Name, Len: slot.Len(), Unit: of[slot.Name]})
	}
	for _, w := range s.Net.Set.Weights {
		if s.Plans.Reach.Of(w.Name).State == freeze.Tracking {
			l.slots = append(l.slots, &optim.Slot{Name: w.Name, Value: w.Value.Data})
			l.pieces = append(l.pieces, Piece{Name: w.Name, Len: w.Len(), Unit: l.unitOf(w, of), Statistic: true, Positive: w.Variance})
		}
	}
	return l, nil
}

// unitOf is the unit of a running statistic: that of its block.
func (l *Local) unitOf(w *freeze.Weight, of map[string]int) int {
	set := l.f.session.Net.Set
	for name, unit := range of {
		if o := set.ByName(name); o.Block == w.Block && o.Head == w.Head {
			return unit
		}
	}
	return len(l.units) - 1
}

// Pieces are the parts of the vector, in order.
func (l *Local) Pieces() []Piece { return l.pieces }

// Units are the blocks whose weights train, from the input on, and then the head.
func (l *Local) Units() []string { return l.units }

// Session is the session that trains.
func (l *Local) Session() *Session { return l.f.session }

// Len is the length of the vector.
func (l *Local) Len() int {
	n := 0
	for _, p := range l.pieces {
		n += p.Len
	}
	return n
}

// Weights is a copy of the vector.
func (l *Local) Weights() []float32 {
	out := make([]float32, l.Len())
	at := 0
	for i, s := range l.slots {
		s.Gather(out[at:at+l.pieces[i].Len], s.Value)
		at += l.pieces[i].Len
	}
	return out
}

// SetWeights puts a vector into the network. It errors on another length.
func (l *Local) SetWeights(x []float32) error {
	if len(x) != l.Len() {
		return fmt.Errorf("run: %d numbers for a plan that thaws %d", len(x), l.Len())
	}
	for i, s := range l.slots {
		s.Scatter(x[:l.pieces[i].Len])
		x = x[l.pieces[i].Len:]
	}
	return nil
}

// Use makes ds the examples that are trained on. Their frozen values are those at the given indices
// of kept; with nil, each epoch computes them.
func (l *Local) Use(ds *data.Dataset, kept *keep.Kept, at []int) error {
	s := l.f.session
	targets, err := feed.Targets(s.Task, ds, s.Base.Feed)
	if err != nil {
		return err
	}
	if s.Train != s.Val {
		delete(s.targets, s.Train)
	}
	s.Train, s.targets[ds] = ds, targets
	l.kept, l.at = kept, at
	s.Config.Batch = min(l.batch, ds.Len())
	return nil
}
