package alike

import (
	"math"
	"slices"
)

const (
	sampled = 200 // examples that are compared with all of other classes
	middle  = 0.4 // share of a class whose distance says how far it reaches
	apart   = 10  // times as dense as the others, from which a class is a world of its own
)

// dimensionBetween estimates the intrinsic dimension from distances between examples of different
// classes, which are no copies of each other. It is NaN where classes are so far apart that their
// inside may have another dimension: within the reach of a class, its own examples are denser than
// others by far. Copies change neither: they are nearer.
func dimensionBetween(z []float64, width int, classes []int, all []*class) float64 {
	at := make([]int, len(classes)) // place of an example in its class
	of := map[int]*class{}
	for _, c := range all {
		of[c.number] = c
		for k, i := range c.members {
			at[i] = k
		}
	}
	var dimensions, densities []float64
	step := max(1, len(classes)/sampled)
	for i := 0; i < len(classes); i += step {
		own := of[classes[i]]
		others := len(classes) - len(own.members)
		n := len(own.members)
		if n < fewest || others < fewest {
			continue
		}
		distances := make([]float64, 0, others)
		x := z[i*width : (i+1)*width]
		for j, c := range classes {
			if c == classes[i] {
				continue
			}
			sum := 0.0
			for k, v := range z[j*width : (j+1)*width] {
				sum += (x[k] - v) * (x[k] - v)
			}
			distances = append(distances, math.Sqrt(sum))
		}
		slices.Sort(distances)
		a := max(1, math.Round(0.1*float64(others)))
		b := max(a+1, math.Round(0.4*float64(others)))
		dimensions = append(dimensions, math.Log(b/a)/math.Log(distances[int(b)-1]/distances[int(a)-1]))
		within := slices.Sorted(slices.Values(own.distance[at[i]*n : (at[i]+1)*n]))
		reach := float64(within[max(0, int(math.Round(middle*float64(n-1)))-1)])
		near, _ := slices.BinarySearch(distances, reach)
		densities = append(densities, middle*float64(others)/float64(near))
	}
	if !(median(densities) <= apart) {
		return math.NaN()
	}
	return median(dimensions)
}
