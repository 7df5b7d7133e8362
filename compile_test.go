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
