package run

import (
	"cmp"
	"context"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// Features gives what a fresh head reads of the training examples, before it is standardised. The
// session needs a fresh head.
func (l *Local) Features(ctx context.Context) (*Features, error) {
	s := l.f.session
	if err := l.open(); err != nil {
		return nil, err
	}
	out := &Features{Width: s.Net.Headed.Features, Rows: make([]float32, s.Train.Len()*s.Net.Headed.Features)}
	return out, l.f.frontier.Train.Rows(ctx, out.Rows, out.Width, s.Config.Batch, featureRows(ctx))
}

// LossNow is the mean loss of the weights that are in place on the training examples.
func (l *Local) LossNow(ctx context.Context) (float64, error) {
	if err := l.open(); err != nil {
		return 0, err
	}
	m, err := l.f.measureOn(ctx, l.f.session.Train, l.f.frontier.Train)
	if err != nil {
		return 0, err
	}
	return m.Loss(), nil
}

// Validate measures the weights that are in place on the session's validation examples. Their frozen
// values are kept after the first time.
func (l *Local) Validate(ctx context.Context) (*task.Metrics, error) {
	f, s := l.f, l.f.session
	if f.frontier.Val == nil {
		kept, err := keep.NewShelf(s.Val).At(ctx, s.Net, s.KeepOptions())
		if err != nil {
			return nil, err
		}
		if kept == nil {
			f.frontier.Val, err = keep.NewEncoder(s.Net, s.Val, nil)
		} else {
			f.frontier.Val, err = kept.For(s.Net, s.Val, data.FileOrder(s.Val.Len()))
		}
		if err != nil {
			return nil, err
		}
	}
	return f.validate(ctx)
}

// Standard measures the features of the session's validation examples that a fresh head reads, and
// returns their standardisation; nil where the head is the model's own. The session's head reads
// them so from then on. It comes before Local.
func (s *Session) Standard(ctx context.Context) (*split.Standard, error) {
	if !s.Net.Headed.Fresh {
		return nil, nil
	}
	e, err := keep.NewEncoder(s.Net, s.Val, nil)
	if err != nil {
		return nil, err
	}
	train := s.Train
	s.Train = s.Val
	defer func() { s.Train = train }()
	f := &loop{session: s, events: report.NewEvents(), frontier: &keep.Encoders{Train: e}}
	if err := f.standardiseHead(ctx); err != nil {
		return nil, err
	}
	return s.Net.Norm, nil
}

// TrainBytes predicts the memory of training the units from one on: weights, gradients, optimiser
// state, and the activations of a step. Frozen values that are kept come on top.
func (l *Local) TrainBytes(from int) (int64, error) {
	s := l.f.session
	plan := s.Plans.Reach.Only(s.Net.Set, func(w *freeze.Weight) bool { return l.unit[w.Name] >= from })
	net := s.Net.With(plan).Twin()
	step, err := net.Train(s.Config.Batch)
	if err != nil {
		return 0, err
	}
	frozen, err := net.Frozen(s.Config.Batch)
	if err != nil {
		return 0, err
	}
	thawed := 4 * int64(plan.Thawed(s.Net.Set).Elements())
	return int64(s.Base.Model.Size()) + int64(2+s.active.Opt.StateCount())*thawed + int64(max(step.Program.ArenaBytes(), frozen.ArenaBytes())), nil
}

// Seal takes the digests of all that is frozen, for Write.
func (l *Local) Seal() { l.seal = freeze.Digests(l.f.session.Net.Set, l.f.session.Plans.Ever) }

// Events describe the session's data and its plan, for a log.
func (l *Local) Events() (*report.DataEvent, *report.PlanEvent) {
	l.f.session.digests = l.seal
	return l.f.session.events()
}

// Result is that of a fit whose weights, which are in place, were measured as val. What only the
// caller knows is missing: the number of examples and of epochs, losses while training, and times.
func (l *Local) Result(val *task.Metrics) *Result {
	s := l.f.session
	total := freeze.Total(l.seal)
	r := &Result{Plan: s.Plans.Ever, Classes: s.Task.Names(), Temperature: cmp.Or(s.temperature, 1), ParamsTotal: s.Net.Set.Elements(), ParamsThawed: s.Plans.Ever.Thawed(s.Net.Set).Elements(),
		FrozenDigestBefore: total, FrozenDigestAfter: freeze.Total(freeze.Digests(s.Net.Set, s.Plans.Ever))}
	r.validated(val)
	return r
}

// Write writes the tuned model with the weights that are in place, its delta, the files beside it
// and the seal to a run directory. It returns the model's size in bytes. It errors where a frozen
// weight has changed since Seal.
func (l *Local) Write(dir *RunDir) (int64, error) {
	l.f.dir, l.f.session.digests = dir, l.seal
	plan, err := l.f.session.planJSON()
	if err != nil {
		return 0, err
	}
	if err := dir.WriteFile(PlanFile, append(plan, '\n')); err != nil {
		return 0, err
	}
	return l.f.write(freeze.Digests(l.f.session.Net.Set, l.f.session.Plans.Ever))
}
