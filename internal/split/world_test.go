package split

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/fixture/shared"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// worldModels are models of others, with what a head reads of each, and the number of blocks before
// it.
var worldModels = []struct {
	path     []string
	features string
	width    int
	blocks   int
}{
	{[]string{"models", "resnet20-cifar10.onnx"}, "/Flatten_output_0", 64, 10},
	{[]string{"models", "mobilenetv1-imagenet-trunk.onnx"}, "features", 1024, 13},
	{[]string{"models", "stories260k.onnx"}, "last_hidden_state", 64, 6},
	{[]string{"world-models", "blazeface", "model.onnx"}, "StatefulPartitionedCall/functional_1/re_lu_31/Relu:0", 96, 33},
	{[]string{"world-models", "mnist-cntk", "model.onnx"}, "Pooling160_Output_0_reshape0", 256, 2},
	{[]string{"world-models", "pointhist-lstm", "model.onnx"}, "StatefulPartitionedCall/sequential_8/dense_17/Relu:0", 10, 2},
	{[]string{"world-models", "ppocr-cls", "model.onnx"}, "reshape2_0.tmp_0", 200, 13},
	{[]string{"world-models", "squeezenet-fp16", "model.onnx"}, "fire9/concat_2", 512, 17},
	{[]string{"world-models", "ssrnet", "model.onnx"}, "125", 32, 4},
	{[]string{"world-models", "st-mbv2-035", "model.onnx"}, "mobilenet_v2_alpha_0.35/global_average_pooling2d/Mean_Squeeze__607:0", 1280, 19},
	{[]string{"world-models", "st-ssd", "model.onnx"}, "model_1/conv2d_9/BiasAdd__433:0", 256, 18},
	{[]string{"world-models", "ultraface", "model.onnx"}, "434", 256, 14},
	{[]string{"world-models", "yolox_nano", "model.onnx"}, "1024", 256, 30},
	{[]string{"cases", "auxiliary-head", "aux.onnx"}, "feat", 16, 2},
	{[]string{"cases", "bert-before-opset17", "bert.onnx"}, "last_hidden_state", 16, 3},
}

var update = flag.Bool("update", false, "write docs/models.md")

func TestPlacesInTheWorld(t *testing.T) {
	var page strings.Builder
	page.WriteString("# Published models\n\nWhat a new head reads by default in published models, and how many blocks lie before it.\n" +
		"`go test ./internal/split -run PlacesInTheWorld -update` writes this page. The second column is the model's own classifier. The\n" +
		"last column is the share of the weights that `--thaw last:1` thaws beside the head.\n\n" +
		"| model | classifier | a head reads | features | blocks | last:1 |\n|---|---|---|---|---|---|\n")
	defer func() {
		if *update && !t.Failed() {
			if err := os.WriteFile("../../docs/models.md", []byte(page.String()), 0o644); err != nil {
				t.Error(err)
			}
		}
	}()
	for _, c := range worldModels {
		t.Run(fmt.Sprint(c.path), func(t *testing.T) {
			g := openRaw(t, c.path...)
			found, err := choosePlaces(g, flowOf(g), guessedShapes(g))
			if err != nil {
				t.Fatal(err)
			}
			if p := found[0]; p.value.Name != c.features || p.width != c.width {
				t.Errorf("%s; want %q", noteOf(found), c.features)
			}
			h, err := AttachHead(g, HeadSpec{Classes: 2}, guessedShapes(g))
			if err != nil {
				t.Fatal(err)
			}
			set := freeze.Describe(h.Graph, h.Weights)
			if len(set.Blocks) != c.blocks {
				t.Errorf("%d blocks %v, want %d", len(set.Blocks), set.Blocks, c.blocks)
			}
			own := "none"
			if f := FindClassifier(g); f != nil {
				own = fmt.Sprintf("`%s`, %d scores", f.node.Name, f.scores)
			}
			fmt.Fprintf(&page, "| %s | %s | `%s` | %d | %d | %.0f%% |\n", strings.TrimSuffix(strings.Join(c.path[1:], "/"), "/model.onnx"), own, c.features, c.width, len(set.Blocks), 100*lastShare(set))
			if b, w := balance(set); b > 0.5 && w < 0.5 {
				t.Errorf("a block of several weights holds %.0f%% of all", 100*b)
			}
		})
	}
}

