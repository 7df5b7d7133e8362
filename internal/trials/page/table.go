package page

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/chart"

	"github.com/permafrost-ml/permafrost/internal/trials"
)

// tableOf lists every trial with its numbers and options.
func tableOf(r *trials.Record, all []*trial) chart.Table {
	t := chart.Table{ID: "trials", Title: "All trials", Example: "last:1", First: chart.Column{Name: "trial", Number: true}, Columns: []chart.Column{{Name: "state"}}}
	for _, name := range []string{r.Header.Metric, "loss", "epochs", "seconds", "trained", "parameters", "ms"} {
		t.Columns = append(t.Columns, chart.Column{Name: name, Number: true})
	}
	params := r.Space.Params()
	for i := range params {
		numbers := true
		for _, v := range params[i].Values {
			if _, ok := v.Float(); !ok {
				numbers = false
			}
		}
		t.Columns = append(t.Columns, chart.Column{Name: params[i].Name, Number: numbers})
	}
	reasons := slices.ContainsFunc(all, func(t *trial) bool { return t.state == failed })
	if reasons {
		t.Columns = append(t.Columns, chart.Column{Name: "why"})
	}
	of := func(v float64, text string) chart.Cell { return chart.Cell{Text: text, Value: fmt.Sprint(v)} }
	for _, at := range all {
		o := at.entry.Outcome
		w := chart.Row{Key: at.number, Class: at.state, Tip: at.tip(r.Header.Metric)}
		state := at.state
		switch {
		case at.best:
			w.Class, state = w.Class+" best", state+", best"
		case at.front && len(r.Header.Objectives) > 1:
			state += ", on the front"
		}
		if at.state == failed {
			w.Cells = make([]chart.Cell, 7)
			if o.ParamsTotal > 0 { // it broke a limit of the space
				w.Cells[4], w.Cells[5], w.Cells[6] = of(float64(o.ParamsThawed), chart.Amount(float64(o.ParamsThawed))), of(float64(o.ParamsTotal), chart.Amount(float64(o.ParamsTotal))), of(o.LatencyMS, chart.Number(o.LatencyMS))
			}
		} else {
			w.Cells = []chart.Cell{of(at.metric, metricText(r.Header.Metric)(at.metric)), of(o.Loss, chart.Number(o.Loss)), of(float64(o.Epochs), fmt.Sprint(o.Epochs)),
				of(o.Seconds, chart.Seconds(o.Seconds)), of(float64(o.ParamsThawed), chart.Amount(float64(o.ParamsThawed))), of(float64(o.ParamsTotal), chart.Amount(float64(o.ParamsTotal))), of(o.LatencyMS, chart.Number(o.LatencyMS))}
		}
		for i := range params {
			v, ok := at.entry.Point.Get(params[i].Name)
			switch x, isNumber := v.Float(); {
			case !ok:
				w.Cells = append(w.Cells, chart.Cell{})
			case isNumber:
				w.Cells = append(w.Cells, of(x, chart.Number(x)))
			default:
				w.Cells = append(w.Cells, chart.Cell{Text: shown(v)})
			}
		}
		if reasons {
			w.Cells = append(w.Cells, chart.Cell{Text: o.Failed})
		}
		w.Cells = append([]chart.Cell{{Text: state}}, w.Cells...)
		t.Rows = append(t.Rows, w)
	}
	return t
}
