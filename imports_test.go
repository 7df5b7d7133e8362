package permafrost_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/permafrost-ml/permafrost"

// imports lists the packages from the bottom up: what each may import of this module, and of
// others. The standard library is open to all. A package may only import packages above it in the
// table.
var imports = []struct {
	pkg    string
	own    string
	others string
}{
	{"internal/version", "", ""},
	{"internal/random", "", ""},
	{"internal/hugepage", "", ""},
	{"internal/tensor", "internal/hugepage", ""},
	{"internal/kernel", "internal/tensor", "golang.org/x/sys/cpu"},
	{"internal/atomicfile", "", "golang.org/x/sys/unix"},
	{"internal/ondisk", "", "golang.org/x/sys/unix"},
	{"internal/filelock", "", "golang.org/x/sys/unix golang.org/x/sys/windows"},
	{"internal/decode", "internal/kernel", ""},
	{"internal/option", "", ""},
	{"internal/tokenize", "", "github.com/dlclark/regexp2 golang.org/x/text/unicode/norm"},
	{"internal/ir", "internal/tensor", ""},
	{"internal/op", "internal/ir internal/kernel internal/tensor", ""},
	{"internal/hub/layout", "", ""},
	{"internal/onnx", "internal/hub/layout internal/ir internal/ondisk internal/atomicfile internal/tensor", "google.golang.org/protobuf/encoding/protowire"},
	{"internal/dynamicbatch", "internal/onnx internal/ir internal/tensor", ""},
	{"internal/evalmode", "internal/onnx internal/ir", ""},
	{"internal/safetensors", "internal/tensor", ""},
	{"internal/freeze", "internal/op internal/tensor internal/ir internal/kernel internal/ondisk internal/option", ""},
	{"internal/adapter", "internal/freeze internal/onnx internal/ir internal/option internal/tensor", ""},
	{"internal/peft", "internal/adapter internal/freeze internal/safetensors internal/ir internal/atomicfile internal/tensor", ""},
	{"internal/schedule", "", ""},
	{"internal/sideinput", "internal/safetensors internal/onnx internal/ir internal/option internal/tensor", ""},
	{"internal/checkpoint", "internal/freeze internal/safetensors internal/onnx internal/ir internal/tensor", ""},
	{"internal/grad", "internal/ir internal/tensor", ""},
	{"internal/compile", "internal/grad internal/op internal/ir internal/ondisk internal/tensor", ""},
	{"internal/cache", "internal/atomicfile", "golang.org/x/sys/unix golang.org/x/sys/windows"},
	// Search and federation stand on it. Nothing that only fine-tunes or predicts may reach it.
	{"internal/cluster", "internal/filelock internal/atomicfile", "github.com/nats-io/nats-server/v2/server github.com/nats-io/nats.go github.com/nats-io/nats.go/jetstream github.com/nats-io/nuid golang.org/x/crypto/bcrypt"},
	{"internal/cluster/tree", "internal/cluster", ""},
	{"internal/fed/aggregate", "", ""},
	{"internal/fed/compress", "internal/tensor", ""},
	{"internal/fed/freezing", "", ""},
	{"internal/fed/mixture", "", ""},
	{"internal/fed/partition", "", "gonum.org/v1/gonum/stat/distuv"},
	{"internal/fed/privacy", "", ""},
	{"internal/fed/secure", "", "github.com/cloudflare/circl/group github.com/cloudflare/circl/secretsharing"},
	{"internal/data/spec", "", ""},
	{"internal/data/sound", "internal/data/spec", "github.com/mewkiz/flac gonum.org/v1/gonum/dsp/fourier"},
	{"internal/data/picture", "internal/data/spec", "golang.org/x/image/bmp golang.org/x/image/tiff golang.org/x/image/webp"},
	{"internal/data/shards", "", "github.com/klauspost/compress/snappy github.com/klauspost/compress/zstd github.com/parquet-go/parquet-go/..."},
	{"internal/guide", "internal/data/picture internal/data/sound internal/data/spec", ""},
	{"internal/data", "internal/data/shards internal/option internal/tensor", "golang.org/x/text/unicode/norm"},
	{"internal/calibrate", "", ""},
	{"internal/task", "internal/calibrate internal/data internal/op internal/ir internal/option internal/decode internal/kernel internal/tensor", ""},
	{"internal/gzipped", "", ""},
	{"internal/feed", "internal/gzipped internal/task internal/data internal/data/picture internal/data/sound internal/compile internal/sideinput internal/safetensors internal/onnx internal/ir internal/tokenize internal/option internal/tensor", ""},
	{"internal/hub", "internal/hub/layout internal/peft internal/feed internal/onnx internal/filelock internal/atomicfile internal/version", ""},
	{"internal/hub/hubtest", "", ""},
	{"internal/split", "internal/peft internal/feed internal/task internal/data internal/compile internal/grad internal/sideinput internal/adapter internal/freeze internal/evalmode internal/dynamicbatch internal/ondisk internal/onnx internal/ir internal/option internal/kernel internal/tensor internal/random", ""},
	{"internal/keep", "internal/split internal/feed internal/data internal/cache internal/compile internal/ir internal/kernel internal/tensor internal/version", ""},
	{"internal/optim", "internal/option internal/kernel internal/tensor", ""},
	{"internal/terminal", "", "golang.org/x/sys/windows golang.org/x/term"},
	{"internal/report", "internal/task internal/terminal", "golang.org/x/sys/windows"},
	{"internal/tuned", "internal/split internal/feed internal/gzipped internal/task internal/data internal/compile internal/sideinput internal/freeze internal/safetensors internal/onnx internal/ir internal/tokenize internal/decode internal/atomicfile internal/kernel internal/tensor", ""},
	{"internal/diagnose", "internal/report internal/task", ""},
	{"internal/ridge", "", "gonum.org/v1/gonum/mat"},
	{"internal/config", "internal/hub internal/hub/layout internal/report internal/optim internal/keep internal/split internal/feed internal/task internal/data internal/sideinput internal/schedule internal/adapter internal/freeze internal/ir internal/option", "github.com/goccy/go-yaml"},
	{"internal/chart", "", ""},
	{"internal/chart/raster", "", "golang.org/x/image/font golang.org/x/image/font/gofont/goregular golang.org/x/image/font/opentype golang.org/x/image/math/fixed golang.org/x/image/vector"},
	{"internal/tensorboard", "internal/chart/raster internal/atomicfile", "google.golang.org/protobuf/encoding/protowire"},
	{"internal/run", "internal/adapter internal/tensorboard internal/peft internal/hub/layout internal/ridge internal/calibrate internal/config internal/diagnose internal/tuned internal/report internal/optim internal/keep internal/split internal/feed internal/task internal/data internal/cache internal/schedule internal/freeze internal/safetensors internal/ondisk internal/onnx internal/option internal/atomicfile internal/kernel internal/tensor internal/random internal/version",
		"gonum.org/v1/gonum/floats gonum.org/v1/gonum/mat gonum.org/v1/gonum/stat/distuv"},
	{"internal/publish", "internal/run internal/config internal/report internal/tuned internal/feed internal/task internal/freeze internal/onnx internal/hub/layout internal/atomicfile internal/option", "github.com/goccy/go-yaml"},
	{"internal/inspect", "internal/run internal/config internal/report internal/optim internal/keep internal/split internal/feed internal/task internal/data internal/compile internal/freeze internal/ir internal/option internal/kernel internal/tensor", ""},
	{"internal/alike", "", "gonum.org/v1/gonum/mat"},
	{"internal/choose", "internal/alike internal/inspect internal/run internal/config internal/keep internal/split internal/task internal/data internal/adapter internal/freeze internal/option internal/tensor",
		"gonum.org/v1/gonum/blas gonum.org/v1/gonum/blas/blas64 gonum.org/v1/gonum/lapack gonum.org/v1/gonum/lapack/gonum gonum.org/v1/gonum/mat"},
	{"internal/search/space", "internal/option", "github.com/goccy/go-yaml github.com/goccy/go-yaml/..."},
	{"internal/search/pareto", "", ""},
	{"internal/search", "internal/search/pareto internal/search/space internal/random", "gonum.org/v1/gonum/mat gonum.org/v1/gonum/stat gonum.org/v1/gonum/stat/distuv"},
	{"internal/auto", "internal/search internal/choose internal/run internal/config internal/report internal/task internal/data internal/calibrate internal/kernel", ""},
	{"internal/compare", "internal/chart internal/chart/raster internal/run internal/config internal/option internal/atomicfile", "gonum.org/v1/gonum/stat gonum.org/v1/gonum/stat/distuv"},
	{"internal/chart/charttest", "", "golang.org/x/net/html"},
	{"internal/facts", "internal/inspect internal/run internal/data internal/freeze internal/kernel internal/task", ""},
	{"internal/run/page", "internal/chart internal/facts internal/atomicfile internal/compare internal/run internal/config internal/report internal/freeze internal/task", ""},
	{"internal/demo", "internal/run/page internal/inspect internal/run internal/config internal/tuned internal/report internal/terminal internal/data/sound internal/freeze internal/onnx internal/ir internal/kernel internal/tensor",
		"golang.org/x/image/font golang.org/x/image/font/... golang.org/x/image/math/fixed golang.org/x/image/vector"},
	{"internal/demo/gen", "internal/demo internal/config internal/report", ""},
	{"internal/testcase", "internal/compile internal/onnx internal/ir internal/tensor", ""},
	{"internal/fixture/shared", "", ""},
	{"internal/fixture", "internal/onnx internal/ir internal/tensor", ""},
	// The public library reaches all that a user may call; nothing below knows of it.
	{".", "internal/publish internal/hub internal/peft internal/hub/layout internal/run/page internal/guide internal/testcase internal/demo internal/compare internal/auto internal/choose internal/inspect internal/run internal/config internal/tuned internal/report internal/split internal/feed internal/task internal/data internal/data/picture internal/cache internal/checkpoint internal/schedule internal/freeze internal/onnx internal/ir internal/option internal/decode internal/atomicfile internal/kernel internal/tensor internal/version", ""},
	{"bench", "", "gonum.org/v1/plot gonum.org/v1/plot/..."},
	{"bench/regret", "internal/demo", ""},
	{"bench/federate", "", "gonum.org/v1/plot gonum.org/v1/plot/..."},
	{"bench/same", "", ""},
	{"bench/lossy", "", "golang.org/x/sys/unix"},
	{"bench/serve", "", ""},
	{"bench/arm64", "", ""},
	{"bench/arm64/once", "internal/kernel", ""},
	{"examples/loop", ".", ""},
	{"examples/personalise", ".", ""},
	{"examples/serve", ".", ""},
	{"examples/service", ".", ""},
	{"examples/source", ".", ""},
	{"internal/trials", "internal/atomicfile internal/choose internal/search internal/search/pareto internal/search/space internal/inspect internal/run internal/keep internal/report internal/config internal/compile internal/split internal/data internal/task internal/adapter internal/freeze internal/option internal/kernel internal/random internal/tensor internal/version", ""},
	{"internal/trials/page", "internal/chart internal/trials internal/search internal/search/space", ""},
	{"internal/frozenpass", "internal/cluster/tree internal/cluster internal/run internal/config internal/keep internal/split internal/feed internal/task internal/data internal/freeze internal/onnx internal/kernel internal/tensor", "github.com/klauspost/compress/s2"},
	{"internal/trials/workers", "internal/frozenpass internal/trials internal/search internal/cluster/tree internal/cluster internal/run internal/config internal/data internal/option internal/kernel internal/version", ""},
	{"internal/failure", ". internal/option", ""},
	{"search", ". internal/frozenpass internal/keep internal/run internal/run/page internal/failure internal/trials internal/trials/workers internal/cluster internal/cache internal/trials/page internal/search/space internal/config internal/atomicfile internal/report internal/terminal internal/kernel internal/option internal/version", ""},
	{"internal/fed", "internal/fed/aggregate internal/fed/compress internal/fed/freezing internal/fed/mixture internal/fed/privacy internal/fed/secure internal/config internal/run internal/keep internal/split internal/report internal/task internal/safetensors internal/option internal/atomicfile internal/kernel internal/tensor internal/random internal/version", ""},
	{"internal/fed/simulate", "internal/fed internal/fed/partition internal/run internal/keep internal/data internal/report internal/option internal/kernel internal/random", ""},
	{"internal/fed/page", "internal/chart internal/fed internal/run internal/report", ""},
	{"internal/fed/link", "internal/fed internal/cluster internal/cluster/tree internal/run internal/keep internal/data internal/onnx internal/config internal/kernel internal/version", ""},
	{"federate", ". internal/failure internal/fed internal/fed/simulate internal/fed/link internal/fed/page internal/cluster internal/cache internal/run internal/data internal/config internal/report internal/task internal/option internal/atomicfile internal/kernel", ""},
	{"internal/joint", "internal/split internal/compile internal/ir internal/tensor", ""},
	// Nothing that only fine-tunes or predicts may reach it.
	{"internal/serve", "internal/joint internal/tuned internal/feed internal/task internal/data internal/onnx internal/tensor internal/version",
		"github.com/prometheus/client_golang/prometheus github.com/prometheus/client_golang/prometheus/... golang.org/x/net/netutil"},
	{"serve", ". internal/failure internal/serve internal/config internal/kernel", ""},
	{"internal/dash/layered", "", ""},
	// Nothing that only fine-tunes or predicts may reach it.
	{"internal/dash", "internal/dash/layered internal/chart internal/run/page internal/trials/page internal/fed/page internal/trials internal/fed internal/compare internal/inspect internal/run internal/config internal/freeze internal/report internal/hub/layout internal/option", ""},
	{"ui", ". internal/failure internal/dash", ""},
	{"cmd/permafrost", ". search federate serve ui internal/hugepage internal/terminal",
		"github.com/spf13/cobra github.com/spf13/cobra/doc github.com/spf13/pflag"},
}