// lastShare is the share of the elements of all blocks that the last one holds.
func lastShare(set *freeze.Set) float64 {
	last, total := 0, 0
	for _, w := range set.Weights {
		if w.Block >= 0 {
			total += w.Len()
			if w.Block == len(set.Blocks)-1 {
				last += w.Len()
			}
		}
	}
	return float64(last) / float64(max(total, 1))
}

// balance is the share of the elements of all blocks that the largest block and the largest weight
// hold.
func balance(set *freeze.Set) (block, weight float64) {
	sizes := make([]int, len(set.Blocks))
	total, most := 0, 0
	for _, w := range set.Weights {
		if w.Block >= 0 {
			sizes[w.Block] += w.Len()
			total += w.Len()
			most = max(most, w.Len())
		}
	}
	largest := 0
	for _, n := range sizes {
		largest = max(largest, n)
	}
	return float64(largest) / float64(max(total, 1)), float64(most) / float64(max(total, 1))
}

func openRaw(t *testing.T, path ...string) *ir.Graph {
	t.Helper()
	m, err := onnx.Open(shared.Path(t, path...))
	if err != nil {
		t.Fatal(err)
	}
	return m.Graph
}

// guessedShapes are those of the inputs for two examples, or the one that a file fixes.
func guessedShapes(g *ir.Graph) map[string]tensor.Shape {
	out := map[string]tensor.Shape{}
	for _, v := range g.Inputs {
		s := v.Type.Shape.Clone()
		for i, d := range s {
			switch {
			case d >= 0:
			case i == 0:
				s[i] = 2
			default:
				s[i] = 48
			}
		}
		out[v.Name] = s
	}
	return out
}

// mutate changes what says nothing about a network: the names of its nodes, values and weights, the
// order of its outputs, what only turns scores into answers, and the order of the axes of pictures.
// It returns the copy and what became of the values.
func mutate(r *rand.Rand, raw *ir.Graph) (*ir.Graph, map[*ir.Value]*ir.Value, map[string]tensor.Shape) {
	g, values := ir.Clone(raw)
	own := FindClassifier(g)
	shapes := guessedShapes(g)
	k := 0
	name := func() string {
		k++
		switch r.IntN(3) {
		case 0:
			return fmt.Sprintf("%d", 5000+k)
		case 1:
			return fmt.Sprintf("model_%d/layer.%d/fc%d", r.IntN(3), r.IntN(4), k)
		}
		return fmt.Sprintf("classifier.%d.x%d", r.IntN(3), k)
	}
	if r.IntN(4) > 0 {
		seen := map[*ir.Value]bool{}
		rename := func(v *ir.Value) {
			if v != nil && v.Kind != ir.Input && !seen[v] {
				seen[v] = true
				v.Name = name()
			}
		}
		for _, n := range g.Nodes {
			n.Name = name()
			for _, v := range n.Inputs {
				rename(v)
			}
			for _, v := range n.Outputs {
				rename(v)
			}
		}
	}
	add := func(op string, attrs ir.Attrs, in ...*ir.Value) *ir.Value {
		n := &ir.Node{Name: name(), Op: op, Version: opset(g), Inputs: in, Attrs: attrs}
		return g.AddNode(n, []ir.Type{{}}, n.Name).Outputs[0]
	}
	if own != nil {
		for i, o := range g.Outputs {
			if o != own.output || !o.Type.DType.IsFloat() {
				continue
			}
			switch r.IntN(5) {
			case 0:
				g.Outputs[i] = add("Softmax", nil, o)
			case 1:
				g.Outputs[i] = add("ArgMax", ir.Attrs{"axis": 1}, o)
			case 2:
				g.Outputs[i] = add("Sigmoid", nil, add("Identity", nil, o))
			case 3:
				g.Outputs = append(g.Outputs, add("Softmax", nil, o))
			}
		}
	}
	r.Shuffle(len(g.Outputs), func(i, j int) { g.Outputs[i], g.Outputs[j] = g.Outputs[j], g.Outputs[i] })
	for _, v := range g.Inputs {
		if s := shapes[v.Name]; len(s) == 4 && r.IntN(2) == 0 {
			turned := &ir.Node{Name: name(), Op: "Transpose", Version: opset(g), Attrs: ir.Attrs{"perm": []int{0, 3, 1, 2}}}
			nodes := g.Nodes
			x := g.AddNode(turned, []ir.Type{{}}, turned.Name).Outputs[0]
			g.Nodes = append([]*ir.Node{turned}, nodes...)
			g.Replace(v, x)
			turned.Inputs = []*ir.Value{v}
			v.Type.Shape = tensor.Shape{v.Type.Shape[0], v.Type.Shape[2], v.Type.Shape[3], v.Type.Shape[1]}
			shapes[v.Name] = tensor.Shape{s[0], s[2], s[3], s[1]}
		}
	}
	return g, values, shapes
}

