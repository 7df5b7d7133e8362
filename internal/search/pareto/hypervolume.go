package pareto

import (
	"cmp"
	"slices"
)

// Hypervolume returns the exact volume of what the rows dominate, up to the reference point: larger
// is better. A row that is not below the reference everywhere adds nothing. Two objectives are
// swept in one pass; more take the WFG algorithm (While, Bradstreet, Barone 2012, A fast way of
// calculating exact hypervolumes, section III).
func Hypervolume(rows [][]float64, reference []float64) float64 {
	var inside [][]float64
	for _, row := range rows {
		below := true
		for k, x := range row {
			below = below && x < reference[k]
		}
		if below {
			inside = append(inside, row)
		}
	}
	return volume(inside, reference)
}

func volume(rows [][]float64, reference []float64) float64 {
	switch {
	case len(rows) == 0:
		return 0
	case len(rows) == 1:
		return box(rows[0], reference)
	case len(reference) <= 2:
		return sweep(rows, reference)
	}
	rows = slices.Clone(rows) // the worst in the last objective first: it limits the others most
	slices.SortStableFunc(rows, func(a, b []float64) int { return cmp.Compare(b[len(b)-1], a[len(a)-1]) })
	sum := 0.0
	for i, row := range rows {
		sum += box(row, reference) - volume(limited(rows[i+1:], row), reference)
	}
	return sum
}

// box is the volume between a row and the reference.
func box(row, reference []float64) float64 {
	v := 1.0
	for k, x := range row {
		v *= reference[k] - x
	}
	return v
}

// limited moves the rows into what row dominates, and keeps their front.
func limited(rows [][]float64, row []float64) [][]float64 {
	out := make([][]float64, len(rows))
	for i, r := range rows {
		out[i] = make([]float64, len(r))
		for k := range r {
			out[i][k] = max(r[k], row[k])
		}
	}
	slices.SortFunc(out, slices.Compare)
	out = slices.CompactFunc(out, slices.Equal)
	return pick(out, Front(out))
}

// sweep adds up the area of one or two objectives in strips.
func sweep(rows [][]float64, reference []float64) float64 {
	rows = slices.Clone(rows)
	slices.SortFunc(rows, slices.Compare)
	if len(reference) == 1 {
		return reference[0] - rows[0][0]
	}
	area, y := 0.0, reference[1]
	for _, r := range rows {
		if r[1] < y {
			area += (reference[0] - r[0]) * (y - r[1])
			y = r[1]
		}
	}
	return area
}

// Spread picks n of the rows, one after the other, each the one that adds most hypervolume: at
// least 1-1/e of the best choice (Guerreiro, Fonseca, Paquete 2016, Greedy hypervolume subset
// selection in low dimensions). The places picked are in the order of picking.
func Spread(rows [][]float64, reference []float64, n int) []int {
	var out []int
	var chosen [][]float64
	have := 0.0
	for len(out) < min(n, len(rows)) {
		best, gain := -1, 0.0
		for i := range rows {
			if slices.Contains(out, i) {
				continue
			}
			if g := Hypervolume(append(chosen[:len(chosen):len(chosen)], rows[i]), reference) - have; best < 0 || g > gain {
				best, gain = i, g
			}
		}
		out, chosen, have = append(out, best), append(chosen, rows[best]), have+gain
	}
	return out
}

// Reference returns a point a tenth of the rows' width beyond the worst of each objective.
func Reference(rows [][]float64) []float64 {
	low, high := slices.Clone(rows[0]), slices.Clone(rows[0])
	for _, r := range rows {
		for k, x := range r {
			low[k], high[k] = min(low[k], x), max(high[k], x)
		}
	}
	for k := range high {
		if d := high[k] - low[k]; d > 0 {
			high[k] += 0.1 * d
		} else {
			high[k]++
		}
	}
	return high
}
