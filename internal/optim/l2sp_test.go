package optim

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// meanPoint is a point of a run in which weights are averaged.
type meanPoint struct{ W, Mean []float32 }

// regulariseFixture is testdata/regularise.json; regularise.py says what it holds.
type regulariseFixture struct {
	X             float64
	Start, Anchor []float32
	Grads         [][]float32
	Rates         []float64
	L2SP          map[string][][]float32
	Penalty       [][]float32
	SWA, EMA      []meanPoint
}

func loadRegularise(t *testing.T) (f regulariseFixture) {
	t.Helper()
	b, err := os.ReadFile("testdata/regularise.json")
	must(t, err)
	must(t, json.Unmarshal(b, &f))
	return f
}

func TestL2SPFollowsPyTorch(t *testing.T) {
	f := loadRegularise(t)
	for _, c := range []struct {
		name string
		opt  *Optimizer
		clip float64
		want [][]float32
	}{
		{"sgd", NewSGD(SGD{Momentum: 0.9, WeightDecay: f.X}), 1, f.L2SP["sgd"]},
		{"adamw", NewAdamW(AdamW{WeightDecay: f.X}), 1, f.L2SP["adamw"]},
		{"penalised loss", NewSGD(SGD{Momentum: 0.9, WeightDecay: f.X}), 0, f.Penalty},
	} {
		anchor := vector(f.Anchor)
		s := &Slot{Name: "w", Value: vector(f.Start), Grad: vector(f.Start), LR: 1, Decay: true, Anchor: anchor}
		must(t, c.opt.Add(s))
		for i, lr := range f.Rates {
			copy(s.Grad.F32(), f.Grads[i])
			Clip([]*Slot{s}, c.clip)
			given := slices.Clone(s.Grad.F32())
			must(t, c.opt.Step(lr))
			if err := tensor.Close(s.Value, tensor.Of(c.want[i]), rounding); err != nil {
				t.Fatalf("%s, step %d: %v", c.name, i, err)
			}
			if !slices.Equal(given, s.Grad.F32()) {
				t.Fatalf("%s: the caller's gradient changed", c.name)
			}
		}
		if !slices.Equal(anchor.F32(), f.Anchor) {
			t.Errorf("%s: the pretrained values changed", c.name)
		}
	}
}

// A mask and half precision decay towards the anchor's elements of the same places.
func TestL2SPOfParts(t *testing.T) {
	opt := NewSGD(SGD{WeightDecay: 1})
	masked := &Slot{Name: "m", Value: vector([]float32{5, 1, 2}), Grad: vector(make([]float32, 3)), LR: 1, Decay: true,
		Mask: []bool{false, true, true}, Anchor: vector([]float32{100, 3, 2})}
	half := &Slot{Name: "h", Value: halves(1, 2), Grad: halves(0, 0), LR: 1, Decay: true, Anchor: halves(2, 2)}
	must(t, opt.Add(masked, half))
	must(t, opt.Step(0.5))
	if got := masked.Value.F32(); !slices.Equal(got, []float32{5, 2, 2}) {
		t.Errorf("masked: %v, want [5 2 2]", got)
	}
	if got := half.Value.Float64s(); !slices.Equal(got, []float64{1.5, 2}) {
		t.Errorf("half: %v, want [1.5 2]", got)
	}
}

// meanOf follows one weight through the mean that a run keeps of it.
func meanOf(t *testing.T, option string, points []meanPoint, take func(a *Average, n int, opt *Optimizer)) {
	t.Helper()
	a, err := NewAverage(option, 4*len(points))
	must(t, err)
	s := &Slot{Name: "w", Value: vector(points[0].W), Grad: vector(points[0].W), LR: 1}
	opt := NewSGD(SGD{})
	must(t, opt.Add(s))
	for i, p := range points {
		copy(s.Value.F32(), p.W)
		take(a, i, opt)
		if err := tensor.Close(tensor.Of(a.values["w"]), tensor.Of(p.Mean), rounding); err != nil {
			t.Fatalf("%s, point %d: %v", option, i, err)
		}
	}
}

func TestAverageFollowsPyTorch(t *testing.T) {
	f := loadRegularise(t)
	meanOf(t, "ema:0.5", f.EMA, func(a *Average, n int, opt *Optimizer) { a.Step(n, opt, nil) })
	meanOf(t, "swa", f.SWA, func(a *Average, n int, opt *Optimizer) { a.Epoch(n+1, opt) })
}
