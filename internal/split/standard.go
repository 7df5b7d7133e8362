package split

import (
	"crypto/sha256"
	"math"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Standard shifts and scales features to mean 0 and standard deviation 1, so that one learning rate
// suits every feature of every model. A linear head trained on standardised features is written as
// an equal head on raw features.
type Standard struct {
	Mean, InvStd []float32
}

// Moments accumulates mean and variance per feature with Welford's method. It uses float64 and a
// fixed order, so the result does not depend on how examples were batched.
type Moments struct {
	n        float64
	mean, m2 []float64
}

func (m *Moments) Add(x []float32, width int) {
	if m.mean == nil {
		m.mean, m.m2 = make([]float64, width), make([]float64, width)
	}
	for r := 0; r+width <= len(x); r += width {
		m.n++
		for i, v := range x[r : r+width] {
			d := float64(v) - m.mean[i]
			m.mean[i] += d / m.n
			m.m2[i] += d * (float64(v) - m.mean[i])
		}
	}
}

// Mean returns the mean of each feature.
func (m *Moments) Mean() []float64 { return m.mean }

// Variance returns the variance of each feature, without bias correction.
func (m *Moments) Variance() []float64 {
	out := make([]float64, len(m.m2))
	for i, v := range m.m2 {
		out[i] = v / max(m.n, 1)
	}
	return out
}

// Standard returns the scaling. A feature that hardly varies carries no information and is scaled
// by 0. Where the layers before the head train, moving, the deviation of a feature counts as at least
// a tenth of the root mean square of all: a unit that is nearly always off, and that the first steps
// switch on, would give values of hundreds.
func (m *Moments) Standard(moving bool) *Standard {
	s := &Standard{Mean: make([]float32, len(m.mean)), InvStd: make([]float32, len(m.mean))}
	var total float64
	for _, v := range m.m2 {
		total += v
	}
	n := max(m.n, 1)
	usual := math.Sqrt(total / n / float64(max(len(m.mean), 1)))
	const little, least = 1e-4, 0.1 // of the usual deviation
	for i := range m.mean {
		s.Mean[i] = float32(m.mean[i])
		if sd := math.Sqrt(m.m2[i] / n); sd > little*usual {
			if moving {
				sd = max(sd, least*usual)
			}
			s.InvStd[i] = float32(1 / sd)
		}
	}
	return s
}

// StandardID names the standardisation of a network's fresh head before it is trained, on given
// examples: networks with one ID have the same, to the bit, if they measure it in batches of one
// size. It is false without a fresh head.
func (n *Network) StandardID() (id Digest, ok bool, err error) {
	o, err := n.Outline()
	if err != nil {
		return id, false, err
	}
	head := n.headNode(o.Graph)
	if head == nil || !n.Headed.Fresh {
		return id, false, nil
	}
	h := sha256.New()
	for _, v := range append(slices.Clone(o.Frontier), head.Inputs[0]) {
		s := o.ids.Of(v)
		h.Write(s[:])
	}
	return Digest(h.Sum(nil)), true, nil
}

// standardise makes the fresh head of a specialised graph read standardised features.
func (n *Network) standardise(g *ir.Graph) error {
	norm := n.rooted().Norm
	if norm == nil {
		return nil
	}
	head := n.headNode(g)
	at := -1
	for i, m := range g.Nodes {
		if m == head {
			at = i
		}
	}
	if at < 0 {
		return nil
	}
	tail := append([]*ir.Node(nil), g.Nodes[at:]...)
	g.Nodes = g.Nodes[:at]
	b := ir.NewBuilder(g, head.Name+"/standardise")
	w := len(norm.Mean)
	x := b.Op("Sub", nil, head.Inputs[0], b.Const(tensor.Of(norm.Mean, 1, w)))
	x = b.Op("Mul", nil, x, b.Const(tensor.Of(norm.InvStd, 1, w)))
	if err := b.Err(); err != nil {
		return err
	}
	head.Inputs[0] = x
	g.Nodes = append(g.Nodes, tail...)
	return nil
}

// Fold rewrites a linear layer trained on standardised features, with weight [out,in] and bias
// [out], as the layer that gives the same scores from raw features:
//
//	W (x-mean)*invstd + b = (W*invstd) x + (b - (W*invstd) mean)
func (s *Standard) Fold(weight, bias []float32) {
	in := len(s.Mean)
	for o := range bias {
		row := weight[o*in : (o+1)*in]
		shift := 0.0
		for i := range row {
			row[i] *= s.InvStd[i]
			shift += float64(row[i]) * float64(s.Mean[i])
		}
		bias[o] = float32(float64(bias[o]) - shift)
	}
}

// Unfold is the inverse of Fold: it turns a layer on raw features into the equal layer on
// standardised ones. Features with InvStd 0 keep a weight of 0.
func (s *Standard) Unfold(weight, bias []float32) {
	in := len(s.Mean)
	for o := range bias {
		row := weight[o*in : (o+1)*in]
		shift := 0.0
		for i := range row {
			shift += float64(row[i]) * float64(s.Mean[i])
			if s.InvStd[i] != 0 {
				row[i] /= s.InvStd[i]
			} else {
				row[i] = 0
			}
		}
		bias[o] = float32(float64(bias[o]) + shift)
	}
}
