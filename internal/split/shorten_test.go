package split

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// baseOf is a base of a raw graph, with sizes for its open axes.
func baseOf(g *ir.Graph) *Base {
	return &Base{Model: &onnx.Model{Graph: g}, shapes: func(n, _ int) map[string]tensor.Shape {
		shapes := guessedShapes(g)
		for name := range shapes {
			shapes[name][0] = n
		}
		return shapes
	}}
}

// listed is a raw graph as text: what each node reads.
func listed(g *ir.Graph) string {
	var b strings.Builder
	for _, n := range g.Nodes {
		fmt.Fprintf(&b, "%s(", n.Outputs[0].Name)
		for i, v := range n.Inputs {
			if i > 0 {
				b.WriteString(" ")
			}
			b.WriteString(v.Name)
		}
		b.WriteString(")\n")
	}
	return b.String()
}

// residual is a block of two convolutions with a shortcut around them.
func (s sketch) residual(name string, x *ir.Value) *ir.Value {
	y := s.node(name+".relu1", "Relu", nil, s.conv(name+".conv1", x, 8, 8, 3))
	y = s.node(name+".sum", "Add", nil, s.conv(name+".conv2", y, 8, 8, 3), x)
	return s.node(name+".relu2", "Relu", nil, y)
}

// three is a stem, three residual blocks a, b and c, and a classifier.
func three() *ir.Graph {
	s := sketch{&ir.Graph{}}
	x := s.node("stem.relu", "Relu", nil, s.conv("stem.conv", s.image(), 4, 8, 3))
	for _, name := range []string{"a", "b", "c"} {
		x = s.residual(name, x)
	}
	s.Outputs = []*ir.Value{s.product("fc", s.pool("flat", x), 8, 5)}
	return s.Graph
}

func TestShorten(t *testing.T) {
	const stem = "stem.conv(image stem.conv.w)\nstem.relu(stem.conv)\n"
	const head = "/head/pool0/GlobalAveragePool_output_0(%s)\n/head/pool0/Flatten_output_0(/head/pool0/GlobalAveragePool_output_0)\n" +
		"logits(/head/pool0/Flatten_output_0 head.linear.weight head.linear.bias)\n"
	const own = "flat/pool(%s)\nflat(flat/pool)\nlogits(flat head.linear.weight head.linear.bias)\n"
	block := func(name, from string) string {
		return fmt.Sprintf("%[1]s.conv1(%[2]s %[1]s.conv1.w)\n%[1]s.relu1(%[1]s.conv1)\n%[1]s.conv2(%[1]s.relu1 %[1]s.conv2.w)\n%[1]s.sum(%[1]s.conv2 %[2]s)\n%[1]s.relu2(%[1]s.sum)\n", name, from)
	}
	for _, c := range []struct {
		cut  string
		skip []string
		want string // the graph, or part of the error
		says string // part of the notes
	}{
		{"none", []string{"none"}, stem + block("a", "stem.relu") + block("b", "a.relu2") + block("c", "b.relu2") + fmt.Sprintf(own, "c.relu2"), ""},
		{"b", nil, stem + block("a", "stem.relu") + block("b", "a.relu2") + fmt.Sprintf(head, "b.relu2"), `ends behind block "b": block "c" is left out`},
		{"last:2", nil, stem + block("a", "stem.relu") + fmt.Sprintf(head, "a.relu2"), `ends behind block "a": 2 blocks (b, c) are left out`},
		{"", []string{"b"}, stem + block("a", "stem.relu") + block("c", "a.relu2") + fmt.Sprintf(own, "c.relu2"), `block "b" is left out`},
		{"", []string{"c"}, stem + block("a", "stem.relu") + block("b", "a.relu2") + fmt.Sprintf(own, "b.relu2"), `block "c" is left out`},
		{"", []string{"c,b", "a"}, stem + fmt.Sprintf(own, "stem.relu"), "3 blocks (a, b, c) are left out"},
		{"b", []string{"a"}, stem + block("b", "stem.relu") + fmt.Sprintf(head, "b.relu2"), `block "a" is left out`},
		{"d", nil, `cut: the model has no block "d"; it can end behind stem.conv, a, b`, ""},
		{"c", nil, `cut: "c" is the model's last block`, ""},
		{"last:4", nil, "cut: last:4 leaves nothing: the model has 4 blocks", ""},
		{"last:0", nil, "cut: last:0: give the number of blocks", ""},
		{"", []string{"d"}, `skip: the model has no block "d"; these can be left out: a, b, c`, ""},
		{"", []string{"stem.conv"}, `skip: block "stem.conv" has no shortcut of the same shape around its layers`, ""},
		{"a", []string{"b"}, `skip: block "b" is behind the cut`, ""},
		{"b", []string{"b"}, `skip: block "b" is the last one before the cut`, ""},
		{"", []string{"a", "a"}, `skip: block "a" stands twice`, ""},
	} {
		name := fmt.Sprintf("cut %q skip %q", c.cut, c.skip)
		b := baseOf(three())
		before := listed(b.Model.Graph)
		short, err := b.Shorten(c.cut, c.skip)
		if strings.HasPrefix(c.want, "cut:") || strings.HasPrefix(c.want, "skip:") {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: error %v, want %s", name, err, c.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		h, err := AttachHead(short.Graph, HeadSpec{Kind: "linear", Classes: 3, End: short.End}, b.Shapes(2))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := listed(h.Graph); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, c.want)
		}
		if notes := strings.Join(short.Notes, "\n"); !strings.Contains(notes, c.says) {
			t.Errorf("%s says %q, not %q", name, notes, c.says)
		}
		if listed(b.Model.Graph) != before {
			t.Errorf("%s changes the model", name)
		}
	}
}

