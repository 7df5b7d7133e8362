package sideinput

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

type input struct {
	name  string
	dtype tensor.DType
	shape tensor.Shape
	dims  []string
}

// model has inputs that nothing reads, and an output for each of the same name with _out.
func model(inputs ...input) *onnx.Model {
	m := &onnx.Model{Graph: ir.New("m")}
	for _, in := range inputs {
		v := m.Graph.AddInput(in.name, ir.Type{DType: in.dtype, Shape: in.shape.Clone()})
		v.Dims = in.dims
		m.Inputs = append(m.Inputs, onnx.ValueInfo{Name: in.name, DType: in.dtype, Shape: in.shape, Dims: in.dims})
		n := m.Graph.AddNode(&ir.Node{Name: in.name, Op: "Identity", Inputs: []*ir.Value{v}}, []ir.Type{v.Type}, in.name+"_out")
		m.Graph.Outputs = append(m.Graph.Outputs, n.Outputs[0])
		m.Outputs = append(m.Outputs, onnx.ValueInfo{Name: in.name + "_out", DType: in.dtype, Shape: in.shape})
	}
	return m
}

func TestBind(t *testing.T) {
	ids := input{"input_ids", tensor.Int64, tensor.Shape{-1, -1}, []string{"N", "T"}}
	sound := input{"input", tensor.Float32, tensor.Shape{-1, -1}, []string{"", ""}}
	state := input{"state", tensor.Float32, tensor.Shape{2, -1, 8}, []string{"", "", ""}}
	rate := input{"sr", tensor.Int64, tensor.Shape{}, nil}
	past := input{"past_key_values.0.key", tensor.Float32, tensor.Shape{-1, 2, -1, 8}, []string{"N", "", "P", ""}}
	hidden := input{"hidden_states", tensor.Float32, tensor.Shape{-1, 4}, []string{"N", ""}}
	for _, c := range []struct {
		name    string
		inputs  []input
		options Options
		keep    bool // states are not zero by themselves
		fed     string
		fixed   map[string]tensor.Shape // and the shape that the graph has for it
		first   float64                 // the first element of the last one
	}{
		{"state", []input{sound, state}, Options{}, false, "input[? ?]", map[string]tensor.Shape{"state": {2, -1, 8}}, 0},
		{"state for files of tensors", []input{sound, state}, Options{}, true, "input[? ?] state[2 ? 8]", nil, 0},
		{"rate", []input{sound, state, rate}, Options{Inputs: []string{"sr=16000"}, Shapes: []string{"input=1,512"}}, false, "input[? 512]",
			map[string]tensor.Shape{"state": {2, -1, 8}, "sr": {}}, 16000},
		{"training", []input{sound, {"is_training", tensor.Bool, tensor.Shape{}, nil}}, Options{}, false, "input[? ?]", map[string]tensor.Shape{"is_training": {}}, 0},
		{"empty cache", []input{ids, past}, Options{}, false, "input_ids[? ?]", map[string]tensor.Shape{"past_key_values.0.key": {-1, 2, 0, 8}}, 0},
		{"no state", []input{ids, hidden}, Options{}, false, "input_ids[? ?] hidden_states[? 4]", nil, 0},
		{"symbol", []input{ids, {"mask", tensor.Int64, tensor.Shape{-1, -1}, []string{"N", "T"}}}, Options{Shapes: []string{"T=100"}}, false, "input_ids[? 100] mask[? 100]", nil, 0},
		{"symbol of an input", []input{ids, {"mask", tensor.Int64, tensor.Shape{-1, -1}, []string{"N", "T"}}}, Options{Shapes: []string{"mask=4,7"}}, false, "input_ids[? 7] mask[? 7]", nil, 0},
	} {
		m := model(c.inputs...)
		bound, _, err := Bind(m, c.options, !c.keep)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		check := func(m *onnx.Model, what string) {
			var fed []string
			for _, v := range m.Graph.Inputs {
				fed = append(fed, v.Name+v.Type.Shape.String())
			}
			if got := strings.ReplaceAll(strings.Join(fed, " "), ",", " "); got != c.fed {
				t.Errorf("%s%s: fed are %s, want %s", c.name, what, got, c.fed)
			}
			for name, shape := range c.fixed {
				i := slices.IndexFunc(m.Graph.Nodes, func(n *ir.Node) bool { return n.Name == name })
				v := m.Graph.Nodes[i].In(0)
				if !v.IsConst() || !v.Type.Shape.Equal(shape) {
					t.Errorf("%s%s: %s is %v", c.name, what, name, v.Type)
				} else if v.Data.Len() > 0 && v.Data.Float64s()[0] != c.first && name == "sr" {
					t.Errorf("%s%s: %s begins with %v", c.name, what, name, v.Data.Float64s()[0])
				}
			}
		}
		check(m, "")
		again := model(c.inputs...)
		if again.Metadata = map[string]string{Key: bound}; bound == "" {
			continue
		}
		if _, _, err := Bind(again, Options{}, true); err != nil {
			t.Errorf("%s, recorded: %v", c.name, err)
			continue
		}
		check(again, ", recorded")
	}
}

