package run

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/ondisk"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// The time between two checkpoints is at least saveEvery, and at least savePart times what writing
// one takes. Otherwise a fit with epochs of milliseconds would spend its time writing.
const (
	saveEvery = 10 * time.Second
	savePart  = 20
)

// due reports whether it is time for a checkpoint.
func (f *loop) due() bool {
	return f.dir != nil && time.Since(f.kept.saved) > max(saveEvery, savePart*f.kept.cost)
}

// save writes the checkpoint from which a run resumes.
func (f *loop) save() error {
	if f.dir == nil {
		return nil
	}
	began := time.Now()
	if err := f.saveBest(); err != nil {
		return err
	}
	st := f.st
	st.Seconds += time.Since(f.began).Seconds()
	if err := f.saveStage(&st); err != nil {
		return err
	}
	c := Capture(st, f.session.active.params(f.session.Net.Set), f.session.stats(), f.session.active.Opt)
	f.meter.save(c)
	f.average.Save(c.Tensors)
	e, err := f.dir.SaveCheckpoint(c)
	if err != nil {
		return err
	}
	f.events.Emit(e)
	f.kept.saved, f.kept.cost = time.Now(), time.Since(began)
	return nil
}

// saveBest writes the weights of the best epoch if the disk does not have them yet.
func (f *loop) saveBest() error {
	if !f.kept.unsaved {
		return nil
	}
	if err := f.kept.best.check(); err != nil {
		return err
	}
	c := &Checkpoint{State: f.st, Tensors: f.kept.best.tensors}
	defer ondisk.Release()
	if err := SaveCheckpoint(f.dir.File(BestCheckpoint), c); err != nil {
		return err
	}
	f.kept.unsaved = false
	return nil
}

// resume restores the state of a checkpoint. It errors if the checkpoint belongs to another run.
func (f *loop) resume() error {
	c, err := f.dir.LoadCheckpoint(LastCheckpoint)
	if err != nil {
		return err
	}
	if err := c.State.Match(f.st.Identity, &f.session.Config); err != nil {
		return err
	}
	if err := f.resumeStage(c); err != nil {
		return err
	}
	f.average.Restore(c.Tensors)
	if err := c.Restore(f.session.active.params(f.session.Net.Set), f.session.stats(), f.session.active.Opt); err != nil {
		return err
	}
	id, cfg, plan := f.st.Identity, f.st.Config, f.st.Plan
	f.st = c.State
	f.st.Identity, f.st.Config, f.st.Plan = id, cfg, plan
	if f.st.Best.Found {
		b, err := f.dir.LoadCheckpoint(BestCheckpoint)
		if err != nil {
			return err
		}
		f.kept.best.tensors = b.Tensors
	}
	return nil
}

// weights copies what training changes, in the form that checkpoints use.
func (f *loop) weights() map[string]*tensor.Tensor {
	out := f.current()
	for name, t := range out {
		out[name] = t.Clone()
	}
	return out
}

// current is weights without a copy: it may share memory with what trains.
func (f *loop) current() map[string]*tensor.Tensor {
	c := Capture(RunState{}, f.session.active.params(f.session.Net.Set), f.session.stats(), f.session.active.Opt)
	out := map[string]*tensor.Tensor{}
	for name, t := range c.Tensors {
		if !strings.HasPrefix(name, "optimizer/") {
			out[name] = t
		}
	}
	return out
}

// stats are the running statistics that training updates, by name.
func (s *Session) stats() map[string]*tensor.Tensor {
	out := map[string]*tensor.Tensor{}
	for _, w := range s.Net.Set.Weights {
		if s.Plans.Ever.Of(w.Name).State == freeze.Tracking {
			out[w.Name] = w.Value.Data
		}
	}
	return out
}

// identity returns digests of everything that the run depends on.
func (s *Session) identity() (Identity, error) {
	tr, err := dataDigest(s.Train)
	if err != nil {
		return Identity{}, err
	}
	val, err := dataDigest(s.Val)
	if err != nil {
		return Identity{}, err
	}
	return Identity{Model: s.Plans.Reach.Model, Data: tr, Val: val, Plan: s.Plans.Reach.Digest()}, nil
}

func (s *Session) planJSON() ([]byte, error) { return planText(s.Plans.Ever) }

func planText(p *freeze.Plan) ([]byte, error) { return json.MarshalIndent(p, "", "  ") }
