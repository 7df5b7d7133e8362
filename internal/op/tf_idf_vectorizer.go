package op

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// TfIdfVectorizer counts n-grams of integer tokens in each row: runs of min_gram_length to
// max_gram_length tokens with gaps of up to max_skip_count. The pool lists the n-grams by length,
// from ngram_counts[n-1] on, and ngram_indexes the output of each. Mode TF gives counts, IDF the
// weight of n-grams that occur, TFIDF their product.
func init() {
	register(ir.Def{
		Name: "TfIdfVectorizer",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 1, 1); err != nil {
				return nil, err
			}
			x := n.In(0).Type
			g, err := ngramsOf(n.Attrs)
			if err != nil {
				return nil, err
			}
			if len(x.Shape) < 1 || len(x.Shape) > 2 || !x.DType.IsInt() {
				return nil, fmt.Errorf("%v holds no rows of integer tokens", x)
			}
			return []ir.Type{{DType: tensor.Float32, Shape: append(x.Shape[:len(x.Shape)-1].Clone(), g.size)}}, nil
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			g, err := ngramsOf(n.Attrs)
			return ir.Bound{Run: func(in, out []*tensor.Tensor, _ []byte) error {
				tokens, err := in[0].Ints()
				if err != nil {
					return err
				}
				row := in[0].Shape[len(in[0].Shape)-1]
				y := out[0].F32()
				clear(y)
				for at := 0; at*g.size < len(y); at++ {
					g.count(tokens[at*row:(at+1)*row], y[at*g.size:(at+1)*g.size])
				}
				return nil
			}}, err
		},
		ONNX: onnx("TfIdfVectorizer", 9),
		Cases: func() []ir.Case {
			return []ir.Case{{
				Attrs: ir.Attrs{"mode": "TF", "min_gram_length": 1, "max_gram_length": 2, "max_skip_count": 1, "ngram_counts": []int{0, 2},
					"ngram_indexes": []int{0, 1, 2}, "pool_int64s": []int{7, 8, 7, 9}},
				Inputs: []*tensor.Tensor{ints64(7, 8, 9, 7, 9)}, Want: []*tensor.Tensor{floats32(2, 1, 2)}}}
		},
	})
}

type ngrams struct {
	min, max, skip int
	size           int // of the output
	mode           string
	at             map[string]int // output by tokens
	index          []int
	weights        []float32
}

func ngramsOf(a ir.Attrs) (*ngrams, error) {
	g := &ngrams{min: a.Int("min_gram_length", 1), max: a.Int("max_gram_length", 1), skip: a.Int("max_skip_count", 0),
		mode: a.Str("mode", "TF"), at: map[string]int{}, index: a.Ints("ngram_indexes"), weights: a.Floats("weights")}
	pool, starts := a.Ints("pool_int64s"), a.Ints("ngram_counts")
	if pool == nil {
		return nil, fmt.Errorf("n-grams of strings are not supported")
	}
	if g.min < 1 || g.max < g.min || g.max > len(starts) || g.skip < 0 || len(g.index) == 0 {
		return nil, fmt.Errorf("n-grams of %d to %d tokens from %d lists", g.min, g.max, len(starts))
	}
	g.size = slices.Max(g.index) + 1
	k := 0
	for i, from := range starts {
		to := len(pool)
		if i+1 < len(starts) {
			to = starts[i+1]
		}
		if from < 0 || to < from || to > len(pool) || (to-from)%(i+1) != 0 {
			return nil, fmt.Errorf("ngram_counts %v do not divide a pool of %d", starts, len(pool))
		}
		for ; from < to; from += i + 1 {
			if k >= len(g.index) || g.index[k] < 0 {
				return nil, fmt.Errorf("%d indexes are too few or negative", len(g.index))
			}
			g.at[fmt.Sprint(pool[from:from+i+1])] = k
			k++
		}
	}
	if g.weights != nil && len(g.weights) != len(g.index) {
		return nil, fmt.Errorf("%d weights for %d n-grams", len(g.weights), len(g.index))
	}
	return g, nil
}

func (g *ngrams) count(tokens []int, y []float32) {
	gram := make([]int, 0, g.max)
	for length := g.min; length <= g.max; length++ {
		for step := 1; step <= g.skip+1; step++ {
			for from := 0; from+(length-1)*step < len(tokens); from++ {
				gram = gram[:0]
				for i := range length {
					gram = append(gram, tokens[from+i*step])
				}
				if k, ok := g.at[fmt.Sprint(gram)]; ok {
					w := float32(1)
					if g.weights != nil && g.mode != "TF" {
						w = g.weights[k]
					}
					if g.mode == "IDF" {
						y[g.index[k]] = w
					} else {
						y[g.index[k]] += w
					}
				}
			}
			if length == 1 {
				break // a single token does not skip
			}
		}
	}
}
