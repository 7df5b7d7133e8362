package schedule

import (
	"fmt"
	"math"
	"slices"
)

func init() { register("autofreeze", Kind{Make: newAutoFreeze, Check: optional(fraction)}) }

// autofreeze freezes blocks that have stopped changing, from the input on. It decides twenty times
// in a run. It sums each block's gradient over the steps since the last decision, and compares the
// norm of the sum, g', with the one before, g:
//
//	change = | |g'| - |g| | / |g'|
//
// Consecutive blocks from the input on are frozen while their change is at most a percentile of the
// changes of all blocks that train: the third quartile, or the argument. A frozen block stays
// frozen.
//
// Source: Liu, Agarwal and Venkataraman, AutoFreeze: Automatically Freezing Model Blocks to
// Accelerate Fine-tuning, 2021, section 3. There the percentile is the median, of 12 blocks. A
// network of many small blocks takes more decisions, and a block that has not settled soon falls
// below the median.
type autofreeze struct {
	base
	percentile float64

	Frozen int       `json:"frozen"` // blocks
	Norms  []float64 `json:"norms"`  // of the last decision, by unit; nil before the first
}

func newAutoFreeze(r Run, arg string) (Schedule, error) {
	return &autofreeze{base: base{r, r.interval(20)}, percentile: share(arg, autoFreezePercentile)}, nil
}

const autoFreezePercentile = 0.75

func (*autofreeze) Measures() Statistic { return Gradient }

func (a *autofreeze) Next(m Moment) (Decision, bool) {
	if m.Step == 0 {
		return a.all("everything trains until gradients settle"), true
	}
	before := a.Norms
	a.Norms = make([]float64, len(m.Values))
	for i, v := range m.Values {
		if i >= a.Frozen {
			a.Norms[i] = v
		}
	}
	blocks := a.run.blocks()
	if before == nil || a.Frozen == blocks {
		return Decision{}, false
	}
	var changes []float64
	for i := a.Frozen; i < blocks; i++ {
		c := math.Inf(1)
		if before[i] > 0 {
			c = math.Abs(before[i]-a.Norms[i]) / before[i]
		}
		changes = append(changes, c)
	}
	limit := percentile(changes, a.percentile)
	n := 0
	for n < len(changes) && changes[n] <= limit && !math.IsInf(changes[n], 1) {
		n++
	}
	if n == 0 {
		return Decision{}, false
	}
	a.Frozen += n
	return Decision{Live: a.run.last(blocks - a.Frozen), Reason: fmt.Sprintf(
		"gradients change least (by at most %.2g%%) in %s: frozen up to %s", 100*limit, plural(n, "block"), a.run.Units[a.Frozen-1].Name)}, true
}

// percentile is the smallest value such that at least a share p of all values do not exceed it.
func percentile(values []float64, p float64) float64 {
	s := slices.Sorted(slices.Values(values))
	return s[max(0, int(math.Ceil(p*float64(len(s))))-1)]
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
