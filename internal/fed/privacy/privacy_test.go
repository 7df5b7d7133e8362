package privacy

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func near(a, b, tolerance float64) bool { return math.Abs(a-b) <= tolerance*math.Abs(b) }

// Divergences that the tests of Google's dp_accounting hold for 50 rounds of rate 0.01 and noise 2.5.
func TestDivergence(t *testing.T) {
	for order, want := range map[float64]float64{1.5: 6.5007e-04, 2.5: 1.0854e-03, 5: 2.1808e-03, 50: 2.3846e-02, 100: 1.6742e+02} {
		if got := 50 * divergence(0.01, 2.5, order); !near(got, want, 1e-4) {
			t.Errorf("order %g: %g, want %g", order, got, want)
		}
	}
}

// The sum over binomials and the integral are two ways to one number.
func TestIntegral(t *testing.T) {
	for _, c := range []struct{ q, sigma, order float64 }{
		{1e-7, 0.1, 2}, {1e-6, 0.1, 32}, {1e-6, 1, 27}, {1e-4, 1, 2}, {1e-3, 1, 3}, {0.01, 10, 20}, {0.1, 100, 20}, {0.99, 0.1, 40}, {0.999, 100, 64}, {0.3, 0.7, 9},
	} {
		a, b := binomial(c.q, c.sigma, c.order), integral(c.q, c.sigma, c.order)
		if math.Abs(a-b) > 1e-9+1e-6*math.Abs(a) {
			t.Errorf("q %g sigma %g order %g: %g by binomials, %g by integration", c.q, c.sigma, c.order, a, b)
		}
	}
}

// A constant divergence, as of pure differential privacy, and the noise that is exactly (1, 1e-6)
// for the Gaussian mechanism: both are tests of dp_accounting.
func TestConversion(t *testing.T) {
	best := math.Inf(1)
	for a := 2.; a < 33; a++ {
		best = min(best, epsilonAt(a, 1.1, 1e-5))
	}
	if !near(best, 1.32783806176, 1e-9) {
		t.Errorf("epsilon %g, want 1.32783806176", best)
	}
	var a Accountant
	if err := a.Add(Mechanism{Noise: 4.530877117, Sampling: Fixed}, 1); err != nil {
		t.Fatal(err)
	}
	e, err := a.Epsilon(1e-6)
	if err != nil || !near(e, 1, 1e-4) {
		t.Errorf("epsilon %g, %v, want 1", e, err)
	}
	if d := a.Delta(1); !near(d, 1e-6, 2e-3) {
		t.Errorf("delta %g, want 1e-6", d)
	}
}

// The exact delta of the Gaussian mechanism (Balle, Wang 2018, theorem 8) is never above the bound,
// and the bound is not loose.
func TestBoundHolds(t *testing.T) {
	var a Accountant
	if err := a.Add(Mechanism{Noise: 1, Sampling: Fixed}, 1); err != nil {
		t.Fatal(err)
	}
	for e := 0.1; e < 12; e += 0.1 {
		exact := math.Erfc((e-.5)/math.Sqrt2)/2 - math.Exp(e)*math.Erfc((e+.5)/math.Sqrt2)/2
		got := a.Delta(e)
		if exact > got || e > 1 && got > 20*exact {
			t.Errorf("epsilon %g: delta %g, exactly %g", e, got, exact)
		}
	}
}

// What the tutorial of TensorFlow Privacy publishes for batches of 256 of 60,000 examples at delta
// 1e-5. It used the older, looser conversion (Mironov 2017, proposition 3).
func TestPublished(t *testing.T) {
	for _, c := range []struct{ noise, epochs, older float64 }{{1.3, 15, 1.19}, {1.1, 60, 3.01}, {0.7, 45, 7.10}} {
		var a Accountant
		if err := a.Add(Mechanism{Noise: c.noise, Sampling: Poisson, Rate: 256. / 60000}, int(c.epochs*60000/256)); err != nil {
			t.Fatal(err)
		}
		older := math.Inf(1)
		for i, order := range orders {
			older = min(older, a.rdp[i]+math.Log(1e5)/(order-1))
		}
		if math.Abs(older-c.older) > 0.02 {
			t.Errorf("noise %g: %.3f by the older conversion, published is %g", c.noise, older, c.older)
		}
		if e, err := a.Epsilon(1e-5); err != nil || e >= older || e < 0.7*older {
			t.Errorf("noise %g: epsilon %.3f, %v; by the older conversion %.3f", c.noise, e, err, older)
		}
	}
}