// What nothing reads is not fed, unless it may tell something of tokens or has a value of its own.
func TestUnread(t *testing.T) {
	pictures := input{"image", tensor.Float32, tensor.Shape{-1, 3, 8, 8}, nil}
	ids := input{"input_ids", tensor.Int64, tensor.Shape{-1, -1}, nil}
	for _, c := range []struct {
		name     string
		fed      input
		unread   input
		given    []string
		metadata string // a key
		stays    bool
		notes    int
	}{
		{"beside pictures", pictures, input{"extra", tensor.Float32, tensor.Shape{-1, 7}, nil}, nil, "", false, 1},
		{"a number of pictures", pictures, input{"n", tensor.Int64, tensor.Shape{}, nil}, nil, "", false, 1},
		{"numbers beside tokens", ids, input{"extra", tensor.Float32, tensor.Shape{-1, 7}, nil}, nil, "", false, 1},
		{"a mask", ids, input{"attention_mask", tensor.Int64, tensor.Shape{-1, -1}, nil}, nil, "", true, 0},
		{"fixed", pictures, input{"extra", tensor.Float32, tensor.Shape{-1, 7}, nil}, []string{"extra=1"}, "", false, 0},
		{"tuned", pictures, input{"extra", tensor.Float32, tensor.Shape{-1, 7}, nil}, nil, "permafrost.kind", false, 0},
	} {
		m := model(c.fed)
		m.Metadata = map[string]string{c.metadata: "x"}
		// first, where the batch is looked for
		m.Graph.AddInput(c.unread.name, ir.Type{DType: c.unread.dtype, Shape: c.unread.shape.Clone()})
		slices.Reverse(m.Graph.Inputs)
		bound, notes, err := Bind(m, Options{Inputs: c.given}, true)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		stays := slices.ContainsFunc(m.Graph.Inputs, func(v *ir.Value) bool { return v.Name == c.unread.name })
		if stays != c.stays || len(notes) != c.notes || (bound != "") != (c.given != nil) {
			t.Errorf("%s: stays %v, want %v; notes %q, bound %q", c.name, stays, c.stays, notes, bound)
		}
	}
}

// The outputs that a model gives to its own next step are no outputs to put a head on.
func TestStateOutputs(t *testing.T) {
	m := model(input{"input", tensor.Float32, tensor.Shape{1, 1, 5}, nil}, input{"state", tensor.Float32, tensor.Shape{1, 2, 8}, nil})
	if _, _, err := Bind(m, Options{}, true); err != nil {
		t.Fatal(err)
	}
	if len(m.Graph.Outputs) != 1 || m.Graph.Outputs[0].Name != "input_out" {
		t.Errorf("outputs %v", m.Graph.Outputs)
	}
}

// A tensor of a file is in the record, so that the tuned file needs no other.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.pb")
	want := tensor.Of([]float32{1, 2, 3}, 1, 3)
	if err := onnx.WriteTensor(path, "state", want); err != nil {
		t.Fatal(err)
	}
	inputs := []input{{"x", tensor.Float32, tensor.Shape{-1, 4}, []string{"N", ""}}, {"state", tensor.Float32, tensor.Shape{-1, 3}, []string{"N", ""}}}
	bound, _, err := Bind(model(inputs...), Options{Inputs: []string{"state=" + path}}, true)
	if err != nil {
		t.Fatal(err)
	}
	m := model(inputs...)
	m.Metadata = map[string]string{Key: bound}
	if _, _, err := Bind(m, Options{}, true); err != nil {
		t.Fatal(err)
	}
	if v := m.Graph.Nodes[1].In(0); !v.IsConst() || !slices.Equal(v.Data.F32(), want.F32()) {
		t.Errorf("recorded is %v", v.Data)
	}
}

func TestBindErrors(t *testing.T) {
	inputs := []input{{"x", tensor.Float32, tensor.Shape{-1, -1}, []string{"N", "T"}}, {"flag", tensor.Bool, tensor.Shape{}, nil}, {"k", tensor.Int64, tensor.Shape{-1, -1}, []string{"N", "K"}}}
	for _, c := range []struct {
		options Options
		want    string
	}{
		{Options{Inputs: []string{"flag"}}, "want NAME=VALUE"},
		{Options{Inputs: []string{"y=1"}}, "no such input"},
		{Options{Inputs: []string{"flag=2"}}, "cannot be 2"},
		{Options{Inputs: []string{"flag=maybe"}}, "want a number"},
		{Options{Inputs: []string{"k=1"}}, "is open: give its sizes too, as option shape k=1,64"},
		{Options{Inputs: []string{"x=1", "flag=true", "k=1"}, Shapes: []string{"x=1,2", "k=1,2"}}, "every input"},
		{Options{}, `takes "flag", one bool for all examples: give option input flag=false`},
		{Options{Inputs: []string{"x=1", "k=1"}, Shapes: []string{"x=1,2", "k=1,2"}}, "every input"},
		{Options{Shapes: []string{"x=1,2,3"}}, "has 2 axes"},
		{Options{Shapes: []string{"Q=3"}}, "no such input or axis"},
		{Options{Shapes: []string{"x=1,y"}}, `"y" is not a size`},
	} {
		if _, _, err := Bind(model(inputs...), c.options, true); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want %q", c.options, err, c.want)
		}
	}
}

// A value for a cache without steps would do nothing.
func TestValueOfAnEmptyCache(t *testing.T) {
	inputs := []input{{"x", tensor.Float32, tensor.Shape{-1, 4}, []string{"N", ""}}, {"past_k", tensor.Float32, tensor.Shape{-1, 2, -1, 8}, []string{"N", "", "P", ""}}}
	_, _, err := Bind(model(inputs...), Options{Inputs: []string{"past_k=1"}}, true)
	if want := "no place for the value: give zeros, or its sizes too, as option shape past_k=1,2,64,8"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q", err, want)
	}
	if _, _, err := Bind(model(inputs...), Options{Inputs: []string{"past_k=1"}, Shapes: []string{"past_k=1,2,64,8"}}, true); err != nil {
		t.Error(err)
	}
}
