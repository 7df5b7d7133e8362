package alike

import (
	"maps"
	"math"
	"slices"
)

const (
	chance = 0.1 // share of the findings that may be chance
	// the same by the exponent of other classes, which may be too large
	chanceBetween = 0.03
	rounds        = 4       // examples found in one round are one example in the next
	fewest        = 5       // groups of a class, below which nothing is looked for in it
	mostPairs     = 1 << 25 // pairs of examples of one class that are compared
	bulk          = 0.5     // share of a class from which a group is not believed
)

// scale is two ranks of the farther examples that the power law is fitted to, as shares of a class.
// Where far is 0, the law goes through the first, with the exponent that other classes have.
type scale struct{ near, far float64 }

// The larger the groups of copies, the farther one must look for different examples. Where they
// leave a class few objects, other classes know the exponent better.
var scales = []scale{{0.1, 0.4}, {0.2, 0.5}, {0.3, 0.6}, {0.4, 0.8}, {middle, 0}}

// Found says which examples are nearly equal.
type Found struct {
	// Near has for each example the first one that it belongs with: itself if there is none.
	Near []int
	// Groups and Examples count groups of two or more, and the examples in them; Largest is the
	// size of the largest.
	Groups, Examples, Largest int
	// Pair is two examples that are nearly equal, if there are groups.
	Pair [2]int
	// Disbelieved are the classes more than half of whose examples seemed one group, which was
	// dropped.
	Disbelieved []int
	// TooMany reports that nothing was looked for, since the examples are too many.
	TooMany bool
}

// Find compares the examples of each class, with features rows [N,width] and classes [N]. It takes time and memory in proportion to the number of pairs. The result is the same on
// every machine up to rounding.
func Find(rows []float32, width int, classes []int) *Found {
	f := &Found{Near: make([]int, len(classes))}
	for i := range f.Near {
		f.Near[i] = i
	}
	members := map[int][]int{}
	pairs := 0
	for i, c := range classes {
		pairs += 2*len(members[c]) + 1
		members[c] = append(members[c], i)
	}
	if pairs > mostPairs {
		f.TooMany = true
		return f
	}
	z := standardised(rows, width)
	var all []*class
	for _, c := range slices.Sorted(maps.Keys(members)) {
		all = append(all, newClass(c, z, width, members[c]))
	}
	between := dimensionBetween(z, width, classes, all)
	for range rounds {
		joined := false
		for k, reach := range reaches(all, between) {
			joined = all[k].join(reach) || joined
		}
		if !joined {
			break
		}
	}
	for _, c := range all {
		f.add(c)
	}
	return f
}

// add enters the groups of a class.
func (f *Found) add(c *class) {
	groups := map[int][]int{}
	for k, g := range c.group {
		groups[g] = append(groups[g], c.members[k])
	}
	for k, g := range c.group {
		of := groups[g]
		if c.members[k] != of[0] || len(of) < 2 {
			continue
		}
		if float64(len(of)) > bulk*float64(len(c.members)) {
			f.Disbelieved = append(f.Disbelieved, c.number)
			continue
		}
		for _, i := range of {
			f.Near[i] = of[0]
		}
		if f.Groups == 0 {
			f.Pair = [2]int{of[0], of[1]}
		}
		f.Groups++
		f.Examples += len(of)
		f.Largest = max(f.Largest, len(of))
	}
}

// reaches gives for every class the distance within which a neighbour is near, by example; 0 where
// none is. Of the scales it takes the one by which most examples have a near neighbour. Between is
// the dimension of other classes, NaN where it does not hold within one.
func reaches(all []*class, between float64) [][]float64 {
	best, most := make([][]float64, len(all)), 0
	for _, c := range all {
		c.fit()
	}
	for s := range scales {
		var exponents, chances []float64
		for _, c := range all {
			for _, l := range c.laws[s] {
				if l.distance > 0 {
					exponents = append(exponents, l.exponent)
				}
			}
		}
		dimension, share := median(exponents), chance
		if scales[s].far == 0 {
			dimension, share = between, chanceBetween
		}
		if !(dimension > 0) || math.IsInf(dimension, 1) {
			continue
		}
		for _, c := range all {
			for i, l := range c.laws[s] {
				chances = append(chances, l.chanceWithin(c.nearest[i], dimension))
			}
		}
		limit, found := discoveries(chances, share)
		if found <= most {
			continue
		}
		most = found
		for k, c := range all {
			best[k] = make([]float64, len(c.laws[s]))
			for i, l := range c.laws[s] {
				best[k][i] = l.within(limit, dimension)
			}
		}
	}
	return best
}

// law is the power law of one example's distances to others of its class: rank of them are within a
// distance.
type law struct {
	rank, distance float64
	exponent       float64 // estimated from this example alone
}

// one is the distance within which one example is expected.
func (l law) one(dimension float64) float64 { return l.distance * math.Pow(l.rank, -1/dimension) }

// chanceWithin is the probability that an example is within a distance.
func (l law) chanceWithin(distance, dimension float64) float64 {
	if l.distance == 0 { // nothing is known of different examples
		return 1
	}
	return -math.Expm1(-math.Pow(distance/l.one(dimension), dimension))
}

// within is the distance within which an example is with a given probability.
func (l law) within(chance, dimension float64) float64 {
	return l.one(dimension) * math.Pow(-math.Log1p(-chance), 1/dimension)
}

// discoveries gives the largest probability that still is a discovery, and their number, where a
// share of them may be chance.
func discoveries(chances []float64, share float64) (limit float64, found int) {
	p := slices.Sorted(slices.Values(chances))
	for k := len(p); k > 0; k-- {
		if p[k-1] <= share*float64(k)/float64(len(p)) {
			return p[k-1], k
		}
	}
	return 0, 0
}

// median is the middle value, NaN of none.
func median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	return slices.Sorted(slices.Values(v))[len(v)/2]
}

// standardised gives every feature mean 0 and standard deviation 1; one that hardly varies is 0.
func standardised(rows []float32, width int) []float64 {
	z := make([]float64, len(rows))
	n := float64(len(rows) / width)
	total := 0.0
	deviation := make([]float64, width)
	for j := range width {
		mean := 0.0
		for i := j; i < len(rows); i += width {
			mean += float64(rows[i]) / n
		}
		for i := j; i < len(rows); i += width {
			z[i] = float64(rows[i]) - mean
			deviation[j] += z[i] * z[i] / n
		}
		total += deviation[j]
	}
	for j, v := range deviation {
		scale := 0.0
		if v > 1e-8*total/float64(width) {
			scale = 1 / math.Sqrt(v)
		}
		for i := j; i < len(z); i += width {
			z[i] *= scale
		}
	}
	return z
}
