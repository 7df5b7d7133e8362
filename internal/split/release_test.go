package split

import (
	"bytes"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/fixture/shared"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// TestReleaseBatch: programs of one batch size go, those of another and the training step stay, and what
// is compiled again computes the same.
func TestReleaseBatch(t *testing.T) {
	b, err := Open(shared.Path(t, "models", "resnet20-cifar10.onnx"), feed.Options{})
	if err != nil {
		t.Fatal(err)
	}
	n, err := New(b, &task.Classify{Classes: make([]string, 4)}, Options{Head: "linear", Pool: "auto", Thaw: []string{"head"}, BatchNorm: "auto"})
	if err != nil {
		t.Fatal(err)
	}
	scores := func() []byte {
		p, err := n.Frozen(2)
		if err != nil {
			t.Fatal(err)
		}
		x := tensor.New(tensor.Float32, 2, 3, 32, 32)
		for i := range x.F32() {
			x.F32()[i] = float32(i%97)/97 - 0.5
		}
		out, err := p.Run(t.Context(), x)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Clone(out[0].Bytes)
	}
	was := scores()
	if _, err := n.Eval(2); err != nil {
		t.Fatal(err)
	}
	three, err := n.Frozen(3)
	if err != nil {
		t.Fatal(err)
	}
	step, err := n.Train(2)
	if err != nil {
		t.Fatal(err)
	}
	n.ReleaseBatch(2)
	if n.frozen[2] != nil || n.eval[2] != nil {
		t.Error("programs of the batch size are still there")
	}
	if n.frozen[3] != three || n.CompiledStep(2) != step {
		t.Error("a program of another batch size, or the training step, went too")
	}
	if !bytes.Equal(scores(), was) {
		t.Error("what is compiled again computes something else")
	}
}
