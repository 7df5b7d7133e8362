package simulate

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/random"
)

// Lies are the kinds of lies that clients can send.
var Lies = []string{"flip", "scale", "random"}

// lie gives what a lying client makes of its change: the opposite; ten times as much of the opposite;
// or random numbers ten times as long.
func lie(kind string, seed uint64, client int) (func(round int, delta []float32), error) {
	switch kind {
	case "flip":
		return func(_ int, delta []float32) { times(delta, -1) }, nil
	case "scale":
		return func(_ int, delta []float32) { times(delta, -10) }, nil
	case "random":
		return func(round int, delta []float32) {
			sum := 0.0
			for _, v := range delta {
				sum += float64(v) * float64(v)
			}
			each := 10 * math.Sqrt(sum/float64(max(1, len(delta))))
			rng := random.For(seed, random.Clients, round, 1<<21+client)
			for i := range delta {
				delta[i] = float32(each * rng.NormFloat64())
			}
		}, nil
	}
	return nil, fmt.Errorf("there is no lie %q: give one of %s", kind, strings.Join(Lies, ", "))
}

func times(x []float32, by float32) {
	for i := range x {
		x[i] *= by
	}
}

// liars are the clients that lie: a share of them, by seed.
func liars(seed uint64, clients int, share float64) []int {
	all := random.For(seed, random.Clients, -1, 0).Perm(clients)
	out := all[:int(math.Round(share*float64(clients)))]
	slices.Sort(out)
	return out
}
