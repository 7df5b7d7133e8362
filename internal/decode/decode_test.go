package decode

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/kernel"
)

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "", 3}, {"", "ab", 2}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}, {"abc", "abc", 0}, {"ab", "ba", 2}} {
		if got := Distance([]rune(c.a), []rune(c.b)); got != c.want {
			t.Errorf("%q to %q: %d, want %d", c.a, c.b, got, c.want)
		}
		if got := Distance([]rune(c.b), []rune(c.a)); got != c.want {
			t.Errorf("%q to %q: %d, want %d", c.b, c.a, got, c.want)
		}
	}
}

// path gives scores that make a path of classes certain.
func path(c int, classes ...int) []float32 {
	x := make([]float32, c*len(classes))
	for t, k := range classes {
		x[t*c+k] = 9
	}
	return x
}

func TestGreedy(t *testing.T) {
	for _, c := range []struct{ path, want []int }{
		{nil, []int{}},
		{[]int{0, 0}, []int{}},
		{[]int{1, 1, 0, 1, 2, 2}, []int{1, 1, 2}},
		{[]int{2, 1, 1, 0}, []int{2, 1}},
	} {
		x := path(3, c.path...)
		if got := Greedy(x, 3, 0); !slices.Equal(got, c.want) {
			t.Errorf("greedy reads %v as %v, want %v", c.path, got, c.want)
		}
		if got := Beam(x, 3, 0, 4)[0].Labels; !slices.Equal(got, c.want) {
			t.Errorf("beam reads %v as %v, want %v", c.path, got, c.want)
		}
	}
}

// TestBeam compares with the sum over every path, one by one.
func TestBeam(t *testing.T) {
	const frames, c = 5, 3
	for _, blank := range []int{0, 2} {
		r := rand.New(rand.NewPCG(1, uint64(blank)))
		x := make([]float32, frames*c)
		for i := range x {
			x[i] = float32(r.NormFloat64())
		}
		want := map[string]float64{}
		steps := make([]int, frames)
		for n := range int(math.Pow(c, frames)) {
			p := 1.0
			for t := range steps {
				steps[t] = n % c
				n /= c
				row := make([]float64, c)
				kernel.LogSoftmaxRow(row, x[t*c:(t+1)*c])
				p *= math.Exp(row[steps[t]])
			}
			want[fmt.Sprint(Greedy(path(c, steps...), c, blank))] += p
		}
		got := Beam(x, c, blank, 1000)
		if len(got) != len(want) {
			t.Errorf("%d readings, want %d", len(got), len(want))
		}
		for i, g := range got {
			if w := want[fmt.Sprint(g.Labels)]; math.Abs(math.Exp(g.LogProb)-w) > 1e-12 {
				t.Errorf("%v has probability %g, want %g", g.Labels, math.Exp(g.LogProb), w)
			}
			if i > 0 && g.LogProb > got[i-1].LogProb {
				t.Errorf("reading %d is more probable than the one before", i)
			}
		}
		if narrow := Beam(x, c, blank, 8); !slices.Equal(narrow[0].Labels, got[0].Labels) || len(narrow) != 8 {
			t.Errorf("a beam of 8 reads %v, %d in all; want %v", narrow[0].Labels, len(narrow), got[0].Labels)
		}
	}
}

func TestSampler(t *testing.T) {
	scores := []float32{1, 3, 3, 2, -1}
	draw := func(s Sampler) []float64 {
		const n = 20000
		out := make([]float64, len(scores))
		for i := range n {
			out[s.Pick(scores, i)] += 1.0 / n
		}
		return out
	}
	e := math.E
	for _, c := range []struct {
		name string
		s    Sampler
		want []float64 // in proportion
	}{
		{"best", Sampler{}, []float64{0, 1, 0, 0, 0}},
		{"as scored", Sampler{Temperature: 1}, []float64{e * e, e * e * e * e, e * e * e * e, e * e * e, 1}},
		{"hot", Sampler{Temperature: 2, Seed: 3}, []float64{e, e * e, e * e, math.Pow(e, 1.5), 1}},
		{"top 1", Sampler{Temperature: 1, TopK: 1}, []float64{0, 1, 0, 0, 0}},
		{"top 3", Sampler{Temperature: 1, TopK: 3}, []float64{0, e, e, 1, 0}},
		{"nucleus", Sampler{Temperature: 1, TopP: 0.5}, []float64{0, 1, 1, 0, 0}},
		{"nucleus of the top", Sampler{Temperature: 1, TopK: 3, TopP: 0.9}, []float64{0, e, e, 1, 0}},
	} {
		sum := 0.0
		for _, w := range c.want {
			sum += w
		}
		for i, got := range draw(c.s) {
			if want := c.want[i] / sum; math.Abs(got-want) > 0.015 {
				t.Errorf("%s: token %d is drawn %.3f of the time, want %.3f", c.name, i, got, want)
			}
		}
	}
	if got := (Sampler{Temperature: 1}).Pick([]float32{1, float32(math.NaN())}, 0); got != -1 {
		t.Errorf("token %d is drawn from scores that are not numbers", got)
	}
}
