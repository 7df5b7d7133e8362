package permafrost_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// TestOneWayToCompile counts who specialises a model, freezes its weights, runs each table of
// passes, and turns a graph into a program: one place each, all of them in package compile. Whoever
// needs a graph or a program calls its Model, Train and Region.
func TestOneWayToCompile(t *testing.T) {
	want := map[string]string{ // the function called, and the one that may call it
		"specialise":  "Model",
		"freeze":      "Model",
		"modelPasses": "Model",
		"passes":      "Train",
		"recompute":   "Region",
		"program":     "Region twin",
	}
	found := map[string][]string{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		inside := f.Name.Name == "compile"
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				name, from := called(call.Fun)
				if _, counts := want[name]; counts && (from == "compile" || inside) {
					found[name] = append(found[name], fn.Name.Name)
				}
				return true
			})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, caller := range want {
		if got := strings.Join(found[name], " "); got != caller {
			t.Errorf("%s is called by %q, want %q", name, got, caller)
		}
	}
}

// called is the name of a function or method, and of the package or value before it.
func called(e ast.Expr) (name, from string) {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name, ""
	case *ast.SelectorExpr:
		if x, ok := e.X.(*ast.Ident); ok {
			from = x.Name
		}
		return e.Sel.Name, from
	}
	return "", ""
}

// TestOneBuilder: networks are built in package split alone. Nobody else makes a plan from
// selectors or puts a Network together by hand.
func TestOneBuilder(t *testing.T) {
	plans := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		inside := filepath.ToSlash(filepath.Dir(path)) == "internal/split"
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if name, from := called(n.Fun); name == "New" && from == "freeze" {
					if plans++; !inside {
						t.Errorf("%s makes a plan; split.New does", path)
					}
				}
			case *ast.CompositeLit:
				if name, from := called(n.Type); name == "Network" && from == "split" {
					t.Errorf("%s puts a network together; split.New does", path)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if plans != 1 {
		t.Errorf("%d places make plans, want 1", plans)
	}
}
