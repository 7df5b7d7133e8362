package optim

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// torchFixture is testdata/optimizer.json; optimizer.py says what it holds.
type torchFixture struct {
	Join  int
	Rates []float64
	Start [][]float32
	Grads [][][]float32
	Cases map[string]struct {
		Args struct {
			Momentum    float64
			WeightDecay float64 `json:"weight_decay"`
			Nesterov    bool
		}
		After [][][]float32
	}
	Clip []struct {
		Limit, Norm float64
		Grads       [][]float32
	}
}

func loadFixture(t *testing.T) torchFixture {
	t.Helper()
	b, err := os.ReadFile("testdata/optimizer.json")
	if err != nil {
		t.Fatal(err)
	}
	var f torchFixture
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

var rounding = tensor.Tolerance{Name: "float32 rounding", Rel: 2e-6, Abs: 2e-7}

func vector(v []float32) *tensor.Tensor { return tensor.Of(slices.Clone(v)) }

func TestOptimizerFollowsPyTorch(t *testing.T) {
	f := loadFixture(t)
	for name, c := range f.Cases {
		t.Run(name, func(t *testing.T) {
			opt := NewAdamW(AdamW{WeightDecay: c.Args.WeightDecay})
			if strings.HasPrefix(name, "sgd") {
				opt = NewSGD(SGD{c.Args.Momentum, c.Args.Nesterov, c.Args.WeightDecay})
			}
			a := &Slot{Name: "a", Value: vector(f.Start[0]), Grad: vector(f.Start[0]), LR: 1, Decay: true}
			b := &Slot{Name: "b", Value: vector(f.Start[1]), Grad: vector(f.Start[1]), LR: 0.5, Decay: true}
			must(t, opt.Add(a))
			for step, lr := range f.Rates {
				if step == f.Join {
					must(t, opt.Add(b))
				}
				for i, s := range []*Slot{a, b} {
					copy(s.Grad.F32(), f.Grads[step][i])
				}
				must(t, opt.Step(lr))
				for i, s := range []*Slot{a, b} {
					if err := tensor.Close(s.Value, tensor.Of(c.After[step][i]), rounding); err != nil {
						t.Fatalf("step %d, %s: %v", step, s.Name, err)
					}
				}
			}
		})
	}
}

func TestClipFollowsPyTorch(t *testing.T) {
	f := loadFixture(t)
	for _, c := range f.Clip {
		var slots []*Slot
		for _, g := range f.Grads[0] {
			slots = append(slots, &Slot{Value: vector(g), Grad: vector(g), LR: 1})
		}
		if norm := Clip(slots, c.Limit); math.Abs(norm-c.Norm) > 1e-6*c.Norm {
			t.Errorf("limit %g: norm %g, want %g", c.Limit, norm, c.Norm)
		}
		for i, s := range slots {
			if err := tensor.Close(s.Grad, tensor.Of(c.Grads[i]), rounding); err != nil {
				t.Errorf("limit %g: %v", c.Limit, err)
			}
		}
	}
}

func TestClip(t *testing.T) {
	masked := func() *Slot {
		return &Slot{Value: vector(make([]float32, 3)), Grad: vector([]float32{3, 100, 4}), LR: 1, Mask: []bool{true, false, true}}
	}
	if n := Clip([]*Slot{masked()}, 0); n != 5 {
		t.Errorf("norm %g counts frozen elements, want 5", n)
	}
	half := &Slot{Value: halves(0, 0), Grad: halves(3, 4), LR: 1}
	if n := Clip([]*Slot{half}, 2.5); n != 5 {
		t.Errorf("norm %g of float16 gradients, want 5", n)
	}
	if g := half.Grad.Float64s(); math.Abs(g[0]-1.5) > 1e-3 || math.Abs(g[1]-2) > 1e-3 {
		t.Errorf("gradients %g, want [1.5 2]", g)
	}
	inf := &Slot{Value: vector([]float32{0, 0}), Grad: vector([]float32{float32(math.Inf(1)), 1}), LR: 1}
	if n := Clip([]*Slot{inf}, 1); !math.IsInf(n, 1) || inf.Grad.F32()[1] != 1 {
		t.Errorf("norm %g, gradients %g: want +Inf and gradients left alone", n, inf.Grad.F32())
	}
}

func halves(v ...float32) *tensor.Tensor {
	t := tensor.New(tensor.Float16, len(v))
	for i, x := range v {
		tensor.Data[uint16](t)[i] = tensor.Float32ToFloat16(x)
	}
	return t
}

// TestMaskKeepsBits: a frozen element keeps its bits, whatever they are, and a thawed one moves as
// if it stood alone.
func TestMaskKeepsBits(t *testing.T) {
	nan := math.Float32frombits(0x7fc12345)
	mask := []bool{false, true, true, false, true, false}
	for name, opt := range optimizers() {
		value := vector([]float32{nan, 1, 2, float32(math.Copysign(0, -1)), 3, 1e-42})
		before := value.Clone()
		grad := vector([]float32{nan, 1, -1, 5, 2, 7})
		alone := optimizers()[name]
		sv, sg := vector([]float32{1, 2, 3}), vector([]float32{1, -1, 2})
		must(t, opt.Add(&Slot{Name: "p", Value: value, Grad: grad, LR: 1, Decay: true, Mask: mask}))
		must(t, alone.Add(&Slot{Name: "p", Value: sv, Grad: sg, LR: 1, Decay: true}))
		for range 3 {
			must(t, opt.Step(0.1))
			must(t, alone.Step(0.1))
		}
		k := 0
		for i, thawed := range mask {
			if thawed {
				if value.F32()[i] != sv.F32()[k] {
					t.Errorf("%s: element %d is %g, alone %g", name, i, value.F32()[i], sv.F32()[k])
				}
				k++
			} else if !bytes.Equal(value.Bytes[4*i:4*i+4], before.Bytes[4*i:4*i+4]) {
				t.Errorf("%s: frozen element %d changed its bits", name, i)
			}
		}
		for n, s := range opt.State() {
			if s.Len() > 3 {
				t.Errorf("%s: state %s has %d elements for 3 thawed ones", name, n, s.Len())
			}
		}
	}
}

func optimizers() map[string]*Optimizer {
	return map[string]*Optimizer{
		"sgd":      NewSGD(SGD{WeightDecay: 0.01}),
		"momentum": NewSGD(SGD{Momentum: 0.9, WeightDecay: 0.01}),
		"adamw":    NewAdamW(AdamW{WeightDecay: 0.01}),
	}
}

// TestMaster: updates far below the spacing of a float16 add up.
func TestMaster(t *testing.T) {
	for _, dt := range []tensor.DType{tensor.Float16, tensor.BFloat16, tensor.Float64} {
		v := tensor.New(dt, 2)
		fromFloat32(v, span{0, 2}, []float32{1, 2})
		s := &Slot{Name: "p", Value: v, Grad: tensor.Of([]float32{1, 0}), LR: 1}
		opt := NewSGD(SGD{})
		must(t, opt.Add(s))
		for range 1000 {
			must(t, opt.Step(1e-4))
		}
		if got := v.Float64s(); math.Abs(got[0]-0.9) > 4e-3 || got[1] != 2 {
			t.Errorf("%v: %g after 1000 steps of 1e-4 from [1 2]", dt, got)
		}
	}
}

// TestFloat64KeepsPrecision: an element that a step does not move keeps the digits float32 lacks.
func TestFloat64KeepsPrecision(t *testing.T) {
	v := tensor.Of([]float64{math.Pi, math.E})
	opt := NewSGD(SGD{})
	must(t, opt.Add(&Slot{Name: "p", Value: v, Grad: tensor.Of([]float64{0, 1}), LR: 1}))
	must(t, opt.Step(0.5))
	if got := v.Float64s(); got[0] != math.Pi || math.Abs(got[1]-math.E+0.5) > 1e-6 {
		t.Errorf("%v", got)
	}
}

// TestStateResumes: state copied to a new optimiser goes on with the same bits.
func TestStateResumes(t *testing.T) {
	build := func(name string, w *tensor.Tensor, h *tensor.Tensor) *Optimizer {
		o := optimizers()[name]
		must(t, o.Add(
			&Slot{Name: "w", Value: w, Grad: tensor.Of([]float32{1, 2, 3}), LR: 1, Decay: true, Mask: []bool{true, true, false}},
			&Slot{Name: "h", Value: h, Grad: tensor.Of([]float32{0.1, 0.2}), LR: 2}))
		return o
	}
	for name := range optimizers() {
		w, h := vector([]float32{1, 2, 3}), halves(1, 2)
		one := build(name, w, h)
		must(t, one.Step(0.1))
		saved := map[string]*tensor.Tensor{}
		for n, s := range one.State() {
			saved[n] = s.Clone()
		}
		w2, h2 := w.Clone(), h.Clone()
		must(t, one.Step(0.1))
		two := build(name, w2, h2)
		must(t, two.SetState(saved))
		must(t, two.Step(0.1))
		if !bytes.Equal(w.Bytes, w2.Bytes) || !bytes.Equal(h.Bytes, h2.Bytes) {
			t.Errorf("%s: %v %v, unbroken %v %v", name, w2.F32(), h2.Float64s(), w.F32(), h.Float64s())
		}
	}
}

func TestSetStateErrors(t *testing.T) {
	opt := NewAdamW(AdamW{})
	must(t, opt.Add(&Slot{Name: "w", Value: vector([]float32{1}), LR: 1}))
	for want, change := range map[string]func(map[string]*tensor.Tensor){
		`lacks "exp_avg/w"`:           func(m map[string]*tensor.Tensor) { delete(m, "exp_avg/w") },
		`"exp_avg/x" belongs to no`:   func(m map[string]*tensor.Tensor) { m["exp_avg/x"] = m["exp_avg/w"] },
		`"exp_avg_sq/w" is float32 [`: func(m map[string]*tensor.Tensor) { m["exp_avg_sq/w"] = tensor.New(tensor.Float32, 2) },
	} {
		m := maps.Clone(opt.State())
		change(m)
		wantError(t, opt.SetState(m), want)
	}
}

func TestAddRemove(t *testing.T) {
	opt := NewSGD(SGD{Momentum: 0.9})
	a := &Slot{Name: "a", Value: vector([]float32{1}), Grad: vector([]float32{1}), LR: 1}
	b := &Slot{Name: "b", Value: vector([]float32{1}), Grad: vector([]float32{1}), LR: 1}
	must(t, opt.Add(a, b))
	must(t, opt.Step(0.1))
	must(t, opt.Remove("b"))
	must(t, opt.Step(0.1))
	if b.Value.F32()[0] != 0.9 {
		t.Errorf("b is %g after it was removed, want 0.9", b.Value.F32()[0])
	}
	if n := opt.State()["step/a"].I64()[0]; n != 2 {
		t.Errorf("a counts %d steps, want 2", n)
	}
	wantError(t, opt.Remove("b"), "not in the optimiser")
	wantError(t, opt.Add(b, a), "already")
	must(t, opt.Add(b))
	if n := opt.State()["step/b"].I64()[0]; n != 0 {
		t.Errorf("b counts %d steps when added again, want 0", n)
	}
	for want, s := range map[string]*Slot{
		"only float":     {Name: "x", Value: tensor.Of([]int32{1}), LR: 1},
		"multiplier 0":   {Name: "x", Value: vector([]float32{1})},
		"mask of 2":      {Name: "x", Value: vector([]float32{1}), LR: 1, Mask: make([]bool, 2)},
		"gradient is":    {Name: "x", Value: vector([]float32{1}), LR: 1, Grad: vector([]float32{1, 2})},
		"multiplier NaN": {Name: "x", Value: vector([]float32{1}), LR: float32(math.NaN())},
	} {
		wantError(t, opt.Add(s), want)
	}
	if n := len(opt.Slots()); n != 2 {
		t.Errorf("%d slots, want 2", n)
	}
}

func TestThawed(t *testing.T) {
	s := &Slot{Name: "p", Value: halves(1, 2, 3, 4), LR: 1, Mask: []bool{true, false, false, true}}
	v := s.Thawed()
	if got := v.Float64s(); !slices.Equal(got, []float64{1, 4}) {
		t.Fatalf("thawed elements %g, want [1 4]", got)
	}
	must(t, s.SetThawed(halves(5, 6)))
	if got := s.Value.Float64s(); !slices.Equal(got, []float64{5, 2, 3, 6}) {
		t.Errorf("%g, want [5 2 3 6]", got)
	}
	wantError(t, s.SetThawed(halves(1)), "does not fit")
	wantError(t, s.SetThawed(vector([]float32{1, 2})), "does not fit")
}
