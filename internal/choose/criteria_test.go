package choose

import (
	"math"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// waves are features of three classes that any language computes alike.
func waves(t *testing.T, n, d int) *Sample {
	t.Helper()
	x, y := make([]float32, n*d), make([]int, n)
	for i := range n {
		y[i] = i % 3
		for j := range d {
			a, b := float64(i), float64(j)
			x[i*d+j] = float32(math.Sin(7*a+3*b*b+0.37*a*b) + 0.5*math.Cos(float64(i%3)*(b+1)) + 0.2)
		}
	}
	s, err := NewSample(x, d, y, 3)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// criteria are all scores of a sample.
func criteria(t *testing.T, s *Sample) map[string]float64 {
	t.Helper()
	out := map[string]float64{}
	take := func(name string, v float64, err error) {
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out[name] = v
	}
	v, err := LogME(s)
	take("logme", v, err)
	v, err = HScore(s)
	take("hscore", v, err)
	v, err = TransRate(s)
	take("transrate", v, err)
	v, err = NLEEP(s, 1)
	take("nleep", v, err)
	p, err := LinearProbe(s, s.Len(), 1) // as many folds as examples: leave one out
	if err != nil {
		t.Fatal(err)
	}
	out["penalty"], out["train"], out["heldout"] = p.Penalty, p.Train, p.HeldOut
	return out
}

// TestCriteria compares with the defining formulas, evaluated in numpy with dense inverses and
// determinants and, for the probe, with one fit for every example left out.
func TestCriteria(t *testing.T) {
	for _, c := range []struct {
		n, d int
		want map[string]float64
		leep float64
	}{
		{60, 8, map[string]float64{"logme": -0.6554546707623728, "hscore": 0.44831321818714703, "transrate": 0.21841611780166303,
			"penalty": 18.973665961010276, "train": 0.8, "heldout": 0.7333333333333333}, -1.054284280125107},
		{24, 40, map[string]float64{"logme": -0.3743057514716814, "hscore": 1.3152454915224554, "transrate": 31.706939768921217,
			"penalty": 0.00024, "train": 1, "heldout": 0.9583333333333334}, -1.0443798537418278},
	} {
		s := waves(t, c.n, c.d)
		got := criteria(t, s)
		for name, want := range c.want {
			if math.Abs(got[name]-want) > 2e-6*(1+math.Abs(want)) {
				t.Errorf("%d by %d: %s is %v, want %v", c.n, c.d, name, got[name], want)
			}
		}
		var scores []float32
		for i := range c.n {
			for j := range 4 {
				scores = append(scores, float32(s.X.At(i, j)))
			}
		}
		if got, err := LEEP(Softmax(scores, 4), s.Y, 3); err != nil || math.Abs(got-c.leep) > 1e-6 {
			t.Errorf("%d: LEEP is %v (%v), want %v", c.n, got, err, c.leep)
		}
	}
}

// TestInvariance: no score depends on the order of the examples or, the probe's scaling apart, on
// the axes in which features are written.
func TestInvariance(t *testing.T) {
	for _, size := range [][2]int{{60, 8}, {24, 40}} {
		s := waves(t, size[0], size[1])
		want := criteria(t, s)
		order := &Sample{X: mat.DenseCopyOf(s.X), Y: slices.Clone(s.Y), Classes: 3}
		for i := range s.Len() {
			order.X.SetRow(i, s.X.RawRowView(s.Len()-1-i))
			order.Y[i] = s.Y[s.Len()-1-i]
		}
		rotated := &Sample{X: mat.DenseCopyOf(s.X), Y: s.Y, Classes: 3}
		for i := range s.Len() { // a reflection in a plane
			row, along := rotated.X.RawRowView(i), 0.0
			for j, v := range row {
				along += v * float64(j%3+1)
			}
			norm := 0.0
			for j := range row {
				norm += float64(j%3+1) * float64(j%3+1)
			}
			for j := range row {
				row[j] -= 2 * along / norm * float64(j%3+1)
			}
		}
		for what, v := range map[string]*Sample{"order": order, "axes": rotated} {
			for name, got := range criteria(t, v) {
				if name == "nleep" || what == "axes" && (name == "penalty" || name == "train" || name == "heldout") {
					continue // a mixture starts from drawn examples; standardising is by axis
				}
				if math.Abs(got-want[name]) > 1e-6*(1+math.Abs(want[name])) {
					t.Errorf("%v: another %s gives %s %v instead of %v", size, what, name, got, want[name])
				}
			}
		}
		if again := criteria(t, s); again["nleep"] != want["nleep"] || again["logme"] != want["logme"] {
			t.Errorf("%v: a second run gives other bits", size)
		}
	}
}

// TestSeparable: features that are the labels, and features that have nothing to do with them.
func TestSeparable(t *testing.T) {
	n := 90
	clear, noise, y := make([]float32, n*4), make([]float32, n*4), make([]int, n)
	for i := range n {
		y[i] = i / 30
		clear[i*4+y[i]] = 5
		for j := range 4 {
			noise[i*4+j] = float32(math.Sin(float64(1000 * (i*4 + j) * (i + 3))))
			clear[i*4+j] += noise[i*4+j] / 10
		}
	}
	good, _ := NewSample(clear, 4, y, 3)
	bad, _ := NewSample(noise, 4, y, 3)
	g, b := criteria(t, good), criteria(t, bad)
	for _, name := range []string{"logme", "hscore", "transrate", "nleep", "train", "heldout"} {
		if g[name] <= b[name] {
			t.Errorf("%s: %v where features are the labels, %v where they are noise", name, g[name], b[name])
		}
	}
	if g["heldout"] != 1 || b["heldout"] > 0.6 {
		t.Errorf("held-out accuracy %v and %v", g["heldout"], b["heldout"])
	}
}

// TestHead: the layer that a probe gives has the probe's training accuracy.
func TestHead(t *testing.T) {
	for _, size := range [][2]int{{60, 8}, {24, 40}} {
		s := waves(t, size[0], size[1])
		p, err := LinearProbe(s, 5, 1)
		if err != nil {
			t.Fatal(err)
		}
		w, b, err := p.Head()
		if err != nil {
			t.Fatal(err)
		}
		scores := mat.NewDense(s.Len(), 3, nil)
		for i := range s.Len() {
			for c := range 3 {
				v := float64(b[c])
				for j, x := range s.X.RawRowView(i) {
					v += float64(w[c*size[1]+j]) * x
				}
				scores.Set(i, c, v)
			}
		}
		if got := share(rightOnes(scores, make([]float64, 3), s.Y)); got != p.Train {
			t.Errorf("%v: the layer has accuracy %v, the probe %v", size, got, p.Train)
		}
		if p.Loss >= math.Log(3) {
			t.Errorf("%v: held-out loss %v is no better than knowing nothing", size, p.Loss)
		}
	}
}

func TestDegenerate(t *testing.T) {
	for _, c := range []struct {
		features []float32
		labels   []int
		want     string
	}{
		{[]float32{1, 2}, []int{0, 0}, "nothing to tell apart"},
		{[]float32{1, float32(math.NaN())}, []int{0, 1}, "feature 0 of example 1 is NaN"},
		{[]float32{1, float32(math.Inf(1))}, []int{0, 1}, "+Inf"},
		{[]float32{1, 2, 3}, []int{0, 1}, "not 2 rows"},
		{[]float32{1, 2}, []int{0, 2}, "class 2 of 2"},
		{nil, nil, "not 0 rows"},
	} {
		if _, err := NewSample(c.features, 1, c.labels, 2); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v %v: %v, want an error with %q", c.features, c.labels, err, c.want)
		}
	}
	constant := make([]float32, 30*4)
	for i := range constant {
		constant[i] = 3
	}
	y := make([]int, 30)
	for i := range y {
		y[i] = i % 3
	}
	for _, features := range [][]float32{constant, make([]float32, 30*4)} {
		s, err := NewSample(features, 4, y, 3)
		if err != nil {
			t.Fatal(err)
		}
		for name, v := range criteria(t, s) {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				t.Errorf("constant features: %s is %v", name, v)
			}
		}
	}
	two, err := NewSample([]float32{0, 1}, 1, []int{0, 1}, 2)
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range criteria(t, two) {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			t.Errorf("two examples: %s is %v", name, v)
		}
	}
}

