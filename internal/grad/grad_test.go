package grad_test

import (
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/grad"
	"github.com/permafrost-ml/permafrost/internal/ir"
	_ "github.com/permafrost-ml/permafrost/internal/op"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// mlp is relu(x a) b summed: two weights, one branch.
func mlp() (b *ir.Builder, x, a, w, loss *ir.Value) {
	b = ir.NewBuilder(ir.New("mlp"), "")
	x = b.Graph.AddInput("x", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{3, 4}})
	a = b.Graph.NewParam("a", tensor.New(tensor.Float32, 4, 5))
	w = b.Graph.NewParam("b", tensor.New(tensor.Float32, 5, 2))
	y := b.Op("MatMul", nil, b.Op("Relu", nil, b.Op("MatMul", nil, x, a)), w)
	loss = b.Op("ReduceSum", ir.Attrs{"axes": []int{0, 1}, "keepdims": 0}, y)
	return b, x, a, w, loss
}

func count(g *ir.Graph, op string) int {
	n := 0
	for _, m := range g.Nodes {
		if m.Op == op {
			n++
		}
	}
	return n
}

func TestOnlyWhatIsNeeded(t *testing.T) {
	b, _, _, w, loss := mlp()
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := grad.Differentiate(b.Graph, loss, []*ir.Value{w}); err != nil {
		t.Fatal(err)
	}
	if n := count(b.Graph, "MatMul"); n != 3 {
		t.Errorf("%d products for the last weight alone, want two forward and one backward\n%s", n, b.Graph)
	}
	if n := count(b.Graph, "ReluGrad"); n != 0 {
		t.Error("the gradient went through the frozen layer")
	}
	b, x, a, w, loss := mlp()
	grads, err := grad.Differentiate(b.Graph, loss, []*ir.Value{a, w})
	if err != nil {
		t.Fatal(err)
	}
	if n := count(b.Graph, "MatMul"); n != 5 {
		t.Errorf("%d products for both weights, want five: none for the input", n)
	}
	for i, v := range []*ir.Value{a, w} {
		if !grads[i].Type.Equal(v.Type) {
			t.Errorf("gradient of %s is %v", v.Name, grads[i].Type)
		}
	}
	if err := ir.Verify(b.Graph); err != nil {
		t.Error(err)
	}
	front := grad.Frontier(b.Graph, []*ir.Value{w})
	if len(front) < 1 || front[0].Node == nil || front[0].Node.Op != "Relu" {
		t.Errorf("frontier of the last weight: %v", front[0].Name)
	}
	if front := grad.Frontier(b.Graph, []*ir.Value{a}); front[0] != x {
		t.Errorf("frontier of the first weight: %v", front[0].Name)
	}
}

func TestTiedWeightSumsItsGradients(t *testing.T) {
	b := ir.NewBuilder(ir.New("tied"), "")
	x := b.Graph.AddInput("x", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{3, 4}})
	w := b.Graph.NewParam("w", tensor.New(tensor.Float32, 4, 4))
	y := b.Op("MatMul", nil, b.Op("MatMul", nil, x, w), w)
	loss := b.Op("ReduceSum", ir.Attrs{"axes": []int{0, 1}, "keepdims": 0}, y)
	grads, err := grad.Differentiate(b.Graph, loss, []*ir.Value{w})
	if err != nil {
		t.Fatal(err)
	}
	if grads[0].Node.Op != "Add" {
		t.Errorf("the gradient of a weight used twice is a %s", grads[0].Node.Op)
	}
}

func TestErrors(t *testing.T) {
	b := ir.NewBuilder(ir.New("no gradient"), "")
	x := b.Graph.AddInput("x", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{3, 4}})
	w := b.Graph.NewParam("w", tensor.New(tensor.Float32, 4, 4))
	b.Scope = "/head/Hardmax"
	y := b.Op("Hardmax", nil, b.Op("MatMul", nil, x, w))
	loss := b.Op("ReduceSum", ir.Attrs{"axes": []int{0, 1}, "keepdims": 0}, y)
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := grad.Differentiate(b.Graph, loss, []*ir.Value{w}); err == nil || !strings.Contains(err.Error(), "/head/Hardmax") {
		t.Errorf("an operator without gradient: %v", err)
	}
	free := b.Graph.NewParam("free", tensor.New(tensor.Float32, 2))
	if _, err := grad.Differentiate(b.Graph, loss, []*ir.Value{free}); err == nil || !strings.Contains(err.Error(), "depends on none") {
		t.Errorf("a weight that the loss does not read: %v", err)
	}
	if _, err := grad.Differentiate(b.Graph, y, []*ir.Value{w}); err == nil || !strings.Contains(err.Error(), "scalar") {
		t.Errorf("a loss that is no scalar: %v", err)
	}
}
