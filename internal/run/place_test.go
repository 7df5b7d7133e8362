package run

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/fixture/shared"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// vectorConfig is a fit to vectors of a model whose second layer, which the found place is behind,
// hands on so many of the twelve features of the first one; the rest of its ten are the same for every
// example.
func vectorConfig(t *testing.T, features, each int) config.Config {
	t.Helper()
	dir := t.TempDir()
	g := fixture.VectorGraph(tensor.Float32, 3, 1)
	for _, p := range g.Params() {
		if p.Name == "layers.1.weight" {
			clear(p.Data.F32())
			for k := range features {
				p.Data.F32()[k*p.Type.Shape[1]+k] = 1
			}
		}
	}
	b, err := onnx.Build(g, onnx.BuildOptions{})
	must(t, err)
	cfg := config.DefaultConfig()
	cfg.Model, cfg.Data, cfg.Cache, cfg.Epochs = filepath.Join(dir, "m.onnx"), dir, "off", 1
	must(t, os.WriteFile(cfg.Model, b, 0o644))
	must(t, fixture.WriteVectors(dir, each, 3))
	return cfg
}

const foundPlace, firstPlace = "/layers.1/Relu_output_0", "/layers.0/Relu_output_0"

func TestChoosePlace(t *testing.T) {
	for name, c := range map[string]struct {
		features, each int
		edit           func(*config.Config)
		want           []string
		note           bool
	}{
		"the found place tells enough":       {10, 40, nil, []string{foundPlace}, false},
		"the found place tells nothing":      {0, 40, nil, []string{firstPlace}, true},
		"more trains than the head":          {0, 40, func(c *config.Config) { c.Thaw = []string{"head", "last:1"} }, []string{}, false},
		"few examples":                       {0, 8, nil, []string{}, false},
		"a named place":                      {0, 40, func(c *config.Config) { c.Attach = []string{foundPlace} }, []string{foundPlace}, false},
		"no places are read by the own head": {0, 40, func(c *config.Config) { c.Head = "keep" }, []string{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := vectorConfig(t, c.features, c.each)
			if c.edit != nil {
				c.edit(&cfg)
			}
			s, err := Prepare(t.Context(), cfg)
			must(t, err)
			must(t, s.ChoosePlace(t.Context()))
			if !slices.Equal(s.Config.Attach, c.want) {
				t.Errorf("the head reads %q, want %q", s.Config.Attach, c.want)
			}
			said := slices.ContainsFunc(s.Notes, func(n string) bool { return strings.Contains(n, "found from the graph") })
			if said != c.note {
				t.Errorf("notes %q", s.Notes)
			}
			if err := s.Check(); err != nil {
				t.Error(err)
			}
			if s.rateOpen != true || s.Config.LR == 0 {
				t.Errorf("rate %v, open %v", s.Config.LR, s.rateOpen)
			}
			again := s.Config.Attach
			must(t, s.Settle(t.Context()))
			if !slices.Equal(s.Config.Attach, again) {
				t.Errorf("chosen again: %q", s.Config.Attach)
			}
		})
	}
}

// Sessions that are made from one another choose by the same evidence, each for what it trains.
func TestPlaceOfOtherPlans(t *testing.T) {
	s, err := Prepare(t.Context(), vectorConfig(t, 0, 40))
	must(t, err)
	must(t, s.WeighPlace(t.Context()))
	if len(s.Config.Attach) > 0 {
		t.Errorf("the session itself reads %q", s.Config.Attach)
	}
	for thaw, want := range map[string][]string{"head": {firstPlace}, "head,last:1": nil} {
		cfg := s.asked
		cfg.Thaw = strings.Split(thaw, ",")
		u, err := s.With(cfg, s.Train, s.Val)
		must(t, err)
		if !slices.Equal(u.Config.Attach, want) {
			t.Errorf("thaw %s: the head reads %q, want %q", thaw, u.Config.Attach, want)
		}
	}
}

