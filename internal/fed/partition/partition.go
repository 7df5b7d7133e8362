// Package partition divides one data set among the clients of a simulated federation.
package partition

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/gonum/stat/distuv"
)

// Division says how examples are spread over clients.
type Division struct {
	// Concentration of the Dirichlet distribution from which each class draws its shares of the
	// clients: the smaller, the fewer classes has a client (Hsu, Qi, Brown, Measuring the Effects of
	// Non-Identical Data Distribution for Federated Visual Classification, 2019). 0 stands for equal
	// shares: the same mixture everywhere.
	Concentration float64
}

// Parse reads "iid" or "dirichlet:A".
func Parse(text string) (Division, error) {
	if text == "iid" {
		return Division{}, nil
	}
	if rest, ok := strings.CutPrefix(text, "dirichlet:"); ok {
		a, err := strconv.ParseFloat(rest, 64)
		if err != nil || !(a > 0 && a <= 1e6) {
			return Division{}, fmt.Errorf("dirichlet:%s: the concentration is a number above 0", rest)
		}
		return Division{a}, nil
	}
	return Division{}, fmt.Errorf("there is no partition %q: give iid or dirichlet:A", text)
}

// Divide returns the examples of each client, in order. labels holds the class of each example; nil
// stands for one class. Every client gets at least least examples: with Dirichlet shares the draw is
// repeated up to 1,000 times until it does. It errors where there are too few examples, or where no
// draw gives every client enough.
func (d Division) Divide(labels []int, n, clients, least int, rng *rand.Rand) ([][]int, error) {
	if clients < 1 || n < clients*max(1, least) {
		return nil, fmt.Errorf("%d examples for %d clients of at least %d", n, clients, max(1, least))
	}
	if labels == nil {
		labels = make([]int, n)
	}
	classes := map[int][]int{}
	var order []int
	for i := range n {
		if classes[labels[i]] == nil {
			order = append(order, labels[i])
		}
		classes[labels[i]] = append(classes[labels[i]], i)
	}
	slices.Sort(order)
	const draws = 1000
	for range draws {
		out := d.draw(classes, order, clients, rng)
		if !slices.ContainsFunc(out, func(x []int) bool { return len(x) < max(1, least) }) {
			for _, x := range out {
				slices.Sort(x)
			}
			return out, nil
		}
	}
	return nil, fmt.Errorf("of %d draws of dirichlet:%g none gave each of %d clients %d examples: give a larger number, or fewer clients", draws, d.Concentration, clients, max(1, least))
}

// draw divides once. Equal shares go on with the next client from class to class, so clients
// differ by one example at most.
func (d Division) draw(classes map[int][]int, order []int, clients int, rng *rand.Rand) [][]int {
	out := make([][]int, clients)
	next := 0
	for _, class := range order {
		members := slices.Clone(classes[class])
		rng.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
		if d.Concentration == 0 {
			for _, i := range members {
				out[next%clients] = append(out[next%clients], i)
				next++
			}
			continue
		}
		from := 0
		var sum float64
		for c, share := range shares(d.Concentration, clients, rng) {
			sum += share
			to := min(len(members), int(math.Round(sum*float64(len(members)))))
			if c == clients-1 {
				to = len(members)
			}
			out[c] = append(out[c], members[from:to]...)
			from = to
		}
	}
	return out
}

// shares draws from a symmetric Dirichlet distribution: Gamma draws over their sum.
func shares(a float64, n int, rng *rand.Rand) []float64 {
	g := distuv.Gamma{Alpha: a, Beta: 1, Src: rng}
	x := make([]float64, n)
	var sum float64
	for i := range x {
		x[i] = g.Rand()
		sum += x[i]
	}
	if sum == 0 { // a tiny concentration: all falls to one client
		x[rng.IntN(n)], sum = 1, 1
	}
	for i := range x {
		x[i] /= sum
	}
	return x
}
