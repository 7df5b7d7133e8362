package page

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/chart"
	"github.com/permafrost-ml/permafrost/internal/facts"
)

// saving is a line of what freezing saved. An empty text is not known.
type saving struct{ What, Measured, Predicted, Full, Saved string }

// savings compare the run with full fine-tuning: what was measured, and what was predicted for both.
func (r *Run) savings() []saving {
	var plan, full *facts.Cost
	if r.Facts != nil {
		plan, full = r.Facts.Plan, r.Facts.Full
	}
	if full == nil && r.Delta == 0 || r.ParamsThawed >= r.ParamsTotal {
		return nil
	}
	epochs := float64(len(r.Curve))
	var out []saving
	// Predictions are compared with each other. What is measured takes the place of one that is missing,
	// and of sizes, which are known.
	add := func(what string, measured, predicted, all float64, text func(float64) string, known bool) {
		s := saving{What: what}
		for _, c := range []struct {
			to *string
			v  float64
		}{{&s.Measured, measured}, {&s.Predicted, predicted}, {&s.Full, all}} {
			if c.v > 0 {
				*c.to = text(c.v)
			}
		}
		of := predicted
		if measured > 0 && (known || of == 0) {
			of = measured
		}
		if of > 0 && all > 0 {
			s.Saved = ratio(all / of)
		}
		if s != (saving{What: what}) {
			out = append(out, s)
		}
	}
	cost := func(c *facts.Cost, of func(c *facts.Cost) float64) float64 {
		if c == nil {
			return 0
		}
		return of(c)
	}
	whole := func(c *facts.Cost) float64 { return c.First + (epochs-1)*c.Later }
	later := func(c *facts.Cost) float64 { return c.Later }
	memory := func(c *facts.Cost) float64 { return float64(c.Memory) }
	checkpoint := func(c *facts.Cost) float64 { return float64(c.Checkpoint) }
	sum := 0.0
	for _, e := range r.Curve {
		sum += e.Seconds
	}
	_, typical := r.epochSeconds()
	add("time of an epoch, after the first", typical, cost(plan, later), cost(full, later), chart.Seconds, false)
	if epochs > 0 {
		what := fmt.Sprintf("time of all %s, with what is computed once", count(len(r.Curve), "epoch"))
		if r.found() {
			what += "; here an earlier run had computed some of it"
		}
		add(what, sum+r.Cache.Seconds, cost(plan, whole), cost(full, whole), chart.Seconds, false)
	}
	add("memory of training, without kept values", 0, cost(plan, memory), cost(full, memory), chart.Size, false)
	add("a checkpoint", float64(r.Checkpoint), cost(plan, checkpoint), cost(full, checkpoint), chart.Size, true)
	if r.End != nil && r.Delta > 0 {
		add("what is shipped to those who have the base", float64(r.Delta), 0, float64(r.End.ModelBytes), chart.Size, true)
	}
	if r.keeps() {
		out = append(out, saving{What: "kept values of the frozen part, the price of all this", Measured: sizeText(r.Cache.Bytes), Full: "none"})
	}
	return out
}

// ratio says how much smaller something is.
func ratio(x float64) string {
	switch {
	case x >= 1000:
		return chart.Amount(x) + " times less"
	case x >= 10:
		return fmt.Sprintf("%.0f times less", x)
	case x >= 1.05:
		return fmt.Sprintf("%.1f times less", x)
	case x > 0.95:
		return "about the same"
	}
	return fmt.Sprintf("%.1f times more", 1/x)
}
