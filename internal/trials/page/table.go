package page

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/trials"
)

// column is one of the table of trials.
type column struct {
	Name   string
	Number bool // sorted by size, and set flush right
}

// cell is what a trial has in a column.
type cell struct {
	Text  string
	Value string // by which a column of numbers is sorted; empty: it comes last
}

type row struct {
	Trial string
	State string
	Mark  string // what is special about it
	Tip   string
	Cells []cell
}

type table struct {
	Columns []column
	Rows    []row
}

// tableOf lists every trial with its numbers and options.
func tableOf(r *trials.Record, all []*trial) table {
	t := table{Columns: []column{{r.Header.Metric, true}, {"loss", true}, {"epochs", true}, {"seconds", true}, {"trained", true}, {"parameters", true}, {"ms", true}}}
	params := r.Space.Params()
	for i := range params {
		numbers := true
		for _, v := range params[i].Values {
			if _, ok := v.Float(); !ok {
				numbers = false
			}
		}
		t.Columns = append(t.Columns, column{params[i].Name, numbers})
	}
	reasons := slices.ContainsFunc(all, func(t *trial) bool { return t.state == failed })
	if reasons {
		t.Columns = append(t.Columns, column{Name: "why"})
	}
	of := func(v float64, text string) cell { return cell{text, fmt.Sprint(v)} }
	for _, at := range all {
		o := at.entry.Outcome
		w := row{Trial: at.number, State: at.state, Tip: at.tip(r.Header.Metric)}
		switch {
		case at.best:
			w.Mark = "best"
		case at.front && len(r.Header.Objectives) > 1:
			w.Mark = "on the front"
		}
		if at.state == failed {
			w.Cells = make([]cell, 7)
			if o.ParamsTotal > 0 { // it broke a limit of the space
				w.Cells[4], w.Cells[5], w.Cells[6] = of(float64(o.ParamsThawed), amount(float64(o.ParamsThawed))), of(float64(o.ParamsTotal), amount(float64(o.ParamsTotal))), of(o.LatencyMS, number(o.LatencyMS))
			}
		} else {
			w.Cells = []cell{of(at.metric, metricText(r.Header.Metric)(at.metric)), of(o.Loss, number(o.Loss)), of(float64(o.Epochs), fmt.Sprint(o.Epochs)),
				of(o.Seconds, seconds(o.Seconds)), of(float64(o.ParamsThawed), amount(float64(o.ParamsThawed))), of(float64(o.ParamsTotal), amount(float64(o.ParamsTotal))), of(o.LatencyMS, number(o.LatencyMS))}
		}
		for i := range params {
			v, ok := at.entry.Point.Get(params[i].Name)
			switch x, isNumber := v.Float(); {
			case !ok:
				w.Cells = append(w.Cells, cell{})
			case isNumber:
				w.Cells = append(w.Cells, of(x, number(x)))
			default:
				w.Cells = append(w.Cells, cell{Text: shown(v)})
			}
		}
		if reasons {
			w.Cells = append(w.Cells, cell{Text: o.Failed})
		}
		t.Rows = append(t.Rows, w)
	}
	return t
}
