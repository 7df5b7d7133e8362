package page

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/trials"
)

// parallel draws a line for each trial through its values on one axis a parameter, and the metric.
// A trial that does not have a parameter passes below its axis.
func parallel(r *trials.Record, all []*trial) *plot {
	params := r.Space.Params()
	const top, missing = 30.0, 272.0
	height := 262.0
	for i := range params {
		if len(params[i].When) > 0 {
			height = 284
		}
	}
	gap := max(130, 860/float64(len(params)))
	left := 70.0
	p := &plot{About: "A line for each trial through the values of its options to its " + r.Header.Metric + ".", Width: left + gap*float64(len(params)) + 60, Height: height}
	var axes []axis
	for i := range params {
		axes = append(axes, parameter(&params[i]).between(250, top))
	}
	axes = append(axes, metricAxis(r.Header.Metric, all).between(250, top))
	for _, t := range ordered(all) {
		var points [][2]float64
		for i := range params {
			y := missing
			if v, ok := t.entry.Point.Get(params[i].Name); ok {
				y = axes[i].at(position(&params[i], v)) + spread(t, axes[i])
			}
			points = append(points, [2]float64{left + gap*float64(i), y})
		}
		class := "thread " + t.state
		if t.state != failed {
			class += fmt.Sprintf(" fifth%d", t.fifth)
			points = append(points, [2]float64{left + gap*float64(len(params)), axes[len(params)].at(t.metric)})
		}
		if t.best {
			class += " best"
		}
		p.path(class, t.number, polyline(points))
	}
	for i, a := range axes {
		x := left + gap*float64(i)
		p.line("axis", x, top, x, 250)
		p.write("label", "middle", x, 16, a.label, 18)
		for _, t := range a.ticks(5) {
			p.line("axis", x-3, t.at, x, t.at)
			p.write("tick halo", "end", x-6, t.at+4, t.text, 13)
		}
		if i < len(params) && len(params[i].When) > 0 {
			p.write("tick halo", "end", x-6, missing+4, "not used", 13)
		}
	}
	return p
}

// spread moves marks of one name a little apart, each trial always by the same.
func spread(t *trial, a axis) float64 {
	if len(a.names) == 0 {
		return 0
	}
	const golden = 0.6180339887
	u := float64(t.entry.Trial) * golden
	return (u - float64(int(u)) - 0.5) * min(0.5*a.cell(), 16)
}
