package choose

import (
	"math"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/split"
)

// Importance is the first-order decrease of the loss when the B steps of the optimiser are applied
// to one weight alone,
//
//	I = −Σᵢ ∂L/∂wᵢ Δwᵢ
//
// with the mean gradient at the pretrained weights, and Δw the movement over B steps. It is
// negative where the weights moved against that gradient's descent.
//
// Huang, Yang, Gao: ElasticTrainer: Speeding Up On-Device Training with Runtime Elastic Tensor
// Selection, MobiSys 2023, section 3.
func Importance(t *Traced) float64 {
	sum := 0.0
	for i, g := range t.Sum {
		sum -= float64(g) / float64(t.Batches) * (float64(t.After[i]) - float64(t.Before[i]))
	}
	return sum
}

// ElasticItem is a weight that Elastic may pick.
type ElasticItem struct {
	Importance float64
	Own        float64 // work of its gradient
	// work of the backward pass down to its layer, shared with all items of a smaller Reach
	Reach float64
}

// Elastic picks the weights with the largest summed importance whose backward pass stays within a
// budget of work. A set S costs what its farthest item costs to reach, and the own gradients of all
// items:
//
//	max Σ_{k∈S} I_k   where   max_{k∈S} Reach_k + Σ_{k∈S} Own_k ≤ budget
//
// ElasticTrainer's dynamic programme finds it, with the items in the order of their Reach. Let
// K(k,t) be the largest importance among the first k items at own work of at most t:
//
//	K(k,t) = max(K(k−1,t), K(k−1,t−Own_k) + I_k)
//
// The best set whose farthest item is k has importance I_k + K(k−1, budget − Reach_k − Own_k).
//
// Work is counted in 1,000 + 100 N units of the budget, rounded up: a set never exceeds the budget,
// and at most 1% of it is lost. Items without importance are not picked. Elastic returns indices in
// ascending order.
func Elastic(items []ElasticItem, budget float64) []int {
	if !(budget > 0) {
		return nil
	}
	order := make([]int, 0, len(items))
	for i, it := range items {
		if it.Importance > 0 {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return sign(items[a].Reach - items[b].Reach) })
	parts := 1000 + 100*len(order)
	in := func(work float64) int { return int(math.Ceil(min(work/budget, 2) * float64(parts))) }
	best := make([]float64, parts+1) // K(k,·)
	taken := make([][]uint64, len(order))
	top, last, left := 0.0, -1, 0
	for k, i := range order {
		it := items[i]
		own := in(it.Own)
		if t := parts - in(it.Reach) - own; t >= 0 && it.Importance+best[t] > top {
			top, last, left = it.Importance+best[t], k, t
		}
		taken[k] = make([]uint64, parts/64+1)
		for t := parts; t >= own; t-- {
			if v := best[t-own] + it.Importance; v > best[t] {
				best[t] = v
				taken[k][t/64] |= 1 << (t % 64)
			}
		}
	}
	if last < 0 {
		return nil
	}
	picked := []int{order[last]}
	for k := last - 1; k >= 0; k-- {
		if taken[k][left/64]>>(left%64)&1 == 1 {
			picked = append(picked, order[k])
			left -= in(items[order[k]].Own)
		}
	}
	slices.Sort(picked)
	return picked
}

// ElasticChoice is what Elastic picks of a trunk for half of its backward pass.
type ElasticChoice struct {
	Weights    []string
	Of         int     // weights that could be picked
	Importance float64 // share of the trunk's
	Work       float64 // share of the backward pass through the trunk
}

// elasticShare is the share of the backward pass that the picked weights may cost.
const elasticShare = 0.5

// elasticChoice runs Elastic on the traced weights.
func elasticChoice(traced []*Traced, costs []split.BackwardCost) (*ElasticChoice, map[*freeze.Weight]bool) {
	of := map[*freeze.Weight]*Traced{}
	for _, t := range traced {
		of[t.Weight] = t
	}
	var items []ElasticItem
	var weights []*freeze.Weight
	own, reach, importance := 0.0, 0.0, 0.0
	for _, c := range costs {
		t := of[c.Weight]
		if t == nil {
			continue
		}
		it := ElasticItem{max(0, Importance(t)), c.Own, c.Reach}
		items, weights = append(items, it), append(weights, c.Weight)
		own, reach, importance = own+c.Own, max(reach, c.Reach), importance+it.Importance
	}
	choice, chosen := &ElasticChoice{Weights: []string{}, Of: len(items)}, map[*freeze.Weight]bool{}
	all := own + reach
	if all == 0 || importance == 0 {
		return nil, chosen
	}
	far := 0.0
	for _, i := range Elastic(items, elasticShare*all) {
		chosen[weights[i]] = true
		choice.Weights = append(choice.Weights, weights[i].Name)
		choice.Importance += items[i].Importance / importance
		choice.Work += items[i].Own / all
		far = max(far, items[i].Reach)
	}
	choice.Work += far / all
	return choice, chosen
}
