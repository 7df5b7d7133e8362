package run

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost/internal/cache"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// cacheEvents keeps the cache events of a run.
type cacheEvents []report.CacheEvent

func (c *cacheEvents) Emit(_ time.Time, e report.Event) {
	if e, ok := e.(*report.CacheEvent); ok {
		*c = append(*c, *e)
	}
}

// fitCached runs a configuration and returns the tuned model's bytes and the cache event.
func fitCached(t *testing.T, cfg config.Config) ([]byte, report.CacheEvent) {
	t.Helper()
	cfg.Out = t.TempDir()
	var events cacheEvents
	if _, err := fit(t, context.Background(), cfg, false, &events); err != nil {
		t.Fatal(err)
	}
	if len(events) != 1 {
		t.Fatalf("%d cache events", len(events))
	}
	return read(t, cfg.Out, ModelFile), events[0]
}

// ownCache gives a test a cache of its own.
func ownCache(t *testing.T) string {
	dir := t.TempDir()
	t.Setenv("PERMAFROST_CACHE", dir)
	return dir
}

// Where frozen values come from changes not a bit of what training makes of them.
func TestCacheChangesNoBit(t *testing.T) {
	for _, thaw := range []string{"head", "last:1"} {
		cfg := tinyConfig(t)
		cfg.Thaw = []string{thaw}
		dir := ownCache(t)
		cfg.Cache = "off"
		want, e := fitCached(t, cfg)
		if e.Where != "off" || e.Hits+e.Misses != 0 {
			t.Errorf("off: %+v", e)
		}
		n := 96
		for _, c := range []struct {
			kind   string
			budget int64
			where  string
			hits   int
		}{
			{"ram", 0, "ram", 0},
			{"disk", 0, "disk", 0},
			{"disk", 0, "disk", n},
			{"auto", 0, "disk", n},
			{"ram", 0, "ram", 0},
		} {
			cfg.Cache, cfg.CacheBudget = c.kind, c.budget
			got, e := fitCached(t, cfg)
			if !bytes.Equal(got, want) {
				t.Errorf("thaw %s, cache %s: another model", thaw, c.kind)
			}
			if e.Where != c.where || e.Hits != c.hits || e.Hits+e.Misses != n {
				t.Errorf("thaw %s, cache %s: %+v, want %d hits", thaw, c.kind, e, c.hits)
			}
		}
		for _, f := range files(t, dir, "*.pack") { // every block is damaged now
			b := read(t, f)
			for i := range b {
				b[i] ^= 1
			}
			if err := os.WriteFile(f, b, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		cfg.Cache = "disk"
		got, e := fitCached(t, cfg)
		if !bytes.Equal(got, want) || e.Hits != 0 {
			t.Errorf("damaged: another model %v, %+v", !bytes.Equal(got, want), e)
		}
		if _, e := fitCached(t, cfg); e.Hits != n {
			t.Errorf("after damage: %+v", e)
		}
	}
}

func files(t *testing.T, dir, pattern string) []string {
	t.Helper()
	m, err := filepath.Glob(filepath.Join(dir, "v1", "*", pattern))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A head-only run starts from what a run with more thawed has kept, and runs only the layers
// between.
func TestPartialReuse(t *testing.T) {
	cfg := tinyConfig(t)
	cfg.Cache = "off"
	want, _ := fitCached(t, cfg)
	ownCache(t)
	deeper := cfg
	deeper.Thaw, deeper.Cache = []string{"last:1"}, "disk"
	fitCached(t, deeper)
	cfg.Cache = "disk"
	got, e := fitCached(t, cfg)
	if e.Near != 96 || e.Misses != 0 || e.Hits != 0 {
		t.Errorf("%+v, want all examples computed from the nearer values", e)
	}
	if !bytes.Equal(got, want) {
		t.Error("another model")
	}
	if _, e := fitCached(t, cfg); e.Hits != 96 {
		t.Errorf("%+v, want all examples found", e)
	}
}

// A cache that cannot be made costs a note, unless it was asked for.
func TestNoPlaceForTheCache(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	cfg := tinyConfig(t)
	for _, c := range []struct {
		dir, kind   string
		fails, note bool
	}{
		{file, "auto", false, true}, {file, "disk", true, false}, {file, "ram", false, false},
		{"off", "auto", false, false}, {"off", "disk", true, false},
	} {
		t.Setenv("PERMAFROST_CACHE", c.dir)
		cfg.Cache = c.kind
		shared, note, err := keep.OpenCache(cfg.KeepOptions())
		if shared != nil || err != nil != c.fails || note != "" != c.note {
			t.Errorf("%s in %s: %v, %q, %v", c.kind, filepath.Base(c.dir), shared, note, err)
		}
		if err == nil {
			if _, e := fitCached(t, cfg); e.Where != "ram" {
				t.Errorf("%s in %s: %+v", c.kind, filepath.Base(c.dir), e)
			}
		}
	}
}

// Runs at once on one cache do not disturb each other.
func TestFitsAtOnce(t *testing.T) {
	ownCache(t)
	cfg := tinyConfig(t)
	cfg.Cache = "disk"
	models := make([][]byte, 3)
	var wg sync.WaitGroup
	for i := range models {
		c := cfg
		c.Out = t.TempDir()
		wg.Go(func() {
			r, err := fit(t, context.Background(), c, false)
			if err != nil {
				t.Error(err)
				return
			}
			models[i], _ = os.ReadFile(filepath.Join(r.Out, ModelFile))
		})
	}
	wg.Wait()
	for _, m := range models {
		if len(m) == 0 || !bytes.Equal(m, models[0]) {
			t.Error("runs at once differ")
		}
	}
}

// Where the frontier does not fit the budget, an earlier and smaller cut is kept, and the rest runs
// every epoch.
func TestSmallerCut(t *testing.T) {
	cfg := tinyConfig(t)
	cfg.Model, cfg.Thaw, cfg.Head, cfg.Cache = bottleneckModel(t), []string{"wide2.weight", "head"}, "linear", "off"
	want, _ := fitCached(t, cfg)
	ownCache(t)
	for _, kind := range []string{"ram", "disk", "auto"} {
		cfg.Cache, cfg.CacheBudget = kind, 96*4*64 // bytes: one channel of every picture, where the frontier has eight
		for range 2 {
			got, e := fitCached(t, cfg)
			if len(e.At) != 1 || e.BytesPerExample != 4*64 {
				t.Errorf("%s: %+v, want the bottleneck", kind, e)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s: another model", kind)
			}
		}
	}
	// Where nothing smaller fits, as many examples are kept as do.
	cfg.Cache, cfg.CacheBudget = "ram", 96*4*8
	got, e := fitCached(t, cfg)
	if e.At != nil || e.Bytes == 0 || e.Bytes > cfg.CacheBudget {
		t.Errorf("%+v, want some examples at the frontier", e)
	}
	if !bytes.Equal(got, want) {
		t.Error("partly kept: another model")
	}
}

// bottleneckModel narrows to one channel and widens to eight, in convolutions of 8x8 pictures.
func bottleneckModel(t *testing.T) string {
	t.Helper()
	g := ir.New("bottleneck")
	x := g.AddInput("image", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, 3, 8, 8}})
	conv := func(in *ir.Value, name string, c, k int) *ir.Value {
		w := tensor.New(tensor.Float32, k, c, 3, 3)
		for i, d := 0, w.F32(); i < len(d); i++ {
			d[i] = float32((i*7)%11)/30 - 0.1
		}
		return g.AddNode(&ir.Node{Name: "/" + name + "/Conv", Op: "Conv", Version: 17, Attrs: ir.Attrs{"pads": []int{1, 1, 1, 1}, "kernel_shape": []int{3, 3}},
			Inputs: []*ir.Value{in, g.NewParam(name+".weight", w)}}, []ir.Type{{}}, "/"+name+"/Conv_output_0").Outputs[0]
	}
	h := conv(conv(conv(conv(x, "stem", 3, 16), "narrow", 16, 1), "wide1", 1, 8), "wide2", 8, 8)
	y := g.AddNode(&ir.Node{Name: "/pool/GlobalAveragePool", Op: "GlobalAveragePool", Version: 17, Inputs: []*ir.Value{h}}, []ir.Type{{}}, "features").Outputs[0]
	y.Type = ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, 8, 1, 1}}
	g.Outputs = []*ir.Value{y}
	b, err := onnx.Build(g, onnx.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "bottleneck.onnx")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// What names a value is how it is computed: not its name nor what else the graph has, but every
