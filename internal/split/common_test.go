package split

import (
	"slices"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/fixture/shared"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// TestShare: networks of one base digest and fold each constant once, and name their frontiers as
// those that share nothing do. One whose frozen weights are no longer the base's shares nothing.
func TestShare(t *testing.T) {
	open := func() *Base {
		b, err := Open(shared.Path(t, "models", "resnet20-cifar10.onnx"), feed.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	network := func(b *Base) (*Network, Digest) {
		n, err := New(b, &task.Classify{Classes: make([]string, 4)}, Options{Head: "linear", Pool: "auto", Thaw: []string{"last:1", "head"}, BatchNorm: "auto"})
		if err != nil {
			t.Fatal(err)
		}
		o, err := n.Outline()
		if err != nil {
			t.Fatal(err)
		}
		return n, o.Cut(o.Frontier).Points[0].Sum
	}
	_, want := network(open())
	b := open()
	b.Share()
	n, first := network(b)
	sums := len(b.common.sums)
	_, second := network(b)
	if first != want || second != want {
		t.Errorf("the frontier is %x, then %x; where nothing is shared, %x", first[:4], second[:4], want[:4])
	}
	if sums < 10 || len(b.common.sums) != sums {
		t.Errorf("%d digests after the first network, %d after the second", sums, len(b.common.sums))
	}
	w := n.Set.Weights[slices.IndexFunc(n.Set.Weights, func(w *freeze.Weight) bool {
		return n.Plan.Of(w.Name).State == freeze.Frozen && len(w.Value.Data.Bytes) >= worthSharing
	})]
	before := b.Sum(w.Value.Data)
	w.Value.Data = tensor.New(w.Value.Data.DType, w.Value.Data.Shape...)
	zeros := b.Sum(w.Value.Data)
	w.Value.Data.Bytes[0]++
	if changed := b.Sum(w.Value.Data); zeros == before || changed == zeros {
		t.Error("the digest of a weight that is not the base's is remembered")
	}
	if n.common() != nil || n.constants() == b.common.folded {
		t.Error("a network shares what is computed from a frozen weight that is not the base's")
	}
}
