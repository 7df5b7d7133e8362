package choose

import (
	"context"
	"math"

	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/train"
)

// BlockGradient is what the gradients of a few batches say of one block, at the pretrained weights and with a trained head.
type BlockGradient struct {
	Block  string `json:"block"`
	Params int    `json:"params"`

	// RGN is the relative gradient norm |ḡ| / |θ| of the mean gradient: how far the loss pulls at the block, by the size of its
	// weights (Auto-RGN: Lee et al., Surgical Fine-Tuning Improves Adaptation to Distribution Shifts, ICLR 2023, section 4).
	RGN float64 `json:"relative_gradient_norm"`

	// SNR is the mean over weights of ḡ² / var(g): whether batches pull the same way (Auto-SNR: the same paper, after Mahsereci et
	// al., Early Stopping without a Validation Set, 2017). Gradients without signal give 1/B over B batches.
	SNR float64 `json:"signal_to_noise"`

	// Fisher is the mean over weights of the diagonal of the empirical Fisher information, here of batch gradients: mean g²
	// (Kirkpatrick et al., Overcoming catastrophic forgetting in neural networks, PNAS 2017).
	Fisher float64 `json:"fisher"`

	// Agreement is the mean product of the gradients of two different batches over the mean square of one,
	// (|Σ g|² − Σ |g|²) / (B−1) / Σ |g|²: 0 in expectation where batches have nothing in common, 1 where they say the same.
	Agreement float64 `json:"agreement"`
}

// gradientSums gathers the gradients of one weight over batches.
type gradientSums struct {
	sum, squares []float64
}

// blockGradients runs one probing pass over at most batches batches of a session in which everything is thawed. Steps are Σ|ḡ| by weight
// of the trunk: by how much the loss falls, to first order, when AdamW moves every number by the same small amount.
func blockGradients(ctx context.Context, s *train.Session, batches int) (blocks []BlockGradient, steps map[string]float64, err error) {
	sums := map[*freeze.Weight]*gradientSums{}
	n, err := s.Gradients(ctx, batches, func(w *freeze.Weight, grad []float32) {
		if w.Block < 0 {
			return
		}
		g := sums[w]
		if g == nil {
			g = &gradientSums{make([]float64, len(grad)), make([]float64, len(grad))}
			sums[w] = g
		}
		for i, v := range grad {
			g.sum[i] += float64(v)
			g.squares[i] += float64(v) * float64(v)
		}
	})
	if err != nil || n < 2 { // two batches at least have something in common, or nothing
		return nil, nil, err
	}
	steps = map[string]float64{}
	out := make([]BlockGradient, len(s.Set.Blocks))
	weights := make([]float64, len(out)) // |θ|²
	ratios := make([]float64, len(out))
	var of []*gradientSums
	blockOf := map[*gradientSums]int{}
	for _, w := range s.Set.Weights {
		if g := sums[w]; g != nil {
			of = append(of, g)
			blockOf[g] = w.Block
			for _, v := range g.sum {
				steps[w.Name] += math.Abs(v) / float64(n)
			}
			for _, v := range w.Value.Data.F32() {
				weights[w.Block] += float64(v) * float64(v)
			}
		}
	}
	both, single := make([]float64, len(out)), make([]float64, len(out))
	b := float64(n)
	for _, g := range of {
		k := blockOf[g]
		out[k].Params += len(g.sum)
		for i, sum := range g.sum {
			mean, square := sum/b, g.squares[i]/b
			out[k].RGN += mean * mean
			out[k].Fisher += square
			if variance := (square - mean*mean) * b / (b - 1); variance > 0 {
				ratios[k] += mean * mean / variance
			}
			both[k] += sum * sum
			single[k] += g.squares[i]
		}
	}
	for k := range out {
		if out[k].Params == 0 {
			continue
		}
		p := float64(out[k].Params)
		out[k].Block = s.Set.Blocks[k]
		out[k].Fisher /= p
		out[k].SNR = ratios[k] / p
		if weights[k] > 0 {
			out[k].RGN = math.Sqrt(out[k].RGN / weights[k])
		}
		if single[k] > 0 {
			out[k].Agreement = (both[k] - single[k]) / (b - 1) / single[k]
		}
		blocks = append(blocks, out[k])
	}
	return blocks, steps, nil
}
