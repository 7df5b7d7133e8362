package permafrost_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost"
)

// TestPublic: whatever a caller sees has a doc comment and is of types that this package or the
// standard library owns, and none is any.
func TestPublic(t *testing.T) {
	fset := token.NewFileSet()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		s := surface{t, fset, map[string]bool{}}
		for _, i := range f.Imports {
			if strings.Contains(i.Path.Value, "/internal/") {
				name := filepath.Base(strings.Trim(i.Path.Value, `"`))
				if i.Name != nil {
					name = i.Name.Name
				}
				s.internal[name] = true
			}
		}
		for _, d := range f.Decls {
			s.decl(d)
		}
	}
}

// surface checks what a file exports.
type surface struct {
	t        *testing.T
	fset     *token.FileSet
	internal map[string]bool // names of internal packages
}

func (s surface) errorf(at ast.Node, format string, a ...any) {
	s.t.Helper()
	s.t.Errorf("%v: %s", s.fset.Position(at.Pos()), fmt.Sprintf(format, a...))
}

func (s surface) decl(d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if !d.Name.IsExported() || d.Recv != nil && !ast.IsExported(receiver(d)) {
			return
		}
		if d.Doc == nil && !wellKnown[d.Name.Name] {
			s.errorf(d, "%s has no doc comment", d.Name.Name)
		}
		if !wellKnown[d.Name.Name] {
			s.types(d.Type)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if !spec.Name.IsExported() {
					continue
				}
				if d.Doc == nil && spec.Doc == nil {
					s.errorf(spec, "%s has no doc comment", spec.Name.Name)
				}
				if spec.Assign != 0 {
					s.errorf(spec, "%s is an alias", spec.Name.Name)
				}
				s.types(spec.Type)
			case *ast.ValueSpec:
				if spec.Names[0].IsExported() && d.Doc == nil && spec.Doc == nil && spec.Comment == nil {
					s.errorf(spec, "%s has no doc comment", spec.Names[0].Name)
				}
			}
		}
	}
}

// wellKnown are methods whose form others decide.
var wellKnown = map[string]bool{"As": true, "Error": true, "Type": true, "String": true, "Unwrap": true}

func receiver(d *ast.FuncDecl) string {
	t := d.Recv.List[0].Type
	if p, ok := t.(*ast.StarExpr); ok {
		t = p.X
	}
	id, _ := t.(*ast.Ident)
	if id == nil {
		return ""
	}
	return id.Name
}

// types looks at the types in an exported declaration, apart from fields that are not exported.
func (s surface) types(e ast.Node) {
	if st, ok := e.(*ast.StructType); ok {
		for _, f := range st.Fields.List {
			if len(f.Names) == 0 || f.Names[0].IsExported() {
				s.types(f.Type)
			}
		}
		return
	}
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			if n.Name == "any" {
				s.errorf(n, "any")
			}
		case *ast.InterfaceType:
			if len(n.Methods.List) == 0 {
				s.errorf(n, "an empty interface")
			}
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && s.internal[x.Name] {
				s.errorf(n, "%s.%s is a type of an internal package", x.Name, n.Sel.Name)
			}
		}
		return true
	})
}

// TestConfigFields: each option says what it means.
func TestConfigFields(t *testing.T) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "config.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(f, func(node ast.Node) bool {
		spec, ok := node.(*ast.TypeSpec)
		if !ok || spec.Name.Name != "Config" {
			return true
		}
		for _, field := range spec.Type.(*ast.StructType).Fields.List {
			n++
			if name := field.Names[0].Name; len(field.Names) != 1 || field.Doc == nil || !strings.HasPrefix(field.Doc.Text(), name+" ") {
				t.Errorf("%s: a doc comment that begins with the name is missing", name)
			}
		}
		return false
	})
	if want := reflect.TypeFor[permafrost.Config]().NumField(); n != want {
		t.Errorf("%d of %d fields seen", n, want)
	}
}

// TestErrors: what callers ask of errors.
func TestErrors(t *testing.T) {
	dir, model, photos := pretrained()
	defer os.RemoveAll(dir)
	ctx := context.Background()
	fit := func(change func(*permafrost.Config)) error {
		cfg := permafrost.DefaultConfig()
		cfg.Model, cfg.Data, cfg.Epochs = model, photos, 1
		change(&cfg)
		_, err := permafrost.Fit(ctx, cfg)
		return err
	}
	var option *permafrost.OptionError
	err := fit(func(c *permafrost.Config) { c.LRMult = []string{"head=x"} })
	if !errors.Is(err, permafrost.ErrBadInput) || !errors.As(err, &option) || option.Option != "lr_mult" {
		t.Errorf("a bad option: %v", err)
	}
	err = fit(func(c *permafrost.Config) { c.Thaw = []string{"nowhere"} })
	if !errors.Is(err, permafrost.ErrBadInput) || !errors.As(err, &option) || option.Option != "thaw" {
		t.Errorf("a selector of nothing: %v", err)
	}
	if err := fit(func(c *permafrost.Config) { c.Model = "none.onnx" }); !errors.Is(err, permafrost.ErrBadInput) {
		t.Errorf("no such model: %v", err)
	}
	var diverged *permafrost.DivergedError
	err = fit(func(c *permafrost.Config) { c.Thaw, c.LR, c.Optimizer = []string{"all"}, 3e38, "sgd" })
	if !errors.As(err, &diverged) || diverged.Where == "" || errors.Is(err, permafrost.ErrBadInput) {
		t.Errorf("a rate that is far too high: %v", err)
	}
	out := filepath.Join(dir, "run")
	if err := fit(func(c *permafrost.Config) { c.Out = out }); err != nil {
		t.Fatal(err)
	}
	cfg, err := permafrost.LoadRun(out)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Seed++
	if _, err := permafrost.Resume(ctx, cfg); !errors.Is(err, permafrost.ErrOtherRun) || !errors.Is(err, permafrost.ErrBadInput) {
		t.Errorf("another seed: %v", err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	cfg.Out = filepath.Join(dir, "never")
	if _, err := permafrost.Fit(ended, cfg); !errors.Is(err, permafrost.ErrInterrupted) || !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: %v", err)
	}
}

// TestNoFlagNames: the library calls an option by its name. That it is a flag is the command line's
// affair, and that of help texts, of the line that run.yaml begins with, and of the demonstration and
// the pages of a run, a search and a federation and model cards, which tell how to go on. Commands of other tools have flags of their own.
func TestNoFlagNames(t *testing.T) {
	flagName := regexp.MustCompile(`(^|[^-\w])--[a-z]`)
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() && (filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go")) {
			return err
		}
		if d.IsDir() {
			switch filepath.ToSlash(path) {
			case "bench", "cmd", "examples", "internal/demo", "internal/trials/page", "internal/fed/page", "internal/run/page", "internal/dash", "internal/publish", ".git":
				return filepath.SkipDir
			}
			return nil
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			return err
		}
		tags := map[ast.Node]bool{}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Field:
				if n.Tag != nil {
					tags[n.Tag] = true
				}
			case *ast.BasicLit:
				if n.Kind == token.STRING && !tags[n] && flagName.MatchString(n.Value) && !strings.Contains(n.Value, "does it again") &&
					!strings.Contains(n.Value, "tf2onnx") && !strings.Contains(n.Value, "optimum-cli") {
					t.Errorf("%v: %s names a flag", fset.Position(n.Pos()), n.Value)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
