package train

import "slices"

// brief reports whether the present plan lasts no longer than an epoch: nothing kept for it would be used twice.
func (f *fitter) brief() bool {
	if f.session.stage.schedule == nil {
		return false
	}
	steps := stepsPerEpoch(f.session.Train, f.session.Config.Batch, f.session.Config.Accumulate)
	left := steps*f.session.Config.Epochs - f.st.Step
	if f.session.stage.lasts > 0 {
		left = min(left, f.session.stage.lasts)
	}
	return left <= steps || f.resuming
}

// takeOver takes the store of the plan before where that keeps the same values in the same form, and reports whether it did.
func (e *encoder) takeOver() bool {
	b := e.before
	if b == nil || b.store == nil || b.variants != e.variants || !sameValues(b.kept, e.kept) {
		return false
	}
	e.store, e.half = b.store, b.half
	return true
}

func sameValues(a, b *cut) bool {
	return slices.EqualFunc(a.points, b.points, func(p, q point) bool { return p.sum == q.sum })
}

// behind are the values that the plan before has kept, where the frontier now lies behind them; nil where they do not serve.
func (o *outline) behind(e *encoder) *near {
	b := e.before
	if b == nil || b.store == nil || b.half != nil || b.variants > 0 || e.variants > 0 || e.shares != nil {
		return nil
	}
	at := func(d digest) int { return slices.IndexFunc(b.kept.points, func(p point) bool { return p.sum == d }) }
	from := o.nearest(func(d digest) bool { return at(d) >= 0 })
	if from == nil || len(from.points) != len(b.kept.points) {
		return nil
	}
	slices.SortFunc(from.points, func(p, q point) int { return at(p.sum) - at(q.sum) }) // as the store has them
	return &near{from, b.store}
}