func TestKendall(t *testing.T) {
	for _, c := range []struct {
		a, b []float64
		want float64
	}{
		{[]float64{1, 2, 3}, []float64{10, 20, 30}, 1},
		{[]float64{1, 2, 3}, []float64{3, 2, 1}, -1},
		{[]float64{1, 2, 3, 4}, []float64{1, 2, 4, 3}, 2.0 / 3},
		// as in scipy's documentation
		{[]float64{12, 2, 1, 12, 2}, []float64{1, 4, 7, 1, 0}, -0.47140452079103173},
	} {
		if got := Kendall(c.a, c.b); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%v against %v: %v, want %v", c.a, c.b, got, c.want)
		}
	}
	if got := Kendall([]float64{1, 1}, []float64{1, 2}); !math.IsNaN(got) {
		t.Errorf("ties alone: %v", got)
	}
}

func TestSubset(t *testing.T) {
	labels := make([]int, 1000)
	for i := range labels {
		labels[i] = i % 4 / 3 // a quarter is class 1
	}
	got := Subset(labels, 100, 1)
	ones := 0
	for _, i := range got {
		ones += labels[i]
	}
	if len(got) != 100 || ones != 25 || !slices.IsSorted(got) || len(slices.Compact(got)) != 100 {
		t.Errorf("%d examples, %d of class 1", len(got), ones)
	}
}
