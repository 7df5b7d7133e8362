package search

import "github.com/permafrost-ml/permafrost/internal/search/pareto"

// promoteAsync makes one trial ready that may go on by what is known at this moment: one of the
// best 1/Eta of a rung, the highest rung first (ASHA: Li et al. 2020, A system for massively
// parallel hyperparameter tuning, algorithm 2). Where all else has ended and no trial reached the
// top, the best of the highest rung goes on, so that a search ends with one that is whole.
func (p *Planner) promoteAsync() {
	if len(p.ready) > 0 || !p.news {
		return
	}
	top := p.plan.Rungs.count() - 1
	for rung := top - 1; rung >= 0; rung-- {
		in := p.on(rung)
		for _, i := range pareto.Order(values(in), len(in)/p.plan.Rungs.Eta) {
			if p.trials[in[i].Trial].started == rung+1 {
				p.promote(in[i].Trial, rung+1)
				return
			}
		}
	}
	p.news = false
	if p.running > 0 || !p.ended || len(p.on(top)) > 0 {
		return
	}
	for rung := top - 1; rung >= 0; rung-- {
		in := p.on(rung)
		for _, i := range pareto.Order(values(in), len(in)) {
			if p.trials[in[i].Trial].started == rung+1 {
				p.promote(in[i].Trial, rung+1)
				return
			}
		}
	}
}

// on lists the results of a rung.
func (p *Planner) on(rung int) []Result {
	var out []Result
	for n := range p.trials {
		if r := p.result(n, rung); r.State == Done && r.Rung == rung {
			out = append(out, r)
		}
	}
	return out
}
