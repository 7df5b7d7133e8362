package choose

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// TestJoint: two depths that each know one half of the answer, and one that adds nothing but noise.
func TestJoint(t *testing.T) {
	n := 240
	first, second, noise, y := make([]float32, n), make([]float32, n), make([]float32, n*100), make([]int, n)
	for i := range n {
		y[i] = i % 4
		wobble := float32(math.Sin(float64(i*i))) / 4
		first[i], second[i] = float32(y[i]/2)+wobble, float32(y[i]%2)-wobble
		for j := range 100 {
			noise[i*100+j] = float32(math.Sin(float64(1000 * (i*100 + j) * (i + 3))))
		}
	}
	sample := func(x []float32, width int) *Sample {
		s, err := NewSample(x, width, y, 4)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	probe := func(depths ...*Sample) *Probe {
		p, err := JointProbe(depths, 5, 1)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	a, b, c := sample(first, 1), sample(second, 1), sample(noise, 100)
	alone, err := LinearProbe(b, 5, 1)
	if err != nil {
		t.Fatal(err)
	}
	if same := probe(b); same.HeldOut != alone.HeldOut || same.Train != alone.Train {
		t.Errorf("of one depth: %v and %v, by LinearProbe %v and %v", same.Train, same.HeldOut, alone.Train, alone.HeldOut)
	}
	if g, e := gain(probe(a, b), alone); g < 0.3 || e <= 0 || e > 0.05 {
		t.Errorf("two halves of the answer gain %v +- %v", g, e)
	}
	if g, _ := gain(probe(b, c), alone); g > 0.01 {
		t.Errorf("a hundred columns of noise gain %v", g)
	}
	g, e := gain(&Probe{HeldOut: 0.75, right: []bool{true, true, true, false}}, &Probe{HeldOut: 0.5, right: []bool{true, false, true, false}})
	if want := math.Sqrt((0.25 - 0.0625) / 4); g != 0.25 || math.Abs(e-max(want, math.Sqrt(0.25/4))) > 1e-12 {
		t.Errorf("gain %v +- %v", g, e)
	}
}

// TestDualPenalty: the penalty is the same whichever form it is computed from.
func TestDualPenalty(t *testing.T) {
	for _, size := range [][2]int{{24, 40}, {60, 8}, {48, 60}} {
		s := waves(t, size[0], size[1])
		z, _, _ := standardised(s.X)
		targets, _ := centred(s.oneHot())
		sv, ut, err := spectrum(z, targets)
		if err != nil {
			t.Fatal(err)
		}
		g := mat.NewSymDense(s.Len(), nil)
		g.SymOuterK(1, z)
		if a, b := crossValidated(sv, ut, targets, s.Len()), crossValidatedDual(g, targets); math.Abs(a-b) > 1e-9*a {
			t.Errorf("%v: %v from singular values, %v from products of examples", size, a, b)
		}
	}
}
