package run

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/grad"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// regulariseFixture is testdata/regularise.json; regularise.py says what it holds.
type regulariseFixture struct {
	BatchNorm struct {
		Batches   [][][]float32
		Mean, Var []float32
	}
	Mixup []struct {
		Scores    [][]float32
		A, B      []int64
		Share     float32
		Smoothing float64
		Weights   []float32
		Loss      float32
		Grad      [][]float32
	}
}

func loadRegularise(t *testing.T) (f regulariseFixture) {
	t.Helper()
	b, err := os.ReadFile("../optim/testdata/regularise.json")
	must(t, err)
	must(t, json.Unmarshal(b, &f))
	return f
}

func TestReestimateFollowsPyTorch(t *testing.T) {
	f := loadRegularise(t).BatchNorm
	mean, variance := make([]float32, len(f.Mean)), make([]float32, len(f.Var))
	sums := map[*float32][]float64{}
	for _, rows := range f.Batches {
		var m split.Moments
		m.Add(slices.Concat(rows...), len(mean))
		var bm, bv []float32
		for i := range mean {
			bm, bv = append(bm, float32(m.Mean()[i])), append(bv, float32(m.Variance()[i]))
		}
		s := split.BatchStatistics{Count: len(rows)}
		addTo(sums, mean, bm, 1)
		addTo(sums, variance, bv, s.Unbias())
	}
	settleStats(map[string]*tensor.Tensor{"m": tensor.Of(mean), "v": tensor.Of(variance)}, sums, len(f.Batches))
	for what, pair := range map[string][2][]float32{"mean": {mean, f.Mean}, "variance": {variance, f.Var}} {
		if err := tensor.Close(tensor.Of(pair[0]), tensor.Of(pair[1]), rounding); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestMixupLossFollowsPyTorch(t *testing.T) {
	for i, c := range loadRegularise(t).Mixup {
		g := ir.New("loss")
		n, z := len(c.Scores), len(c.Scores[0])
		scores := g.AddInput("scores", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{n, z}})
		m := task.Mixed{Task: &task.Classify{Classes: make([]string, z), Options: task.Options{Smoothing: c.Smoothing, Weights: c.Weights}}}
		var labels []*ir.Value
		for _, ty := range m.LabelTypes(n, 0) {
			labels = append(labels, g.AddInput("labels", ty))
		}
		b := ir.NewBuilder(g, "loss")
		loss := m.Loss(b, scores, labels)
		must(t, b.Err())
		grads, err := grad.Differentiate(g, loss, []*ir.Value{scores})
		must(t, err)
		g.Outputs = []*ir.Value{loss, grads[0]}
		p, err := compile.Region(g, compile.Memory{})
		must(t, err)
		out, err := p.Run(context.Background(), tensor.Of(slices.Concat(c.Scores...), n, z), tensor.Of(c.A), tensor.Of(c.B), tensor.Scalar(c.Share))
		must(t, err)
		if err := tensor.Close(out[0], tensor.Scalar(c.Loss), rounding); err != nil {
			t.Errorf("case %d: loss: %v", i, err)
		}
		if err := tensor.Close(out[1], tensor.Of(slices.Concat(c.Grad...), n, z), rounding); err != nil {
			t.Errorf("case %d: gradient: %v", i, err)
		}
	}
}

func TestMixRows(t *testing.T) {
	got := mixRows(tensor.Of([]float32{1, 2, 3, 4}, 2, 2), []int{1, 0}, 0.75)
	if !slices.Equal(got.F32(), []float32{1.5, 2.5, 2.5, 3.5}) {
		t.Errorf("%v", got.F32())
	}
}

func TestRegularisationOptions(t *testing.T) {
	x := func(v float64) *float64 { return &v }
	for want, change := range map[string]func(*config.Config){
		`lr_mult: "last:1" is not SELECTOR=X`:   func(c *config.Config) { c.LRMult = []string{"last:1"} },
		`lr_mult: "all=0": "0" is not a number`: func(c *config.Config) { c.LRMult = []string{"head=2", "all=0"} },
		"layer_decay: 1.5":                      func(c *config.Config) { c.LayerDecay = 1.5 },
		"rates: \"rgn\" is none of auto-rgn":    func(c *config.Config) { c.Rates = "rgn" },
		"layer_decay: rates":                    func(c *config.Config) { c.Rates, c.LayerDecay = "auto-rgn", 0.5 },
		"l2_sp: -1":                             func(c *config.Config) { c.L2SP = -1 },
		"l2_sp: it takes the place":             func(c *config.Config) { c.L2SP, c.WeightDecay = 0.1, x(0) },
		"average: \"ema\": ema takes":           func(c *config.Config) { c.Average = "ema" },
		"average: \"ema:1\"":                    func(c *config.Config) { c.Average = "ema:1" },
		"average: \"mean\" is none":             func(c *config.Config) { c.Average = "mean" },
		"patience: average swa":                 func(c *config.Config) { c.Average, c.Patience = "swa", 3 },
		"wise_ft: 0 is not above 0":             func(c *config.Config) { c.WiseFT = x(0) },
		"wise_ft: 1.1":                          func(c *config.Config) { c.WiseFT = x(1.1) },
		"mixup: -1":                             func(c *config.Config) { c.Mixup = -1 },
		"mixup: NaN":                            func(c *config.Config) { c.Mixup = math.NaN() },
	} {
		c := goodConfig()
		change(&c)
		wantError(t, c.Validate(), want)
	}
	c := tinyConfig(t)
	c.LRMult = []string{"nowhere=2"}
	_, err := Prepare(context.Background(), c)
	wantError(t, err, "option lr_mult nowhere=2: selector")
	for want, change := range map[string]func(*config.Config){
		"layer_decay 0.5 does nothing":     func(c *config.Config) { c.LayerDecay = 0.5 },
		"rates auto-rgn does nothing":      func(c *config.Config) { c.Rates = "auto-rgn" },
		"l2_sp 0.1 decays to 0":            func(c *config.Config) { c.L2SP = 0.1 },
		"wise_ft 0.5 does nothing":         func(c *config.Config) { c.WiseFT = x(0.5) },
		"the last quarter of 7 epochs":     func(c *config.Config) { c.Average, c.Epochs = "swa", 7 },
		"with option lr_schedule constant": func(c *config.Config) { c.Average, c.Epochs = "swa", 8 },
	} {
		c := tinyConfig(t)
		change(&c)
		s, err := Prepare(context.Background(), c)
		must(t, err)
		if !strings.Contains(strings.Join(s.Notes, "\n"), want) {
			t.Errorf("notes %q, want one with %q", s.Notes, want)
		}
		if _, err := s.Fit(context.Background(), nil, false); err != nil { // doing nothing is no harm
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestRates(t *testing.T) {
	c := tinyConfig(t)
	c.Thaw, c.LayerDecay, c.LRMult = []string{"all"}, 0.5, []string{"all=0.5", "head=2", "kind:norm=1"}
	s, err := Prepare(context.Background(), c)
	must(t, err)
	for name, want := range map[string]float64{ // stem, layer1.0, layer2.0, head: distances 3, 2, 1, 0
		s.Net.Headed.Weights[0]: 2, "layer2.0.conv1.weight": 0.5 * 0.5, "layer1.0.conv2.weight": 0.5 * 0.25, "conv1.weight": 0.5 * 0.125, "bn1.weight": 0.125,
	} {
		if got := s.Plans.Ever.Of(name).Rate(); got != want {
			t.Errorf("%s has %g of the rate, want %g", name, got, want)
		}
		if got := s.active.slots[name].LR; got != float32(want) {
			t.Errorf("%s trains at %g of the rate, want %g", name, got, want)
		}
	}
}

// regularised are the options that change what is trained, each on a short fit that trains all.
var regularised = map[string]func(*config.Config){
	"auto-rgn":       func(c *config.Config) { c.Rates = "auto-rgn" },
	"auto-rgn, keep": func(c *config.Config) { c.Rates, c.Head = "auto-rgn", "keep" },
	"l2-sp":          func(c *config.Config) { c.L2SP = 0.1 },
	"l2-sp, sgd":     func(c *config.Config) { c.L2SP, c.Optimizer, c.Momentum, c.Clip = 0.1, "sgd", 0.9, 1 },
	"ema":            func(c *config.Config) { c.Average = "ema:0.9" },
	"ema, sgd, last": func(c *config.Config) { c.Average, c.Optimizer, c.Keep = "ema:0.9", "sgd", "last" },
	"swa":            func(c *config.Config) { c.Average, c.LRSchedule = "swa", "constant" },
	"swa, last":      func(c *config.Config) { c.Average, c.Keep = "swa", "last" },
	"wise-ft":        func(c *config.Config) { half := 0.5; c.WiseFT = &half },
	"mixup":          func(c *config.Config) { c.Mixup = 0.2 },
	"schedule, ema, wise-ft": func(c *config.Config) {
		half := 0.5
		c.Schedule, c.Average, c.WiseFT, c.L2SP, c.LayerDecay = "gradual", "ema:0.9", &half, 0.01, 0.8
	},
	"swa, mixup, all": func(c *config.Config) { half := 0.5; c.Average, c.Mixup, c.WiseFT, c.L2SP = "swa", 1, &half, 0.01 },
}

func regularisedFit(t testing.TB, edit func(*config.Config)) config.Config {
	c := tinyConfig(t)
	c.Thaw, c.Epochs, c.LR = []string{"head", "last:1"}, 8, 0.01
	c.Out = t.TempDir()
	edit(&c)
	return c
}

// TestRegularised: every option leaves frozen weights alone, writes what it validated, resumes in
// the bits of an unbroken run, whether it is cut in an epoch or at its end, and makes a difference.
func TestRegularised(t *testing.T) {
	model, photos := tinyModel(t), tinyData(t, 4, 12)
	plain := map[string][]byte{} // what fits without these options train
	for name, edit := range regularised {
		t.Run(name, func(t *testing.T) {
			whole := regularisedFit(t, edit)
			whole.Model, whole.Data = model, photos
			r := mustFit(t, whole)
			v, err := tuned.Verify(whole.Model, filepath.Join(whole.Out, ModelFile), "")
			if err != nil || !v.Identical || r.FrozenDigestBefore != r.FrozenDigestAfter {
				t.Fatalf("verify: %+v (%v)", v, err)
			}
			p, err := tuned.Open(filepath.Join(whole.Out, ModelFile))
			must(t, err)
			e, err := p.Eval(context.Background(), whole.Data)
			must(t, err)
			if e.Accuracy != r.ValAccuracy || math.Abs(e.Loss-r.ValLoss) > 1e-4*(1+r.ValLoss) {
				t.Errorf("the tuned file has accuracy %g and loss %g, the fit said %g and %g", e.Accuracy, e.Loss, r.ValAccuracy, r.ValLoss)
			}
			key := fmt.Sprint(whole.Head, whole.Optimizer, whole.Clip, whole.LRSchedule, whole.Keep)
			if plain[key] == nil {
				c := regularisedFit(t, func(c *config.Config) {
					c.Head, c.Optimizer, c.Momentum, c.Clip, c.LRSchedule, c.Keep = whole.Head, whole.Optimizer, whole.Momentum, whole.Clip, whole.LRSchedule, whole.Keep
				})
				c.Model, c.Data = model, photos
				mustFit(t, c)
				plain[key] = trained(t, c.Out)
			}
			if bytes.Equal(plain[key], trained(t, whole.Out)) {
				t.Error("the option made no difference")
			}
			cuts := []int{33} // of 40 steps, five an epoch
			switch {
			case name == "swa, mixup, all":
				cuts = []int{3, 38, 40}
			case whole.Average == "swa":
				cuts = []int{38}
			}
			for _, after := range cuts {
				cut := whole
				cut.Out = t.TempDir()
				ctx, cancel := context.WithCancel(context.Background())
				_, err := fit(t, ctx, cut, false, &stopper{after, cancel})
				cancel()
				if !errors.Is(err, context.Canceled) {
					t.Fatalf("stopped after %d steps: %v", after, err)
				}
				again, err := fit(t, context.Background(), cut, true)
				must(t, err)
				if !bytes.Equal(read(t, whole.Out, ModelFile), read(t, cut.Out, ModelFile)) || again.ValLoss != r.ValLoss {
					t.Errorf("resumed after %d steps: other bits than the unbroken run", after)
				}
				if !bytes.Equal(read(t, whole.Out, PlanFile), read(t, cut.Out, PlanFile)) {
					t.Errorf("resumed after %d steps: another plan", after)
				}
			}
		})
	}
}

// TestAutoRGN: the plan shows the rates; the largest of the pretrained weights is 1, a fresh head
// has the whole rate, and measuring leaves the start as it was.
func TestAutoRGN(t *testing.T) {
	c := regularisedFit(t, regularised["auto-rgn"])
	c.Thaw, c.Epochs = []string{"all"}, 1
	s, err := Prepare(context.Background(), c)
	must(t, err)
	r := mustFit(t, c)
	var written freeze.Plan
	must(t, json.Unmarshal(read(t, c.Out, PlanFile), &written))
	largest, below := 0.0, 0
	for _, e := range r.Plan.Params {
		if !e.Trains() {
			continue
		}
		if w := written.Of(e.Name); w.LR != e.LR {
			t.Errorf("%s: plan.json has %g, the fit %g", e.Name, w.LR, e.LR)
		}
		switch x := e.Rate(); {
		case slices.Contains(s.Net.Headed.Weights, e.Name):
			if x != 1 {
				t.Errorf("the fresh head's %s has %g of the rate", e.Name, x)
			}
		default:
			largest = max(largest, x)
			if x < 1 {
				below++
			}
		}
	}
	if largest != 1 || below == 0 {
		t.Errorf("the largest rate is %g, and %d are below it", largest, below)
	}
}

// TestWiseFT: the weights written lie where they should between base and tuned, and a fresh head is
// as trained.
func TestWiseFT(t *testing.T) {
	far := regularisedFit(t, func(c *config.Config) { c.Keep = "last" })
	mustFit(t, far)
	half := far
	half.Out = t.TempDir()
	quarter := 0.25
	half.WiseFT = &quarter
	mustFit(t, half)
	open := func(path string) *onnx.Model {
		m, err := onnx.Open(path)
		must(t, err)
		return m
	}
	base, one, part := open(far.Model), open(filepath.Join(far.Out, ModelFile)), open(filepath.Join(half.Out, ModelFile))
	moved := false
	for _, name := range []string{"layer2.0.conv1.weight", "layer2.0.bn1.bias"} {
		a, b, got := base.Param(name).Tensor.F32(), one.Param(name).Tensor.F32(), part.Param(name).Tensor.F32()
		for i := range a {
			moved = moved || a[i] != b[i]
			if want := a[i] + 0.25*(b[i]-a[i]); math.Abs(float64(got[i]-want)) > 1e-7 {
				t.Fatalf("%s[%d] is %g, want %g", name, i, got[i], want)
			}
		}
	}
	if !moved {
		t.Error("nothing was trained")
	}
	for _, p := range one.Params {
		if base.Param(p.Name) == nil && !bytes.Equal(p.Tensor.Bytes, part.Param(p.Name).Tensor.Bytes) {
			t.Errorf("the new head's %s changed", p.Name)
		}
	}
}
