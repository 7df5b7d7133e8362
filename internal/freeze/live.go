package freeze

import "slices"

// Only is p restricted to some weights: of those that p trains, the ones that live picks train and
// the others are frozen. Running statistics follow their layers. Everything else is as in p.
func (p *Plan) Only(set *Set, live func(w *Weight) bool) *Plan {
	q := *p
	q.byName, q.Params = nil, slices.Clone(p.Params)
	for i := range q.Params {
		e := &q.Params[i]
		if w := set.ByName(e.Name); (e.State == Thaw || e.State == Partly) && (w == nil || !live(w)) {
			*e = Entry{Name: e.Name, State: Frozen, Tied: e.Tied}
		}
	}
	q.track(set)
	return &q
}

// Live reports whether the plan lets a weight change: it trains, wholly or partly, or it is a
// running statistic that follows the data.
func (p *Plan) Live(name string) bool { return p.Of(name).State != Frozen }
