package run

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// What a head reads is weighed once for the same model and examples, whatever the learning rate.
func TestPlacesWeighedOnce(t *testing.T) {
	t.Setenv("PERMAFROST_CACHE", t.TempDir())
	base := vectorConfig(t, 0, 40)
	base.Cache = "disk"
	for _, c := range []struct {
		name  string
		edit  func(*config.Config)
		known bool
	}{
		{"the first run", func(*config.Config) {}, false},
		{"another rate", func(c *config.Config) { c.LR, c.Epochs, c.Threads = 0.5, 3, 1 }, true},
		{"another data set", func(c *config.Config) { c.Data = vectorConfig(t, 0, 30).Data }, false},
		{"another model", func(c *config.Config) { c.Model = otherName(t, c.Model) }, false},
		{"another pooling", func(c *config.Config) { c.Pool = "max" }, false},
		{"no cache", func(c *config.Config) { c.Cache = "off" }, false},
		{"the first run again", func(*config.Config) {}, true},
	} {
		cfg := base
		c.edit(&cfg)
		s, err := Prepare(t.Context(), cfg)
		must(t, err)
		must(t, s.ChoosePlace(t.Context()))
		notes := slices.DeleteFunc(s.Notes, func(n string) bool { return !strings.Contains(n, "found from the graph") })
		if !slices.Equal(s.Config.Attach, []string{firstPlace}) || len(notes) != 1 {
			t.Errorf("%s: the head reads %q, notes %q", c.name, s.Config.Attach, notes)
			continue
		}
		if got := strings.Contains(notes[0], "compared by an earlier run"); got != c.known {
			t.Errorf("%s: %s", c.name, notes[0])
		}
	}
}

// What was tried without a fault is tried once, and a fault is found again by every run.
func TestTriedOnce(t *testing.T) {
	t.Setenv("PERMAFROST_CACHE", t.TempDir())
	good := vectorConfig(t, 3, 8)
	bad := mixing(t, func(g *ir.Graph, x *ir.Value) *ir.Value {
		mean := g.AddNode(&ir.Node{Name: "mean", Op: "ReduceMean", Version: 17, Attrs: ir.Attrs{"axes": []int{0}}, Inputs: []*ir.Value{x}}, []ir.Type{{DType: tensor.Float32}}, "mean").Outputs[0]
		return g.AddNode(&ir.Node{Name: "less", Op: "Sub", Version: 17, Attrs: ir.Attrs{}, Inputs: []*ir.Value{x, mean}}, []ir.Type{{DType: tensor.Float32}}, "less").Outputs[0]
	})
	for _, c := range []struct {
		name   string
		cfg    config.Config
		edit   func(*config.Config)
		before bool // an earlier run tried it
		fails  bool
	}{
		{"the first run", good, func(*config.Config) {}, false, false},
		{"another rate", good, func(c *config.Config) { c.LR = 0.5 }, true, false},
		{"another head", good, func(c *config.Config) { c.Head = "mlp:4" }, false, false},
		{"another seed, so other examples", good, func(c *config.Config) { c.Seed = 9 }, false, false},
		{"examples that mix", bad, func(*config.Config) {}, false, true},
		{"examples that mix, again", bad, func(*config.Config) {}, false, true},
	} {
		cfg := c.cfg
		cfg.Cache = "disk"
		c.edit(&cfg)
		s, err := Prepare(t.Context(), cfg)
		must(t, err)
		if got := s.tried(t); got != c.before {
			t.Errorf("%s: tried before: %v", c.name, got)
		}
		if err := s.Try(t.Context()); (err != nil) != c.fails {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := s.tried(t); got == c.fails {
			t.Errorf("%s: recorded as tried: %v", c.name, got)
		}
	}
}

func (s *Session) tried(t *testing.T) bool {
	t.Helper()
	tr := trial{session: s}
	about, known, err := tr.subject()
	must(t, err)
	return known && s.Findings().Get(triedQuestion, about, &struct{}{})
}

// otherName is a model that computes the same and is another file.
func otherName(t *testing.T, model string) string {
	t.Helper()
	m, err := onnx.Open(model)
	must(t, err)
	path := filepath.Join(t.TempDir(), "m.onnx")
	must(t, m.WriteFile(path, &onnx.Patch{Metadata: map[string]string{"a": "b"}}))
	return path
}