// TestBypass: which blocks can be left out, and what takes the place of what.
func TestBypass(t *testing.T) {
	for name, c := range map[string]struct {
		build func(s sketch, x *ir.Value) *ir.Value // a block "b" between two others, of 8 features at 8x8 places
		want  string                                // the value and what takes its place; "" where it cannot
	}{
		"activation after the sum": {func(s sketch, x *ir.Value) *ir.Value { return s.residual("b", x) }, "b.relu2 <- a"},
		"no activation": {func(s sketch, x *ir.Value) *ir.Value {
			return s.node("b.sum", "Add", nil, x, s.conv("b.conv", x, 8, 8, 3))
		}, "b.sum <- a"},
		"activation before": {func(s sketch, x *ir.Value) *ir.Value {
			return s.node("b.sum", "Add", nil, s.conv("b.conv", s.node("b.relu", "Relu", nil, x), 8, 8, 3), x)
		}, "b.sum <- a"},
		"gated": {func(s sketch, x *ir.Value) *ir.Value {
			return s.node("b.gate", "Mul", nil, x, s.node("b.sigmoid", "Sigmoid", nil, s.conv("b.conv", x, 8, 8, 3)))
		}, ""},
		"scaled sum": {func(s sketch, x *ir.Value) *ir.Value {
			y := s.node("b.scale", "Mul", nil, s.conv("b.conv", x, 8, 8, 3), s.weight("b.gamma", 8, 1, 1))
			return s.node("b.sum", "Add", nil, x, y)
		}, "b.sum <- a"},
		"no shortcut": {func(s sketch, x *ir.Value) *ir.Value { return s.conv("b.conv", x, 8, 8, 3) }, ""},
		"a layer in the shortcut": {func(s sketch, x *ir.Value) *ir.Value {
			return s.node("b.sum", "Add", nil, s.conv("b.skip", x, 8, 8, 1), s.conv("b.conv", x, 8, 8, 3))
		}, ""},
		"features put side by side": {func(s sketch, x *ir.Value) *ir.Value {
			return s.conv("b.mix", s.node("b.cat", "Concat", ir.Attrs{"axis": 1}, x, s.conv("b.conv", x, 8, 8, 3)), 16, 8, 1)
		}, ""},
		"a sum with what is no layer": {func(s sketch, x *ir.Value) *ir.Value {
			return s.conv("b.conv", s.node("b.twice", "Add", nil, x, x), 8, 8, 3)
		}, ""},
	} {
		s := sketch{&ir.Graph{}}
		x := s.node("a", "Relu", nil, s.conv("a.conv", s.image(), 4, 8, 3))
		x = s.node("c.relu", "Relu", nil, s.conv("c.conv", c.build(s, x), 8, 16, 3))
		s.Outputs = []*ir.Value{s.product("fc", s.pool("flat", x), 16, 5)}
		blocks, err := baseOf(s.Graph).Blocks()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := ""
		for _, b := range blocks {
			if strings.HasPrefix(b.Name, "b") && b.Bypass != nil {
				got = b.Bypass.Value + " <- " + b.Bypass.Instead
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q, of %+v", name, got, c.want, blocks)
		}
	}
}

// TestBypassOfTransformers: of a block that normalises its result the norm goes, too; the norm behind
// the last block stays.
func TestBypassOfTransformers(t *testing.T) {
	for name, norm := range map[string]func(s sketch, name string, x *ir.Value) *ir.Value{
		"written out": func(s sketch, name string, x *ir.Value) *ir.Value { return s.layerNorm(name, x, 8) },
		"one operator": func(s sketch, name string, x *ir.Value) *ir.Value {
			return s.node(name, "LayerNormalization", ir.Attrs{"axis": -1}, x, s.weight(name+".g", 8), s.weight(name+".b", 8))
		},
	} {
		for _, first := range []bool{true, false} { // the norm comes before the layers, or after the sum
			s := sketch{&ir.Graph{}}
			x := s.product("embed.in", s.rows(7, 8), 8, 8)
			if !first {
				x = norm(s, "embed.norm", x)
			}
			for i := range 2 {
				for _, part := range []string{"attention", "mlp"} {
					at := fmt.Sprintf("blocks.%d.%s", i, part)
					y := x
					if first {
						y = norm(s, at+".norm", y)
					}
					y = s.product(at+".down", s.node(at+".tanh", "Tanh", nil, s.product(at+".up", y, 8, 16)), 16, 8)
					x = s.node(at+".sum", "Add", nil, x, y)
					if !first {
						x = norm(s, at+".norm", x)
					}
				}
			}
			if first {
				x = norm(s, "final", x)
			}
			s.Outputs = []*ir.Value{x}
			blocks, err := baseOf(s.Graph).Blocks()
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			var got []string
			for _, b := range blocks {
				if b.Bypass != nil {
					got = append(got, b.Name+": "+b.Bypass.Value+" <- "+b.Bypass.Instead)
				}
			}
			end, start := "norm", "embed.norm"
			if first {
				end, start = "sum", "embed.in"
			}
			var want []string
			from := start
			for _, block := range []string{"blocks.0.attention", "blocks.0.mlp", "blocks.1.attention", "blocks.1.mlp"} {
				want = append(want, fmt.Sprintf("%[1]s: %[1]s.%[2]s <- %[3]s", block, end, from))
				from = block + "." + end
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s, norms first %v:\n%s\nwant\n%s", name, first, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
	}
}

// TestBypassOfText: a mask that all blocks read is no part of them.
func TestBypassOfText(t *testing.T) {
	blocks, err := baseOf(fixture.TextGraph(true, 1)).Blocks()
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"", "/blocks.0/Add_1_output_0 <- /embeddings/Add_1_output_0", "/blocks.1/Add_1_output_0 <- /blocks.0/Add_1_output_0"} {
		got := ""
		if b := blocks[i].Bypass; b != nil {
			got = b.Value + " <- " + b.Instead
		}
		if got != want {
			t.Errorf("block %s: %q, want %q", blocks[i].Name, got, want)
		}
	}
}
