package run

// Work is the cost of a fit of the session's plan, in floating-point operations. It is counted, not
// timed, so it is the same on every machine.
type Work struct {
	Frozen float64 // the frozen region, per example
	Live   float64 // forward and backward of the live region, per example
	Step   float64 // the update of the thawed weights, plus the fixed cost of a step
}

// stepWork is roughly what can be computed in the time that it takes to start the programs of a
// step.
const stepWork = 10e6

// updateWork is roughly what can be computed in the time that the optimiser needs for one
// parameter.
const updateWork = 30

// Work counts the session's work. If examples differ in length it uses the mean length.
func (s *Session) Work() (Work, error) {
	o, err := s.Net.Outline()
	if err != nil {
		return Work{}, err
	}
	w := Work{Frozen: float64(o.Work()), Step: stepWork + updateWork*float64(s.Plans.Ever.Thawed(s.Net.Set).Elements())}
	w.Live = 3 * (float64(o.Graph.FLOPs())/2 - w.Frozen)
	if f := s.Net.Form; f != nil && s.Train.Len() > 0 {
		steps := 0
		for i := range s.Train.Len() {
			steps += s.Train.Length(i)
		}
		scale := float64(steps) / float64(s.Train.Len()*s.Net.Length)
		w.Frozen, w.Live = scale*w.Frozen, scale*w.Live
	}
	return w, nil
}

// TrainBytes returns the memory in bytes that the fit has needed so far: the model, the gradients
// and optimiser state of what trains, and the activations of the largest program, as programs take
// turns. It does not count the examples or kept frozen values, which may be on disk.
func (s *Session) TrainBytes() int64 {
	thawed := int64(4 * s.Plans.Ever.Thawed(s.Net.Set).Elements())
	return int64(s.Base.Model.Size()) + thawed*int64(2+s.active.Opt.StateCount()) + s.Net.MostBytes()
}
