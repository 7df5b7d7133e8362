package permafrost_test

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
)

// shrink is max(0, x-by): with by 0 the operator Relu.
var shrink = permafrost.Op{
	Domain: "org.example", Name: "Shrink",
	Attributes: map[string]permafrost.AttributeType{"by": permafrost.AttributeFloat},
	Shape: func(_ permafrost.Attributes, in [][]int) ([][]int, error) {
		if len(in) != 1 {
			return nil, errors.New("one input is wanted")
		}
		return in, nil
	},
	Forward: func(a permafrost.Attributes, in, out []permafrost.Tensor) {
		x, _ := permafrost.Elements[float32](in[0])
		y, _ := permafrost.Elements[float32](out[0])
		for i := range y {
			y[i] = max(0, x[i]-a.Float("by", 0))
		}
	},
	Backward: func(a permafrost.Attributes, in, dout, din []permafrost.Tensor) {
		x, _ := permafrost.Elements[float32](in[0])
		dy, _ := permafrost.Elements[float32](dout[0])
		dx, _ := permafrost.Elements[float32](din[0])
		for i := range dx {
			dx[i] = 0
			if x[i] > a.Float("by", 0) {
				dx[i] = dy[i]
			}
		}
	},
}

func init() {
	if err := permafrost.RegisterOp(shrink); err != nil {
		panic(err)
	}
}

// TestRegisterOp: a model whose activations are a caller's operator trains, through them, as the
// one with the known operator does.
func TestRegisterOp(t *testing.T) {
	dir, model, photos := pretrained()
	defer os.RemoveAll(dir)
	own := filepath.Join(dir, "own.onnx")
	write := func(by ir.Attrs) {
		t.Helper()
		g := fixture.Graph(5, 1)
		for _, n := range g.Nodes {
			if n.Op == "Relu" {
				n.Op, n.Domain, n.Version, n.Attrs = "Shrink", "org.example", 1, by
			}
		}
		b, err := onnx.Build(g, onnx.BuildOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(own, b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	fit := func(model string) (*permafrost.Result, error) {
		cfg := permafrost.DefaultConfig()
		cfg.Model, cfg.Data, cfg.Epochs, cfg.LR, cfg.Thaw = model, photos, 3, 0.01, []string{"all"}
		return permafrost.Fit(t.Context(), cfg)
	}
	write(nil)
	want, err := fit(model)
	if err != nil {
		t.Fatal(err)
	}
	got, err := fit(own)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(got.TrainLoss-want.TrainLoss) > 1e-3*want.TrainLoss {
		t.Errorf("loss %v, with the known operator %v", got.TrainLoss, want.TrainLoss)
	}
	write(ir.Attrs{"by": float32(0.5)})
	if other, err := fit(own); err != nil || math.Abs(other.TrainLoss-want.TrainLoss) < 1e-3*want.TrainLoss {
		t.Errorf("the attribute changes nothing: %+v, %v", other, err)
	}
	write(ir.Attrs{"by": "much"})
	if _, err := fit(own); !errors.Is(err, permafrost.ErrBadInput) {
		t.Errorf("an attribute of a wrong type: %v", err)
	}
	for name, op := range map[string]permafrost.Op{"known already": shrink, "without a domain": {Name: "X"}, "without functions": {Domain: "d", Name: "X"}} {
		if err := permafrost.RegisterOp(op); !errors.Is(err, permafrost.ErrBadInput) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
