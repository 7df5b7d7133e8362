package run

import (
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/random"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/tensor"
	"gonum.org/v1/gonum/stat/distuv"
)

// Mixup mixes pairs of examples of a batch at the frontier instead of mixing pictures. Values
// before the frontier are computed once for each example and kept; mixed pictures would have to be
// recomputed at every step. If everything trains, the frontier is the picture, and this is mixup by
// Zhang et al. (see task.Mixed). At a deeper frontier it is manifold mixup with a fixed layer
// (Verma et al., Manifold Mixup, ICML 2019).
//
// Example i of a batch becomes share x[i] + (1-share) x[p[i]], where p is a permutation, share is
// the larger of v and 1-v, and v is drawn from Beta(A,A). So every example has the larger share
// once an epoch. Training metrics are those of the answers with the larger share. Share and
// permutation depend only on the seed, the epoch and the first example of the batch.

// mix mixes the inputs of the live region for a training batch. It returns them with the labels of
// the mixture.
func (f *loop) mix(b *split.Batch, given, labels []*tensor.Tensor, scores tensor.Shape) (mixed, answers []*tensor.Tensor) {
	a := f.session.Config.Mixup
	if a == 0 {
		return given, labels
	}
	n := len(b.Indices)
	r := random.For(f.session.Config.Seed, random.Mixup, f.st.Epoch, b.Indices[0])
	share := distuv.Beta{Alpha: a, Beta: a, Src: r}.Rand()
	share = max(share, 1-share)
	if !(share <= 1) { // for a very small A both gamma variates underflow
		share = 1
	}
	partner := r.Perm(n)
	other := *b
	other.Indices = make([]int, n)
	for i, p := range partner {
		other.Indices[i] = b.Indices[p]
	}
	for _, t := range given {
		mixed = append(mixed, mixRows(t, partner, float32(share)))
	}
	answers = append(labels[:len(labels):len(labels)], f.session.labels(f.session.Train, &other, scores)...)
	return mixed, append(answers, tensor.Scalar(float32(share)))
}

// mixRows is share x[i] + (1-share) x[partner[i]] for every example i. The elements of an example
// are contiguous.
func mixRows(t *tensor.Tensor, partner []int, share float32) *tensor.Tensor {
	out := tensor.New(tensor.Float32, t.Shape...)
	x, y := t.F32(), out.F32()
	row := len(x) / len(partner)
	kernel.Scale(y, x, share)
	for i, p := range partner {
		kernel.Axpy(y[i*row:(i+1)*row], x[p*row:(p+1)*row], 1-share)
	}
	return out
}

// checkMixup errors if a network's frontier has values that cannot be mixed.
func (s *Session) checkMixup(net *split.Network) error {
	if s.Config.Mixup == 0 {
		return nil
	}
	types, names, err := net.FrontierTypes(1)
	if err != nil {
		return err
	}
	for i, t := range types {
		if t.DType != tensor.Float32 {
			return option.Errorf("mixup", "the frozen part ends in %s of type %v, which cannot be mixed: thaw less, or leave option mixup out", names[i], t.DType)
		}
	}
	return nil
}
