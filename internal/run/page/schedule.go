package page

import (
	"fmt"
	"math"

	"github.com/permafrost-ml/permafrost/internal/chart"
)

// mapColumns is how many columns the map of the schedule has at most.
const mapColumns = 120

// schedule is the map of what trained when: a row for each part of the network, a column for each
// epoch. It is nil for a run without a schedule.
func (r *Run) schedule() *chart.Section {
	units := r.units()
	if len(r.Changes) == 0 || len(units) == 0 || len(r.Curve) == 0 {
		return nil
	}
	of := map[string]int{} // tensor -> row
	for i, u := range units {
		for _, t := range u.tensors {
			of[t] = i
		}
	}
	epochs := r.Curve[len(r.Curve)-1].Epoch
	counts := make([]int, len(units)) // tensors that train, by row; the first change starts from all that may
	for _, t := range r.Plan.TensorsThawed {
		if i, ok := of[t]; ok {
			counts[i]++
		}
	}
	train := make([][]bool, len(units))
	for i := range train {
		train[i] = make([]bool, epochs)
	}
	next := 0
	for e := range epochs {
		for next < len(r.Changes) && r.Changes[next].Epoch <= e+1 {
			for _, t := range r.Changes[next].Frozen {
				if i, ok := of[t]; ok {
					counts[i]--
				}
			}
			for _, t := range r.Changes[next].Thawed {
				if i, ok := of[t]; ok {
					counts[i]++
				}
			}
			next++
		}
		for i, n := range counts {
			train[i][e] = n > 0
		}
	}
	const left, high = 190.0, 18.0
	per := (epochs + mapColumns - 1) / mapColumns
	columns := (epochs + per - 1) / per
	wide := min(40, (networkWidth-left-10)/float64(columns))
	p := &chart.Plot{Width: networkWidth, Height: high*float64(len(units)) + 42,
		About:  fmt.Sprintf("Which of %d parts of the network trained in each of %d epochs. The list of changes says the same in words.", len(units), epochs),
		Legend: []chart.Legend{{Class: "ice", Name: "frozen"}, {Class: "warm", Name: "training"}}}
	for i := range units {
		y := high * float64(i)
		p.Write("tick", "end", left-8, y+13, units[i].name, 26)
		shapes := map[bool]string{}
		for c := range columns {
			at := min((c+1)*per, epochs) - 1
			shapes[train[i][at]] += chart.Rectangle(left+wide*float64(c), y+1, max(wide-1, 0.7*wide), high-2)
		}
		if shapes[false] != "" {
			p.Path("box ice", "", shapes[false])
		}
		if shapes[true] != "" {
			p.Path("box warm", "", shapes[true])
		}
	}
	bottom := high * float64(len(units))
	x := chart.Axis{Low: 0.5, High: float64(epochs) + 0.5, Text: chart.Whole, Integer: true}.Between(left, left+wide*float64(columns)*float64(epochs)/float64(columns*per))
	for _, t := range x.Ticks(max(2, int(math.Min(12, (x.To-x.From)/30)))) {
		p.Write("tick", "middle", t.At, bottom+14, t.Text, 8)
	}
	p.Write("label", "middle", (x.From+x.To)/2, bottom+34, "epoch", 20)
	return &chart.Section{ID: "schedule", Title: "What trained when", Text: "The schedule " + r.Plan.Schedule + ", by part of the network and epoch. A change within an epoch is shown in that epoch.", Plots: []*chart.Plot{p}}
}

// changesMost is how many changes of the plan are listed.
const changesMost = 200

// changes say in words what the schedule did.
func (r *Run) changes() []chart.Fact {
	var out []chart.Fact
	for i, c := range r.Changes {
		if i == changesMost {
			return append(out, chart.Fact{Name: "and", Value: fmt.Sprintf("%d more", len(r.Changes)-i)})
		}
		out = append(out, chart.Fact{Name: fmt.Sprintf("epoch %d, step %d", c.Epoch, c.Step), Value: fmt.Sprintf("%s: %s parameters train from here on", c.Reason, amountText(c.ParamsThawed))})
	}
	return out
}