// What a head reads, the blocks before it and the numbers that it is given do not depend on names,
// on the order of outputs, on what follows the scores, or on the layout of pictures.
func TestMutations(t *testing.T) {
	const each = 14
	for i, c := range worldModels {
		t.Run(fmt.Sprint(c.path), func(t *testing.T) {
			raw := openRaw(t, c.path...)
			place, blocks, numbers := look(t, raw, guessedShapes(raw), c.width < 600 && i%2 == 0)
			r := rand.New(rand.NewPCG(uint64(i), 16))
			for k := range each {
				g, values, shapes := mutate(r, raw)
				p, b, n := look(t, g, shapes, k == 0 && numbers != nil)
				if want := values[place]; p != want {
					t.Fatalf("mutation %d: the head reads %q of %s, want %q of %s", k, p.Name, p.Node.Op, want.Name, want.Node.Op)
				}
				if fmt.Sprint(b) != fmt.Sprint(blocks) {
					t.Fatalf("mutation %d: blocks of the weights %v, want %v", k, b, blocks)
				}
				for i := range n {
					if n[i] != numbers[i] {
						t.Fatalf("mutation %d: feature %d is %g, want %g", k, i, n[i], numbers[i])
					}
				}
			}
		})
	}
}

// look finds what a head reads, the block of each weight, and the features of made-up examples.
func look(t *testing.T, g *ir.Graph, shapes map[string]tensor.Shape, run bool) (*ir.Value, []int, []float64) {
	t.Helper()
	found, err := choosePlaces(g, flowOf(g), shapes)
	if err != nil {
		t.Fatal(err)
	}
	h, err := AttachHead(g, HeadSpec{Classes: 2}, shapes)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []int
	for _, w := range freeze.Describe(h.Graph, h.Weights).Weights {
		blocks = append(blocks, w.Block)
	}
	if !run {
		return found[0].value, blocks, nil
	}
	one := *g
	one.Outputs = []*ir.Value{found[0].value}
	program, err := compile.Inference(&one, shapes, compile.Memory{})
	if err != nil {
		t.Fatal(err)
	}
	var in []*tensor.Tensor
	for _, v := range program.Graph().Inputs {
		x := tensor.New(v.Type.DType, v.Type.Shape...)
		if v.Type.DType == tensor.Float32 {
			s := v.Type.Shape
			for k := range x.F32() {
				x.F32()[k] = float32(place4(k, s, g)%17) / 17
			}
		}
		in = append(in, x)
	}
	out, err := program.Run(context.Background(), in...)
	if err != nil {
		t.Fatal(err)
	}
	return found[0].value, blocks, out[0].Float64s()
}

// place4 numbers the elements of a picture in the order of channels first, whatever its layout.
func place4(k int, s tensor.Shape, g *ir.Graph) int {
	if len(s) != 4 || g.Nodes[0].Op != "Transpose" || fmt.Sprint(g.Nodes[0].Attrs["perm"]) != "[0 3 1 2]" {
		return k
	}
	c := k % s[3]
	place := k / s[3] % (s[1] * s[2])
	return (k/(s[1]*s[2]*s[3])*s[3]+c)*s[1]*s[2] + place
}
