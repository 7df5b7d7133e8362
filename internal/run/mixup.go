package run

import (
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/random"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/tensor"
	"gonum.org/v1/gonum/stat/distuv"
)

// Mixup mixes the examples of a batch in pairs where the frozen region ends, not as pictures: what
// lies before the frontier is computed once for each example and kept, and a mixture of pictures
// would have to be computed anew in every step. Where everything trains the frontier is the
// picture, and this is mixup as Zhang et al. have it (see task.Mixed); deeper it is their manifold
// form (Verma et al., Manifold Mixup, ICML 2019, with the layer fixed).
//
// Example i of a batch becomes share x[i] + (1-share) x[p[i]], with p a permutation and share the
// larger of v and 1-v, v drawn from Beta(A,A). So every example has the larger share once an epoch,
// and training metrics are those of the larger share's answers. Share and permutation depend on the
// seed, the epoch and the batch's first example alone.

// mix mixes what the live region reads of a training batch, and returns it with the labels of the
// mixture.
func (f *loop) mix(b *split.Batch, given, labels []*tensor.Tensor, scores tensor.Shape) (mixed, answers []*tensor.Tensor) {
	a := f.session.Config.Mixup
	if a == 0 {
		return given, labels
	}
	n := len(b.Indices)
	r := random.For(f.session.Config.Seed, random.Mixup, f.st.Epoch, b.Indices[0])
	share := distuv.Beta{Alpha: a, Beta: a, Src: r}.Rand()
	share = max(share, 1-share)
	if !(share <= 1) { // both gamma variates of a very small A underflow
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

// mixRows is share x[i] + (1-share) x[partner[i]] for every example i, whose elements lie together.
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

// checkMixup errors where a network's frontier holds values that cannot be mixed.
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
