package page

import (
	"fmt"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/chart"

	"github.com/permafrost-ml/permafrost/internal/trials"
)

// slicesOf plots the metric against each parameter.
func slicesOf(r *trials.Record, all []*trial) []*chart.Plot {
	var out []*chart.Plot
	for i := range r.Space.Params() {
		p := &r.Space.Params()[i]
		if p.Count() == 1 {
			continue
		}
		var when []string
		for _, c := range p.When {
			var values []string
			for _, v := range c.In {
				values = append(values, shown(v))
			}
			when = append(when, c.Param+" "+strings.Join(values, " or "))
		}
		title := p.Name
		if len(when) > 0 {
			title += ", where " + strings.Join(when, " and ")
		}
		f := chart.Framed(title, fmt.Sprintf("The %s of each trial against %s.", r.Header.Metric, p.Name), 300, 220, parameter(p), metricAxis(r.Header.Metric, all))
		for _, t := range ordered(all) {
			v, ok := t.entry.Point.Get(p.Name)
			switch {
			case !ok:
			case t.state == failed:
				fail(f, t, position(p, v), spread(t, f.X), smallIsGood(all))
			default:
				mark(f, t, position(p, v), t.metric, spread(t, f.X))
			}
		}
		out = append(out, f.Plot)
	}
	return out
}