// weight and attribute.
func TestIdentity(t *testing.T) {
	type parts struct {
		node   *ir.Node
		weight *ir.Value
		body   *ir.Graph
	}
	build := func(edit func(p parts)) split.Digest {
		g, body := ir.New("g"), ir.New("body")
		a := body.AddInput("a", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{2}})
		body.AddNode(&ir.Node{Name: "inner", Op: "Relu", Inputs: []*ir.Value{a}}, []ir.Type{a.Type})
		body.Outputs = body.Nodes[0].Outputs
		x := g.AddInput("x", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{2, 4}})
		w := g.NewConst("w", tensor.Of([]float32{1, 2, 3, 4}, 4, 1))
		n := &ir.Node{Name: "n", Op: "MatMul", Inputs: []*ir.Value{x, w, nil},
			Attrs: ir.Attrs{"alpha": float32(1.5), "mode": "a", "table": tensor.Of([]float32{5, 6}), "body": body}}
		g.AddNode(n, []ir.Type{{DType: tensor.Float32, Shape: tensor.Shape{2, 1}}}, "y")
		edit(parts{n, w, body})
		return split.Identify(g).Of(n.Outputs[0])
	}
	plain := build(func(parts) {})
	for _, c := range []struct {
		name string
		same bool
		edit func(p parts)
	}{
		{"names", true, func(p parts) {
			p.node.Name, p.weight.Name, p.node.Outputs[0].Name, p.body.Nodes[0].Name = "m", "v", "z", "i"
		}},
		{"operator", false, func(p parts) { p.node.Op = "Gemm" }},
		{"weight", false, func(p parts) { p.weight.Data.F32()[3] = 5 }},
		{"shape of a weight", false, func(p parts) { p.weight.Data.Shape = tensor.Shape{2, 2} }},
		{"number", false, func(p parts) { p.node.Attrs["alpha"] = float32(1.25) }},
		{"kind of number", false, func(p parts) { p.node.Attrs["alpha"] = "1.5" }},
		{"tensor", false, func(p parts) { p.node.Attrs.Tensor("table").F32()[0] = 7 }},
		{"order of inputs", false, func(p parts) { p.node.Inputs[0], p.node.Inputs[1] = p.node.Inputs[1], p.node.Inputs[0] }},
		{"absent input", false, func(p parts) { p.node.Inputs = p.node.Inputs[:2] }},
		{"body", false, func(p parts) { p.body.Nodes[0].Op = "Tanh" }},
		{"type", false, func(p parts) { p.node.Outputs[0].Type.DType = tensor.Float16 }},
	} {
		if got := build(c.edit) == plain; got != c.same {
			t.Errorf("%s: same %v, want %v", c.name, got, c.same)
		}
	}
}

