package decode

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

// Sampler picks the next token of a text from the logits. The zero value picks the most probable
// one.
type Sampler struct {
	Temperature float64 // divides the logits; 0 always picks the best token
	TopK        int     // draws from the best k only; 0: from all
	// of those, draws from the best ones that together have this probability; 0: from all
	TopP float64
	Seed uint64
}

// Pick draws the token at a position of a text. The same seed, position and logits give the same
// token. Of equal logits, the lower token counts as better. It returns -1 where a logit is NaN, or
// where there are none.
func (s Sampler) Pick(scores []float32, position int) int {
	best := -1
	for i, v := range scores {
		if v != v {
			return -1
		}
		if best < 0 || v > scores[best] {
			best = i
		}
	}
	if s.Temperature <= 0 || best < 0 {
		return best
	}
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
	if s.TopK > 0 && s.TopK < len(order) {
		order = order[:s.TopK]
	}
	p := make([]float64, len(order))
	sum := 0.0
	for i, t := range order {
		p[i] = math.Exp((float64(scores[t]) - float64(scores[best])) / s.Temperature)
		sum += p[i]
	}
	if s.TopP > 0 && s.TopP < 1 {
		part := 0.0
		for i, v := range p {
			if part += v; part >= s.TopP*sum {
				p, sum = p[:i+1], part
				break
			}
		}
	}
	u := rand.New(rand.NewPCG(s.Seed, uint64(position))).Float64() * sum
	for i, v := range p {
		if u -= v; u < 0 {
			return order[i]
		}
	}
	return order[len(p)-1]
}