// What breaks the assumption of an amplification gets none; a local client is protected by its own
// noise alone.
func TestAssumptions(t *testing.T) {
	epsilon := func(m Mechanism) float64 {
		var a Accountant
		if err := a.Add(m, 10); err != nil {
			t.Fatal(err)
		}
		e, err := a.Epsilon(1e-5)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	all := epsilon(Mechanism{Noise: 2, Sampling: Poisson, Rate: 1})
	if e := epsilon(Mechanism{Noise: 2, Sampling: Fixed, Rate: 0.1}); e != all {
		t.Errorf("a fixed cohort has epsilon %g, everyone %g", e, all)
	}
	if e := epsilon(Mechanism{Noise: 2, Sampling: Poisson, Rate: 0.1}); e > all/3 {
		t.Errorf("a tenth has epsilon %g, everyone %g", e, all)
	}
	if e := epsilon(Mechanism{Noise: 4, Sampling: Poisson, Rate: 0.1, Local: true}); e != all {
		t.Errorf("local noise 4 has epsilon %g, central noise 2 %g", e, all)
	}
}

func TestNoiseFor(t *testing.T) {
	m := Mechanism{Sampling: Poisson, Rate: 0.1}
	for _, epsilon := range []float64{0.5, 2, 8} {
		noise, err := NoiseFor(m, 50, epsilon, 1e-5)
		if err != nil {
			t.Fatal(err)
		}
		for scale, within := range map[float64]bool{1: true, 0.99: false} {
			n := m
			n.Noise = noise * scale
			var a Accountant
			if err := a.Add(n, 50); err != nil {
				t.Fatal(err)
			}
			if e, _ := a.Epsilon(1e-5); e <= epsilon != within {
				t.Errorf("epsilon %g: noise %g gives %g", epsilon, n.Noise, e)
			}
		}
	}
	if _, err := NoiseFor(m, 50, 0, 1e-5); err == nil {
		t.Error("epsilon 0 is possible")
	}
}

func TestBadMechanisms(t *testing.T) {
	for want, m := range map[string]Mechanism{
		"noise of 0":        {Sampling: Fixed},
		"noise of NaN":      {Noise: math.NaN(), Sampling: Fixed},
		`sampling "cohort"`: {Noise: 1, Sampling: "cohort"},
		"rate of 0":         {Noise: 1, Sampling: Poisson},
		"rate of 1.5":       {Noise: 1, Sampling: Poisson, Rate: 1.5},
	} {
		var a Accountant
		if err := a.Add(m, 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	var a Accountant
	for _, delta := range []float64{0, 1, -1, math.NaN()} {
		if _, err := a.Epsilon(delta); err == nil {
			t.Errorf("delta %g is possible", delta)
		}
	}
	if e, err := a.Epsilon(1e-5); e != 0 || err != nil {
		t.Errorf("no rounds give epsilon %g, %v", e, err)
	}
}

func TestClipAndNoise(t *testing.T) {
	x := []float32{3, 4}
	if n := Clip(x, 1); n != 5 || math.Hypot(float64(x[0]), float64(x[1])) > 1 || x[0] < 0.5999 {
		t.Errorf("%g %v", n, x)
	}
	if n := Clip(x, 2); n > 1 || x[0] < 0.5999 {
		t.Errorf("a short change is clipped: %g %v", n, x)
	}
	const n = 200000
	noise := make([]float32, n)
	AddNoise(noise, 3, Seeded(1, 2))
	var sum, squares float64
	for _, v := range noise {
		sum += float64(v)
		squares += float64(v) * float64(v)
	}
	if mean, dev := sum/n, math.Sqrt(squares/n); math.Abs(mean) > 0.03 || math.Abs(dev-3) > 0.03 {
		t.Errorf("mean %g, deviation %g, want 0 and 3", mean, dev)
	}
	again, other := make([]float32, 10), make([]float32, 10)
	AddNoise(again, 3, Seeded(1, 2))
	AddNoise(other, 3, Seeded(1, 3))
	if !slices.Equal(again, noise[:10]) || slices.Equal(other, again) {
		t.Error("seeded noise does not follow from seed and round")
	}
	a, err := Secret()
	if err != nil {
		t.Fatal(err)
	}
	b, err := Secret()
	if err != nil {
		t.Fatal(err)
	}
	if a.Uint64() == b.Uint64() {
		t.Error("two secrets are the same")
	}
}
