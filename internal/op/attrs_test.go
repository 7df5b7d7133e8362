package op

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// TestAttributesHaveTypes reads the source of all packages: every attribute that is read somewhere
// has a known type, and is read as that, so that checking nodes where they come in leaves no
// accessor to fail.
func TestAttributesHaveTypes(t *testing.T) {
	as := map[string]ir.AttrType{"Int": ir.AttrInt, "Bool": ir.AttrInt, "Float": ir.AttrFloat, "Str": ir.AttrString, "Ints": ir.AttrInts,
		"Floats": ir.AttrFloats, "Strs": ir.AttrStrings, "Tensor": ir.AttrTensor, "Graph": ir.AttrGraph, "fattr": ir.AttrFloat}
	reads := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			var accessor string
			name := call.Args[0]
			switch fn := call.Fun.(type) {
			case *ast.SelectorExpr:
				if on, ok := fn.X.(*ast.SelectorExpr); ok && on.Sel.Name == "Attrs" {
					accessor = fn.Sel.Name
				} else if x, ok := fn.X.(*ast.Ident); ok && (x.Name == "a" || x.Name == "attrs") {
					accessor = fn.Sel.Name
				}
			case *ast.Ident:
				if fn.Name == "fattr" && len(call.Args) == 3 {
					accessor, name = fn.Name, call.Args[1]
				}
			}
			lit, ok := name.(*ast.BasicLit)
			if want, known := as[accessor]; known && ok && lit.Kind == token.STRING {
				reads++
				attr, _ := strconv.Unquote(lit.Value)
				if types := ir.AttrTypes(attr); !slices.Contains(types, want) {
					t.Errorf("%s: reads attribute %q as %v, its types are %v", fset.Position(call.Pos()), attr, want, types)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if reads < 300 {
		t.Errorf("found %d reads of attributes: the search is broken", reads)
	}
}

// An attribute of a wrong type is an error that names node, operator, attribute and both types.
func TestAttributesOfWrongType(t *testing.T) {
	for _, c := range []struct {
		node ir.Node
		want string // "" for none
	}{
		{ir.Node{Name: "c", Op: "Conv", Version: 11, Attrs: ir.Attrs{"group": float32(2)}},
			`node "c" (Conv): attribute "group" is a floating-point number, takes an integer`},
		{ir.Node{Name: "c", Op: "Conv", Version: 11, Attrs: ir.Attrs{"strides": 2}}, `attribute "strides" is an integer, takes a list of integers`},
		{ir.Node{Name: "c", Op: "Conv", Version: 11, Attrs: ir.Attrs{"auto_pad": []string{"VALID"}}}, `is a list of strings, takes a string`},
		{ir.Node{Name: "b", Op: "BatchNormalization", Version: 7, Attrs: ir.Attrs{"spatial": 1, "epsilon": float32(1)}}, ""},
		{ir.Node{Name: "l", Op: "LSTM", Version: 14, Attrs: ir.Attrs{"layout": "NHWC"}}, `attribute "layout" is a string, takes an integer`},
		{ir.Node{Name: "x", Op: "Cast", Version: 1, Attrs: ir.Attrs{"to": "FLOAT"}}, ""},
		{ir.Node{Name: "x", Op: "Cast", Version: 9, Attrs: ir.Attrs{"to": "FLOAT"}}, `attribute "to" is a string, takes an integer`},
		{ir.Node{Name: "p", Op: "LpPool", Version: 1, Attrs: ir.Attrs{"p": float32(2)}}, ""},
		{ir.Node{Name: "p", Op: "LpPool", Version: 11, Attrs: ir.Attrs{"p": float32(2)}}, `attribute "p"`},
		{ir.Node{Name: "g", Op: "Gemm", Domain: "org.example", Version: 1, Attrs: ir.Attrs{"transA": "yes"}}, `attribute "transA" is a string`},
		{ir.Node{Name: "u", Op: "Unknown", Domain: "org.example", Version: 1, Attrs: ir.Attrs{"axis": "last"}}, ""},
		{ir.Node{Name: "r", Op: "Relu", Version: 6, Attrs: ir.Attrs{"consumed_inputs": []int{0}, "anything": tensor.Scalar(1.0)}}, ""},
	} {
		err := c.node.CheckRawAttrs()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s %v: %v, want %q", c.node.Op, c.node.Attrs, err, c.want)
		}
	}
	g := ir.New("g")
	b := ir.NewBuilder(g, "n")
	g.Outputs = []*ir.Value{b.Op("Softmax", nil, g.AddInput("x", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{2, 3}}))}
	g.Nodes[0].Attrs = ir.Attrs{"axis": []int{1}}
	if err := ir.Verify(g); err == nil || !strings.Contains(err.Error(), `attribute "axis" is a list of integers, takes an integer`) {
		t.Errorf("verified: %v", err)
	}
}