func TestPickNeedsEvidence(t *testing.T) {
	// errs alternate around a mean, so that the difference of two has the standard error
	// spread/sqrt(n)
	errs := func(mean, spread float64) []float64 {
		out := make([]float64, 100)
		for i := range out {
			out[i] = mean + spread*float64(i%2*2-1)
		}
		return out
	}
	found := choice{Names: []string{"found"}, Errs: errs(1, 0), Wrong: 30}
	for name, c := range map[string]struct {
		others []choice
		want   string
	}{
		"nothing else":                 {nil, "found"},
		"worse":                        {[]choice{{Names: []string{"a"}, Errs: errs(1.1, 0.1)}}, "found"},
		"better by one standard error": {[]choice{{Names: []string{"a"}, Errs: errs(0.95, 0.5)}}, "found"},
		"better by three":              {[]choice{{Names: []string{"a"}, Errs: errs(0.85, 0.5)}}, "a"},
		"no fewer wrong":               {[]choice{{Names: []string{"a"}, Errs: errs(0.85, 0.5), Wrong: 30}}, "found"},
		"the best of two":              {[]choice{{Names: []string{"a"}, Errs: errs(0.8, 0.1)}, {Names: []string{"found", "a"}, Errs: errs(0.7, 0.1)}}, "found a"},
		"the best without evidence":    {[]choice{{Names: []string{"a"}, Errs: errs(0.7, 3)}, {Names: []string{"b"}, Errs: errs(0.8, 0.1)}}, "b"},
	} {
		w := weighed{choices: append([]choice{found}, c.others...)}
		if got := strings.Join(w.pick().Names, " "); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestPlacesOfOthers fits heads at the found place and at the chosen one, on models of others and
// data that they were not made for.
func TestPlacesOfOthers(t *testing.T) {
	if testing.Short() {
		t.Skip("it fits heads on photos")
	}
	for _, c := range []struct {
		model, data string
		gain        float64 // of accuracy on validation examples, at least
	}{
		{"world-models/ppocr-cls/model.onnx", "ants-bees", 0.02},
		{"world-models/st-mbv2-035/model.onnx", "ants-bees", 0.02},
		{"world-models/ssrnet/model.onnx", "sign-digits", 0.15},
		{"models/stories260k.onnx", "trec", 0.05},
	} {
		t.Run(filepath.Base(filepath.Dir(c.model))+" "+c.data, func(t *testing.T) {
			cfg := config.DefaultConfig()
			cfg.Model, cfg.Data, cfg.Cache = shared.Path(t, strings.Split(c.model, "/")...), shared.Path(t, "data", c.data), "ram"
			s, err := Prepare(t.Context(), cfg)
			must(t, err)
			accuracy := func(attach []string) float64 {
				cfg.Attach, cfg.Calibrate = attach, "off"
				u, err := s.With(cfg, s.Train, s.Val)
				must(t, err)
				r, err := u.Fit(t.Context(), nil, false)
				must(t, err)
				return r.ValAccuracy
			}
			found := accuracy(nil)
			must(t, s.ChoosePlace(t.Context()))
			chosen := accuracy(s.Config.Attach)
			t.Logf("found %.1f%%, chosen %.1f%%: %q", 100*found, 100*chosen, s.Config.Attach)
			if gain := chosen - found; gain < c.gain || math.IsNaN(gain) {
				t.Errorf("the chosen place gains %.1f points, want %.1f", 100*gain, 100*c.gain)
			}
		})
	}
}

func TestPlacesTogether(t *testing.T) {
	for n, want := range map[int]string{
		0: "[]",
		1: "[]",
		2: "[[0 1]]",
		3: "[[0 1 2] [0 1] [1 2]]",
		4: "[[0 1 2 3] [0 1 2] [1 2 3]]",
		6: "[[0 1 2 3 4 5] [0 1 2] [1 2 3 4 5] [3 4 5]]",
	} {
		if got := fmt.Sprint(together(n)); got != want {
			t.Errorf("%d places: %s, want %s", n, got, want)
		}
	}
}
