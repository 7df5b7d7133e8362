package mixture

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"
)

func source() *rand.Rand { return rand.New(rand.NewPCG(3, 9)) }

// two clusters: 300 rows near (0, 5) with deviations 1 and 0.1, 100 rows near (10, -5) with 0.5 and 2.
func clusters() [][]float32 {
	rng := source()
	var rows [][]float32
	for i := range 400 {
		a, b, sa, sb := 0., 5., 1., 0.1
		if i%4 == 3 {
			a, b, sa, sb = 10, -5, 0.5, 2
		}
		rows = append(rows, []float32{float32(a + sa*rng.NormFloat64()), float32(b + sb*rng.NormFloat64())})
	}
	return rows
}

func moments(rows [][]float32, j int) (mean, deviation float64) {
	for _, r := range rows {
		mean += float64(r[j]) / float64(len(rows))
	}
	for _, r := range rows {
		x := float64(r[j]) - mean
		deviation += x * x / float64(len(rows))
	}
	return mean, math.Sqrt(deviation)
}

func TestFit(t *testing.T) {
	m, err := Fit(clusters(), 2, source())
	if err != nil {
		t.Fatal(err)
	}
	large := m.Components[0]
	if m.Components[1].Weight > large.Weight {
		large = m.Components[1]
	}
	for what, v := range map[string][2]float64{
		"weight": {float64(large.Weight), 0.75}, "mean": {float64(large.Mean[1]), 5}, "deviation": {math.Sqrt(float64(large.Variance[0])), 1},
		"small deviation": {math.Sqrt(float64(large.Variance[1])), 0.18}, // the least: a thousandth of the overall variance
	} {
		if math.Abs(v[0]-v[1]) > 0.1 {
			t.Errorf("%s of the large cluster: %g, want %g", what, v[0], v[1])
		}
	}
	rng := source()
	var drawn [][]float32
	for range 4000 {
		drawn = append(drawn, m.Draw(rng))
	}
	for j := range 2 {
		wantMean, wantDev := moments(clusters(), j)
		mean, dev := moments(drawn, j)
		if math.Abs(mean-wantMean) > 0.3 || math.Abs(dev-wantDev) > 0.2 {
			t.Errorf("feature %d drawn: mean %.2f, deviation %.2f; examples have %.2f, %.2f", j, mean, dev, wantMean, wantDev)
		}
	}
	again, _ := Fit(clusters(), 2, source())
	if !bytes.Equal(again.Marshal(), m.Marshal()) {
		t.Error("the same numbers give another mixture")
	}
}

// Few examples make few components: none describes a single one where there are more.
func TestFewExamples(t *testing.T) {
	for n, most := range map[int]int{1: 1, 2: 1, 5: 1, 6: 2, 30: 5} {
		m, err := Fit(clusters()[:n], 5, source())
		if err != nil || len(m.Components) > most || m.Count != n {
			t.Errorf("%d examples: %d components, %v", n, len(m.Components), err)
		}
		for _, v := range m.Draw(source()) {
			if v-v != 0 {
				t.Errorf("%d examples: draws %g", n, v)
			}
		}
	}
	same := [][]float32{{1, 2}, {1, 2}, {1, 2}, {1, 2}, {1, 2}, {1, 2}}
	if m, err := Fit(same, 2, source()); err != nil || math.Abs(float64(m.Draw(source())[0]-1)) > 0.01 {
		t.Errorf("equal examples: %v", err)
	}
}

func TestRefused(t *testing.T) {
	for _, rows := range [][][]float32{nil, {{1, 2}, {1}}, {{float32(math.NaN())}}} {
		if _, err := Fit(rows, 2, source()); err == nil {
			t.Errorf("%v is taken", rows)
		}
	}
}

func FuzzUnmarshal(f *testing.F) {
	m, _ := Fit(clusters(), 2, source())
	f.Add(m.Marshal())
	f.Add([]byte{1, 1, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Unmarshal(b, 2)
		if err != nil {
			return
		}
		for _, v := range m.Draw(source()) {
			if v != v {
				t.Fatal("draws NaN")
			}
		}
	})
}

func TestMarshal(t *testing.T) {
	m, _ := Fit(clusters(), 2, source())
	b := m.Marshal()
	back, err := Unmarshal(b, 2)
	if err != nil || !bytes.Equal(back.Marshal(), b) {
		t.Errorf("%v", err)
	}
	if _, err := Unmarshal(b, 3); err == nil {
		t.Error("is read with another number of features")
	}
	if _, err := Unmarshal(b[:len(b)-1], 2); err == nil {
		t.Error("is read from too few bytes")
	}
}
