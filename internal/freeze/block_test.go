package freeze

import (
	"fmt"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// sketch builds raw graphs, values called like their nodes.
type sketch struct{ *ir.Graph }

func (s sketch) node(name, op string, attrs ir.Attrs, in ...*ir.Value) *ir.Value {
	return s.AddNode(&ir.Node{Name: name, Op: op, Version: 17, Inputs: in, Attrs: attrs}, []ir.Type{{}}, name).Outputs[0]
}

func (s sketch) weight(name string, shape ...int) *ir.Value {
	return s.NewParam(name, tensor.New(tensor.Float32, shape...))
}

func (s sketch) ints(name string, x ...int64) *ir.Value { return s.NewConst(name, tensor.Of(x)) }

func (s sketch) linear(name string, x *ir.Value) *ir.Value {
	return s.node("/"+name+"/MatMul", "MatMul", nil, x, s.weight(name+".weight", 8, 8))
}

// attention is x plus what its places, or those of memory, are to each other.
func (s sketch) attention(name string, x, memory *ir.Value) *ir.Value {
	q, k, v := s.linear(name+".q", x), s.linear(name+".k", memory), s.linear(name+".v", memory)
	w := s.node("/"+name+"/Softmax", "Softmax", nil, s.node("/"+name+"/scores", "MatMul", nil, q, s.node("/"+name+"/Transpose", "Transpose", ir.Attrs{"perm": []int{0, 2, 1}}, k)))
	return s.node("/"+name+"/Add", "Add", nil, x, s.linear(name+".out", s.node("/"+name+"/mix", "MatMul", nil, w, v)))
}

func (s sketch) feedForward(name string, x *ir.Value) *ir.Value {
	y := s.node("/"+name+"/Relu", "Relu", nil, s.linear(name+".up", x))
	return s.node("/"+name+"/Add", "Add", nil, x, s.linear(name+".down", y))
}

// gates are the weights of a recurrence with their gates in another order, as exporters write them
// that fold no constants.
func (s sketch) gates(name string, shape ...int) *ir.Value {
	w := s.weight(name, shape...)
	part := func(k string, from, to int64) *ir.Value {
		return s.node(name+"/"+k, "Slice", nil, w, s.ints(name+k+"from", from), s.ints(name+k+"to", to), s.ints(name+k+"axis", 0))
	}
	c := s.node(name+"/gates", "Concat", ir.Attrs{"axis": 0}, part("i", 0, 8), part("o", 24, 32), part("fc", 8, 24))
	return s.node(name+"/direction", "Unsqueeze", nil, c, s.ints(name+"axes", 0))
}

func (s sketch) lstm(name string, x, w, r *ir.Value) []*ir.Value {
	n := &ir.Node{Name: "/" + name + "/LSTM", Op: "LSTM", Version: 14, Inputs: []*ir.Value{x, w, r}, Attrs: ir.Attrs{"hidden_size": 8}}
	return s.AddNode(n, make([]ir.Type, 2), name+".y", name+".h").Outputs
}

func TestBlocksOfOtherForms(t *testing.T) {
	for _, c := range []struct {
		name  string
		build func(s sketch) *ir.Value // the output
		want  string                   // blocks with the layers of each
	}{
		{"weights that other nodes cut and join first", func(s sketch) *ir.Value {
			x := s.node("/word/Gather", "Gather", nil, s.weight("word.weight", 40, 8), s.tokens())
			y := s.lstm("rnn0", x, s.gates("rnn0.w", 32, 8), s.gates("rnn0.r", 32, 8))[0]
			y = s.node("/Squeeze", "Squeeze", nil, y, s.ints("direction", 1))
			return s.lstm("rnn1", y, s.gates("rnn1.w", 32, 8), s.gates("rnn1.r", 32, 8))[0]
		}, "word.weight | rnn0.w rnn0.r | rnn1.w rnn1.r"},
		{"weights that are cut at the beginning of the file", func(s sketch) *ir.Value {
			w, r := s.gates("rnn.w", 32, 8), s.gates("rnn.r", 32, 8)
			x := s.node("/word/Gather", "Gather", nil, s.weight("word.weight", 400, 8), s.tokens())
			return s.lstm("rnn", x, w, r)[0]
		}, "word.weight | rnn.w rnn.r"},
		{"recurrences whose states are put side by side", func(s sketch) *ir.Value {
			x := s.node("/word/Gather", "Gather", nil, s.weight("word.weight", 4, 8), s.tokens())
			a := s.lstm("rnn0", x, s.weight("rnn0.w", 1, 32, 8), s.weight("rnn0.r", 1, 32, 8))
			b := s.lstm("rnn1", s.node("/Squeeze", "Squeeze", nil, a[0], s.ints("direction", 1)), s.weight("rnn1.w", 1, 32, 8), s.weight("rnn1.r", 1, 32, 8))
			states := s.node("/states", "Concat", ir.Attrs{"axis": 0}, a[1], b[1])
			return s.node("/last", "Gather", nil, states, s.ints("at", -1))
		}, "word.weight | rnn0.w rnn0.r | rnn1.w rnn1.r"},
		{"tables whose rows are added", func(s sketch) *ir.Value {
			ids, types := s.tokens(), s.AddInput("types", ir.Type{DType: tensor.Int64, Shape: tensor.Shape{-1, -1}})
			x := s.node("/word/Gather", "Gather", nil, s.weight("word.weight", 4, 8), ids)
			x = s.node("/Add", "Add", nil, x, s.node("/type/Gather", "Gather", nil, s.weight("type.weight", 2, 8), types))
			return s.feedForward("b", s.feedForward("a", x))
		}, "word.weight type.weight | a.up.weight a.down.weight | b.up.weight b.down.weight"},
		{"a class token before the patches", func(s sketch) *ir.Value {
			x := s.linear("patches", s.rows())
			token := s.node("/Expand", "Expand", nil, s.weight("token", 1, 1, 8), s.ints("shape", 1, 1, 8))
			x = s.node("/Concat", "Concat", ir.Attrs{"axis": 1}, token, x)
			return s.feedForward("b", s.feedForward("a", s.node("/places/Add", "Add", nil, x, s.weight("places", 1, 5, 8))))
		}, "patches.weight | a.up.weight a.down.weight | b.up.weight b.down.weight"},
		{"a decoder whose layers read one memory", func(s sketch) *ir.Value {
			memory := s.feedForward("encoder", s.linear("input", s.rows()))
			x := s.linear("query", s.node("/words", "Identity", nil, s.Graph.AddInput("words", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, 3, 8}})))
			for i := range 3 {
				name := fmt.Sprintf("layers.%d", i)
				x = s.feedForward(name+".ff", s.attention(name+".cross", s.attention(name+".self", x, x), memory))
			}
			return x
		}, "input.weight | encoder.up.weight encoder.down.weight | query.weight | " +
			"layers.0.self | layers.0.cross layers.0.ff | layers.1.self | layers.1.cross layers.1.ff | layers.2.self | layers.2.cross layers.2.ff"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := sketch{ir.New(c.name)}
			s.Outputs = []*ir.Value{c.build(s)}
			set := Describe(s.Graph, nil)
			got := make([]string, len(set.Blocks))
			for _, w := range set.Weights {
				if w.Block < 0 {
					t.Errorf("%s is in no block", w.Name)
				} else if w.Name != "token" && w.Name != "places" {
					name := w.Name
					if path := strings.Split(name, "."); path[0] == "layers" { // by parts: many weights
						name = strings.Join(path[:3], ".")
					}
					if !strings.Contains(" "+got[w.Block]+" ", " "+name+" ") {
						got[w.Block] = strings.TrimSpace(got[w.Block] + " " + name)
					}
				}
			}
			if all := strings.Join(got, " | "); all != c.want {
				t.Errorf("blocks:\n%s, want\n%s", all, c.want)
			}
		})
	}
}

func (s sketch) tokens() *ir.Value {
	return s.AddInput("ids", ir.Type{DType: tensor.Int64, Shape: tensor.Shape{-1, -1}})
}

func (s sketch) rows() *ir.Value {
	return s.AddInput("rows", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, 4, 8}})
}

// A block that holds most of the weights is said to, where it trains and others do not.
func TestHeavyNote(t *testing.T) {
	s := sketch{ir.New("heavy")}
	x := s.node("/small/Conv", "Conv", nil, s.AddInput("x", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, 1, 8, 8}}), s.weight("small.weight", 4, 1, 3, 3))
	x = s.node("/Relu", "Relu", nil, x)
	s.Outputs = []*ir.Value{s.node("/large/Conv", "Conv", nil, x, s.weight("large.weight", 32, 4, 3, 3))}
	set := Describe(s.Graph, nil)
	for list, want := range map[string]bool{"last:1": true, "first:1": false, "all": false} {
		p, err := New(set, Options{Thaw: []string{list}})
		if err != nil {
			t.Fatal(err)
		}
		note := p.HeavyNote(set)
		if (note != "") != want || want && !strings.Contains(note, `"large" trains and alone holds 97%`) {
			t.Errorf("%s: %q", list, note)
		}
	}
}
