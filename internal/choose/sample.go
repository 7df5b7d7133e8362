// Package choose answers two questions: which pretrained model to start from, and which of its
// weights to thaw.
//
// Comes in: a configuration, from which it prepares sessions, or features with their labels. Goes
// out: a Ranking of models, or Advice on plans, with all the evidence. Criteria are pure functions
// of features and labels, or of gradients, with one file each. Rank and Advise gather the evidence
// from a model and weigh it. It must not know how its recommendation is carried out.
package choose

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// Sample is labelled examples as a trunk sees them: features X [N,D], and the class of each row in
// Y.
type Sample struct {
	X       *mat.Dense
	Y       []int
	Classes int
	// Together has a number for each row, the same for those that are never divided between a fit
	// and what is held out from it, see data.Dataset.Together; nil: each row by itself.
	Together []int
}

// NewSample copies features [N,D], row by row. It errors where sizes disagree, where a feature is
// not finite, and where fewer than two classes have examples.
func NewSample(features []float32, width int, labels []int, classes int) (*Sample, error) {
	if width < 1 || len(labels) == 0 || len(features) != width*len(labels) {
		return nil, fmt.Errorf("choose: %d features are not %d rows of %d", len(features), len(labels), width)
	}
	x := mat.NewDense(len(labels), width, nil)
	for i, v := range features {
		f := float64(v)
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, fmt.Errorf("choose: feature %d of example %d is %v", i%width, i/width, v)
		}
		x.RawMatrix().Data[i] = f
	}
	s := &Sample{X: x, Y: slices.Clone(labels), Classes: classes}
	for i, y := range labels {
		if y < 0 || y >= classes {
			return nil, fmt.Errorf("choose: example %d has class %d of %d", i, y, classes)
		}
	}
	if present := len(s.members()); present < 2 {
		return nil, fmt.Errorf("choose: the examples have %d class; there is nothing to tell apart", present)
	}
	return s, nil
}

// Len is the number of examples.
func (s *Sample) Len() int { return len(s.Y) }

// members lists the examples of each class that has any.
func (s *Sample) members() [][]int {
	by := make([][]int, s.Classes)
	for i, y := range s.Y {
		by[y] = append(by[y], i)
	}
	return slices.DeleteFunc(by, func(m []int) bool { return len(m) == 0 })
}

// Majority is the share of the largest class: the accuracy of always answering it.
func (s *Sample) Majority() float64 {
	most := 0
	for _, m := range s.members() {
		most = max(most, len(m))
	}
	return float64(most) / float64(s.Len())
}

// oneHot gives the labels as columns [N,C] of zeros and ones.
func (s *Sample) oneHot() *mat.Dense {
	t := mat.NewDense(s.Len(), s.Classes, nil)
	for i, y := range s.Y {
		t.Set(i, y, 1)
	}
	return t
}

// Subset picks a number of examples, the same share of every class, drawn from seed. Indices are in
// ascending order.
func Subset(labels []int, most int, seed uint64) []int {
	out := make([]int, len(labels))
	for i := range out {
		out[i] = i
	}
	if len(labels) <= most {
		return out
	}
	r := rand.New(rand.NewPCG(seed, 0x73756273))
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	slices.SortStableFunc(out, func(a, b int) int { return labels[a] - labels[b] })
	picked := make([]int, most)
	for k := range picked { // evenly through the sorted classes
		picked[k] = out[k*len(out)/most]
	}
	slices.Sort(picked)
	return picked
}

// centred is X with the mean of every column subtracted, and the means.
func centred(x *mat.Dense) (*mat.Dense, []float64) {
	n, d := x.Dims()
	mean := make([]float64, d)
	for i := range n {
		for j, v := range x.RawRowView(i) {
			mean[j] += v
		}
	}
	for j := range mean {
		mean[j] /= float64(n)
	}
	c := mat.DenseCopyOf(x)
	for i := range n {
		row := c.RawRowView(i)
		for j := range row {
			row[j] -= mean[j]
		}
	}
	return c, mean
}

// standardised is X with every column at mean 0 and standard deviation 1. Columns that hardly vary
// are 0. It also gives the means, and the factors by which columns were scaled.
func standardised(x *mat.Dense) (z *mat.Dense, mean, scale []float64) {
	z, mean = centred(x)
	n, d := z.Dims()
	variance := make([]float64, d)
	total := 0.0
	for i := range n {
		for j, v := range z.RawRowView(i) {
			variance[j] += v * v / float64(n)
			total += v * v / float64(n)
		}
	}
	floor := 1e-8 * total / float64(d)
	scale = make([]float64, d)
	for j, v := range variance {
		if v > floor {
			scale[j] = 1 / math.Sqrt(v)
		}
	}
	for i := range n {
		row := z.RawRowView(i)
		for j := range row {
			row[j] *= scale[j]
		}
	}
	return z, mean, scale
}

// gram is the smaller of X Xᵀ [N,N] and Xᵀ X [D,D]; examples is true for the first.
func gram(x *mat.Dense) (g *mat.SymDense, examples bool) {
	n, d := x.Dims()
	if n <= d {
		g = mat.NewSymDense(n, nil)
		g.SymOuterK(1, x)
		return g, true
	}
	g = mat.NewSymDense(d, nil)
	g.SymOuterK(1, x.T())
	return g, false
}

// shifted is a G + b I.
func shifted(g *mat.SymDense, a, b float64) *mat.SymDense {
	n := g.SymmetricDim()
	s := mat.NewSymDense(n, nil)
	s.ScaleSym(a, g)
	for i := range n {
		s.SetSym(i, i, s.At(i, i)+b)
	}
	return s
}