// TestImports holds every package to the table. Tests may import what they need.
func TestImports(t *testing.T) {
	row := map[string]int{}
	for i, r := range imports {
		row[r.pkg] = i
		for own := range strings.FieldsSeq(r.own) {
			if at, ok := row[own]; !ok || at == i {
				t.Errorf("the table lets %s import %s, which does not stand above it", r.pkg, own)
			}
		}
	}
	seen := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			name := d.Name()
			_, mod := os.Stat(filepath.Join(path, "go.mod"))
			if path != "." && (mod == nil || name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		pkg := filepath.ToSlash(filepath.Dir(path))
		i, ok := row[pkg]
		if !ok {
			t.Errorf("%s: package %s is not in the table of imports_test.go", path, pkg)
			return nil
		}
		seen[pkg] = true
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range f.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if !allowed(imports[i].own, imports[i].others, imported) {
				t.Errorf("%s imports %s, which the table does not let %s", path, imported, pkg)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range imports {
		if !seen[r.pkg] {
			t.Errorf("the table holds %s, which does not exist", r.pkg)
		}
	}
}

// TestNoNATS: a program that only tunes or predicts contains no NATS, since nothing that package
// permafrost imports does.
func TestNoNATS(t *testing.T) {
	row := map[string]int{}
	for i, r := range imports {
		row[r.pkg] = i
	}
	seen := map[string]bool{}
	var visit func(pkg, by string)
	visit = func(pkg, by string) {
		if seen[pkg] {
			return
		}
		seen[pkg] = true
		r := imports[row[pkg]]
		if strings.Contains(r.others, "nats-io") && !seen["search"] {
			t.Errorf("%s imports %s, which stands on NATS", by, pkg)
		}
		for own := range strings.FieldsSeq(r.own) {
			visit(own, pkg)
		}
	}
	visit(".", "a program")
	if t.Failed() {
		return
	}
	if visit("search", "a program"); !seen["internal/cluster"] {
		t.Error("package search does not reach the cluster, so the test shows nothing")
	}
}

func allowed(own, others, path string) bool {
	if path == module {
		return slices.Contains(strings.Fields(own), ".")
	}
	if inner, ok := strings.CutPrefix(path, module+"/"); ok {
		return slices.Contains(strings.Fields(own), inner)
	}
	first, _, _ := strings.Cut(path, "/")
	if !strings.Contains(first, ".") {
		return path != "C" // the standard library; no cgo
	}
	for o := range strings.FieldsSeq(others) {
		if prefix, ok := strings.CutSuffix(o, "..."); o == path || ok && strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}
