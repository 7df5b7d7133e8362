package choose

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// JointProbe fits a linear probe to several depths of a trunk at once, each with the same weight
// however wide it is. It measures what the trunk knows, whether or not its last block passes it on.
//
// To first order, a fine-tuned network is the pretrained one plus a linear function of its inner
// values. So a linear classifier on all of them shows what fine-tuning can reach (Evci, Dumoulin,
// Larochelle, Mozer: Head2Toe: Utilizing Intermediate Representations for Better Transfer Learning,
// ICML 2022, sections 3 and 4). Its held-out accuracy is meaningful even where the features are so
// many that any labels can be fitted: where examples are too few for more weights, they are too few
// for these as well.
//
// All samples have the same examples. Only the accuracies of the result have a meaning; it is not a
// head of the network.
func JointProbe(depths []*Sample, folds int, seed uint64) (*Probe, error) {
	n, width := depths[0].Len(), 0
	for _, s := range depths {
		_, d := s.X.Dims()
		width += d
	}
	p := &Probe{z: mat.NewDense(n, width, nil)}
	at := 0
	for _, s := range depths {
		z, _, _ := standardised(s.X)
		_, d := z.Dims()
		z.Scale(math.Sqrt(float64(width)/float64(d*len(depths))), z)
		p.z.Slice(0, n, at, at+d).(*mat.Dense).Copy(z)
		at += d
	}
	return p, p.fit(depths[0], folds, seed)
}

// gain is the held-out accuracy of a probe less that of another on the same examples, and its
// standard error. That comes from the examples that only one of the two gets right.
func gain(p, other *Probe) (gain, err float64) {
	n, differ := float64(len(p.right)), 0.0
	for i, r := range p.right {
		if r != other.right[i] {
			differ++
		}
	}
	gain = p.HeldOut - other.HeldOut
	return gain, math.Sqrt(max(differ/n-gain*gain, 1/n) / n)
}
