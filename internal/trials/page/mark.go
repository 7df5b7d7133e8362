package page

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/chart"
)

// dot marks a trial: a disc, or a cross for one that failed.
func dot(p *chart.Plot, t *trial, x, y, r float64) {
	if t.state == failed {
		p.Path("m "+t.state, t.number, fmt.Sprintf("M%.1f %.1fl%[3]g %[3]gm0 -%[3]gl-%[3]g %[3]g", x-r, y-r, 2*r))
		return
	}
	class := "m " + t.state
	if t.best {
		class, r = class+" best", r+2
	}
	p.Path(class, t.number, chart.Disc(x, y, r))
}

// mark marks a trial at its values.
func mark(f *chart.Frame, t *trial, x, y, shift float64) {
	dot(f.Plot, t, f.X.At(x)+shift, f.Y.At(y), 3.5)
}

// fail marks a trial that has no metric, at the worse end.
func fail(f *chart.Frame, t *trial, x, shift float64, down bool) {
	y := f.Y.From - 5
	if down {
		y = f.Y.To + 5
	}
	dot(f.Plot, t, f.X.At(x)+shift, y, 3.5)
}
