package search

// promoteAsync makes ready what may go on by what is known at this moment: the best 1/Eta of each
// rung (ASHA: Li et al. 2020, A system for massively parallel hyperparameter tuning, algorithm 2).
// Where all else has ended and no trial reached the top, the best of the highest rung goes on, so
// that a search ends with one that is whole.
func (p *Planner) promoteAsync() {
	top := p.plan.Rungs.count() - 1
	for rung := range top {
		in := p.on(rung)
		p.promoteFirst(in, order(in, len(in)/p.plan.Rungs.Eta), rung, len(in))
	}
	if !p.ended || p.running > 0 || len(p.ready) > 0 || len(p.on(top)) > 0 {
		return
	}
	for rung := top - 1; rung >= 0 && len(p.ready) == 0; rung-- {
		in := p.on(rung)
		p.promoteFirst(in, order(in, len(in)), rung, 1)
	}
}

// promoteFirst lets the first n of the results, in the order given, go on from a rung that have not
// done so.
func (p *Planner) promoteFirst(in []Result, order []int, rung, n int) {
	for _, i := range order {
		if n > 0 && p.trials[in[i].Trial].promoted == rung {
			p.promote(in[i].Trial, rung+1)
			n--
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
