package run

import (
	"context"
	"math"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/grad"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// stageTolerance bounds what compilation may change: folding and fusing reorder float32 sums.
var stageTolerance = tensor.Tolerance{Name: "compiled against plain", Rel: 2e-4, Abs: 2e-5}

// The loss and every thawed gradient are the same whether the graph is differentiated as it was
// read, or split at the frontier, folded, fused, laid out channels last and fed from a store.
func TestStagesAgree(t *testing.T) {
	for _, c := range []struct {
		name      string
		thaw      []string
		head, bn  string
		wantFront int // values at the frontier
	}{
		{"nothing frozen", []string{"all"}, "keep", "auto", 1},
		{"nothing frozen, running statistics", []string{"all"}, "keep", "frozen", 1},
		{"last block", []string{"last:1", "head"}, "keep", "auto", 1},
		{"first layer", []string{"conv1.weight"}, "keep", "auto", 1},
		{"norms", []string{"kind:norm"}, "keep", "auto", 1},
		{"head", []string{"head"}, "keep", "auto", 1},
		{"fresh head", []string{"last:1"}, "linear", "auto", 1},
		{"hidden layer", []string{"last:1"}, "mlp:6", "auto", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := tinyConfig(t)
			cfg.Thaw, cfg.Head, cfg.BatchNorm = c.thaw, c.head, c.bn
			s, err := Prepare(context.Background(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			const n = 6
			x := tensor.New(tensor.Float32, n, 3, 8, 8)
			labels := make([]int, n)
			for i := range n {
				if err := s.Train.Read(i*7, data.Plain, []*tensor.Tensor{tensor.Of(x.F32()[i*192:(i+1)*192], 1, 3, 8, 8)}); err != nil {
					t.Fatal(err)
				}
				labels[i] = s.Train.Examples[i*7].Label
			}
			loss, grads := plain(t, s, x, labels)

			ctx := context.Background()
			frozen, err := s.Net.Frozen(n)
			if err != nil {
				t.Fatal(err)
			}
			values, err := frozen.Run(ctx, x)
			if err != nil {
				t.Fatal(err)
			}
			if len(values) != c.wantFront {
				t.Errorf("%d values at the frontier, want %d", len(values), c.wantFront)
			}
			store := keep.NewRAM(n)
			var staged []*tensor.Tensor
			for _, v := range values {
				staged = append(staged, tensor.New(v.DType, v.Shape...))
			}
			for i := range n { // through the store, one example after the other
				store.Put(i, rowOf(values, i, n))
			}
			for i := range n {
				if !store.Get(i, rowOf(staged, i, n)) {
					t.Fatal("the store lost an example")
				}
			}
			step, err := s.Net.Train(n)
			if err != nil {
				t.Fatal(err)
			}
			if err := ir.Verify(step.Program.Graph()); err != nil {
				t.Error(err)
			}
			out, err := step.Program.Run(ctx, append(staged, labelTensor(labels))...)
			if err != nil {
				t.Fatal(err)
			}
			if got := out[0].F32()[0]; math.Abs(float64(got-loss)) > 1e-5 {
				t.Errorf("loss %g, plain %g", got, loss)
			}
			k := 0
			s.Plans.Ever.Thawed(s.Net.Set).Each(func(w *freeze.Weight, _ freeze.Entry) {
				if err := tensor.Close(step.Grads[k], grads[w.Name], stageTolerance); err != nil {
					t.Errorf("%s: %v", w.Name, err)
				}
				k++
			})
		})
	}
}

// rowOf views what one of n examples has of values.
func rowOf(values []*tensor.Tensor, example, n int) [][]byte {
	row := make([][]byte, len(values))
	for k, v := range values {
		size := len(v.Bytes) / n
		row[k] = v.Bytes[example*size : (example+1)*size]
	}
	return row
}

func labelTensor(labels []int) *tensor.Tensor {
	l := make([]int64, len(labels))
	for i, v := range labels {
		l[i] = int64(v)
	}
	return tensor.Of(l)
}

// useBatchStatistics puts BatchNormTrain in the place of batch normalisations whose statistics
// follow the data.
func useBatchStatistics(t *testing.T, g *ir.Graph, plan *freeze.Plan) {
	t.Helper()
	for i, m := range g.Nodes {
		if m.Op != "BatchNormalization" || plan.Of(m.In(3).Name).State != freeze.Tracking {
			continue
		}
		n := &ir.Node{Name: m.Name + "/train", Op: "BatchNormTrain", Inputs: m.Inputs[:3:3], Attrs: ir.Attrs{"epsilon": m.Attrs.Float("epsilon", 1e-5)}}
		types, err := ir.Lookup(n.Op).Infer(n)
		if err != nil {
			t.Fatal(err)
		}
		g.AddNode(n, types)
		g.Nodes = g.Nodes[:len(g.Nodes)-1]
		g.Nodes[i] = n
		g.Replace(m.Outputs[0], n.Outputs[0])
	}
}

// thawedOf lists the weights that train as values of g.
func thawedOf(s *Session, g *ir.Graph) []*ir.Value {
	byName := map[string]*ir.Value{}
	for _, p := range g.Params() {
		byName[p.Name] = p
	}
	var out []*ir.Value
	s.Plans.Ever.Thawed(s.Net.Set).Each(func(w *freeze.Weight, _ freeze.Entry) { out = append(out, byName[w.Name]) })
	return out
}

// plain differentiates the specialised graph without any pass: no folding, no splitting, ONNX's
// layout.
func plain(t *testing.T, s *Session, x *tensor.Tensor, labels []int) (float32, map[string]*tensor.Tensor) {
	t.Helper()
	g, err := compile.Model(s.Net.Headed.Graph, compile.Options{Shapes: s.Base.Shapes(len(labels)), Plain: true})
	if err != nil {
		t.Fatal(err)
	}
	useBatchStatistics(t, g, s.Plans.Ever)
	b := ir.NewBuilder(g, "loss")
	lv := g.AddInput("labels", ir.Type{DType: tensor.Int64, Shape: tensor.Shape{len(labels)}})
	loss := b.Op("SoftmaxCrossEntropy", nil, g.Outputs[0], lv)
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	wrt := thawedOf(s, g)
	grads, err := grad.Differentiate(g, loss, wrt)
	if err != nil {
		t.Fatal(err)
	}
	if err := ir.Verify(g); err != nil {
		t.Fatal(err)
	}
	g.Outputs = append([]*ir.Value{loss}, grads...)
	p, err := compile.Region(g, compile.Memory{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Run(context.Background(), x, labelTensor(labels))
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]*tensor.Tensor{}
	for i, v := range wrt {
		byName[v.Name] = out[1+i].Clone()
	}
	return out[0].F32()[0], byName
}
