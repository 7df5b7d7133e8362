package page

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/chart"

	"github.com/permafrost-ml/permafrost/internal/trials"
)

// parallel draws a line for each trial through its values on one axis a parameter, and the metric.
// A trial that does not have a parameter passes below its axis.
func parallel(r *trials.Record, all []*trial) *chart.Plot {
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
	p := &chart.Plot{About: "A line for each trial through the values of its options to its " + r.Header.Metric + ".", Width: left + gap*float64(len(params)) + 60, Height: height}
	var axes []chart.Axis
	for i := range params {
		axes = append(axes, parameter(&params[i]).Between(250, top))
	}
	axes = append(axes, metricAxis(r.Header.Metric, all).Between(250, top))
	for _, t := range ordered(all) {
		var points [][2]float64
		for i := range params {
			y := missing
			if v, ok := t.entry.Point.Get(params[i].Name); ok {
				y = axes[i].At(position(&params[i], v)) + spread(t, axes[i])
			}
			points = append(points, [2]float64{left + gap*float64(i), y})
		}
		class := "thread " + t.state
		if t.state != failed {
			class += fmt.Sprintf(" fifth%d", t.fifth)
			points = append(points, [2]float64{left + gap*float64(len(params)), axes[len(params)].At(t.metric)})
		}
		if t.best {
			class += " best"
		}
		p.Path(class, t.number, chart.Polyline(points))
	}
	for i, a := range axes {
		x := left + gap*float64(i)
		p.Line("axis", x, top, x, 250)
		p.Write("label", "middle", x, 16, a.Label, 18)
		for _, t := range a.Ticks(5) {
			p.Line("axis", x-3, t.At, x, t.At)
			p.Write("tick halo", "end", x-6, t.At+4, t.Text, 13)
		}
		if i < len(params) && len(params[i].When) > 0 {
			p.Write("tick halo", "end", x-6, missing+4, "not used", 13)
		}
	}
	return p
}

// spread moves marks of one name a little apart, each trial always by the same.
func spread(t *trial, a chart.Axis) float64 {
	if len(a.Names) == 0 {
		return 0
	}
	const golden = 0.6180339887
	u := float64(t.entry.Trial) * golden
	return (u - float64(int(u)) - 0.5) * min(0.5*a.Cell(), 16)
}