// With augmentation the validation examples alone are kept, and pictures are decoded once for all
// runs.
func TestAugmentedRunsKeepPictures(t *testing.T) {
	dir := ownCache(t)
	cfg := tinyConfig(t)
	old := time.Now().Add(-time.Hour)
	if err := filepath.WalkDir(cfg.Data, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Chtimes(path, old, old))
	}); err != nil {
		t.Fatal(err)
	}
	cfg.Cache, cfg.Augment = "disk", "flip"
	want, e := fitCached(t, cfg)
	if e.Misses != 48 {
		t.Errorf("%+v, want the validation examples", e)
	}
	got, e := fitCached(t, cfg)
	if e.Hits != 48 || !bytes.Equal(got, want) {
		t.Errorf("%+v, same model %v", e, bytes.Equal(got, want))
	}
	kinds := map[string]int{}
	infos, err := cache.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range infos {
		kinds[in.Kind] += in.Blocks
	}
	if kinds["pictures"] != 96 || kinds["values"] != 48 {
		t.Errorf("kept %v", kinds)
	}
}

// A few augmented variants of each example can be kept and used in turn; later runs find them.
func TestVariants(t *testing.T) {
	ownCache(t)
	cfg := tinyConfig(t)
	cfg.Cache, cfg.Augment, cfg.CacheVariants, cfg.Epochs = "disk", "flip", 2, 3
	want, e := fitCached(t, cfg)
	if e.Misses != 2*48+48 {
		t.Errorf("%+v, want two variants of each training example", e)
	}
	got, e := fitCached(t, cfg)
	if e.Hits != 2*48+48 || !bytes.Equal(got, want) {
		t.Errorf("%+v, same model %v", e, bytes.Equal(got, want))
	}
	cfg.Cache = "ram"
	if got, _ = fitCached(t, cfg); !bytes.Equal(got, want) {
		t.Error("another model from memory")
	}
	cfg.Cache, cfg.Seed = "disk", 5
	if _, e = fitCached(t, cfg); e.Hits != 48 || e.Misses != 2*48 {
		t.Errorf("%+v: another seed has other variants", e)
	}
}

// Kept in half precision, a run computes the same bits whether values are found, put or do not fit.
func TestHalfPrecision(t *testing.T) {
	ownCache(t)
	cfg := tinyConfig(t)
	cfg.Thaw = []string{"last:1"}
	single, _ := fitCached(t, cfg)
	cfg.CachePrecision = "float16"
	want, e := fitCached(t, cfg)
	if bytes.Equal(want, single) || e.BytesPerExample != 2*8*64 {
		t.Errorf("%+v", e)
	}
	for _, c := range []struct {
		kind   string
		budget int64
	}{{"disk", 0}, {"disk", 0}, {"ram", 2 * 8 * 64 * 20}} {
		cfg.Cache, cfg.CacheBudget = c.kind, c.budget
		if got, e := fitCached(t, cfg); !bytes.Equal(got, want) {
			t.Errorf("%s %v: another model, %+v", c.kind, c.budget, e)
		}
	}
}
