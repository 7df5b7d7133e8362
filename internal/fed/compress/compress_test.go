package compress

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func normal(seed uint64, n int) []float32 {
	rng := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64() * math.Exp(-float64(i%7)))
	}
	return x
}

func schemes(t *testing.T) map[string]Scheme {
	out := map[string]Scheme{}
	for _, name := range []string{"none", "fp16", "int8", "topk:0.1", "topk:1"} {
		s, err := Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = s
	}
	return out
}

// What a scheme loses in one pass, against the largest of the numbers, and the bytes that it takes.
func TestSchemes(t *testing.T) {
	x := normal(1, 5000)
	for name, want := range map[string]struct {
		loss  float64
		bytes int
	}{
		"none": {0, 20000}, "fp16": {1. / 2048, 10020}, "int8": {0.5 / 127, 5020}, "topk:0.1": {1, 1600}, "topk:1": {1. / 2048, 15010},
	} {
		s := schemes(t)[name]
		b := s.Encode([]byte("before"), x)[6:]
		got, err := s.Decode(b, len(x))
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > want.bytes || float64(len(b)) < 0.9*float64(want.bytes) {
			t.Errorf("%s: %d bytes, want about %d", name, len(b), want.bytes)
		}
		m := scaleOf(x)
		for i := range x {
			if off := float64(abs(x[i]-got[i]) / m); off > want.loss*1.0001 {
				t.Fatalf("%s: number %d is off by %g of the largest", name, i, off)
			}
		}
	}
}

func TestTopKTakesTheLargest(t *testing.T) {
	s := TopK{0.5}
	got, err := s.Decode(s.Encode(nil, []float32{0.5, -4, 0.25, 4, 0, 1, 1}), 7)
	if err != nil || !slices.Equal(got, []float32{0, -4, 0, 4, 0, 1, 1}) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := s.Decode(s.Encode(nil, make([]float32, 7)), 7); err != nil || !slices.Equal(got, make([]float32, 7)) {
		t.Errorf("zeros: %v, %v", got, err)
	}
}

// With feedback the sum of many rounds arrives, whatever each round loses. Without it, most of what
// is smaller than a step never does.
func TestFeedback(t *testing.T) {
	const rounds, n = 60, 3000
	for name, s := range schemes(t) {
		f := &Feedback{Scheme: s}
		sum, arrived := make([]float64, n), make([]float64, n)
		for r := range rounds {
			x := normal(uint64(r%3), n)
			b, err := f.Encode(nil, x)
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.Decode(b, n)
			if err != nil {
				t.Fatal(err)
			}
			for i := range x {
				sum[i] += float64(x[i])
				arrived[i] += float64(got[i])
			}
			if r == rounds/2 { // a sender that was killed goes on
				lost := slices.Clone(f.Lost())
				f = &Feedback{Scheme: s}
				f.Restore(lost)
			}
		}
		var off, all float64
		for i := range sum {
			off += (sum[i] - arrived[i]) * (sum[i] - arrived[i])
			all += sum[i] * sum[i]
		}
		if r := math.Sqrt(off / all); r > 0.15 {
			t.Errorf("%s: after %d rounds the sum is off by %.3f", name, rounds, r)
		}
	}
	f := &Feedback{Scheme: Byte{}}
	if _, err := f.Encode(nil, []float32{1, float32(math.Inf(1))}); err == nil || !strings.Contains(err.Error(), "number 1 is +Inf") {
		t.Error(err)
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"":         "there is no compression",
		"zip":      "give one of none, fp16, int8, topk:P",
		"int8:4":   "there is no compression",
		"topk":     "as topk:0.01",
		"topk:0":   "above 0 and up to 1",
		"topk:1.5": "above 0 and up to 1",
		"topk:NaN": "above 0 and up to 1",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// Whatever bytes arrive, Decode gives n finite numbers or an error.
func FuzzDecode(f *testing.F) {
	all := []Scheme{None{}, Half{}, Byte{}, TopK{0.3}}
	for i, s := range all {
		f.Add(s.Encode(nil, normal(3, 40)), 40, i)
		f.Add([]byte{}, 0, i)
		f.Add([]byte{0, 0, 128, 127, 3, 255}, 2, i)
	}
	f.Fuzz(func(t *testing.T, b []byte, n, which int) {
		if n < 0 || n > 1<<16 {
			return
		}
		s := all[uint(which)%uint(len(all))]
		x, err := s.Decode(b, n)
		if err != nil {
			return
		}
		if len(x) != n {
			t.Fatalf("%T: %d numbers, want %d", s, len(x), n)
		}
		for i, v := range x {
			if v-v != 0 {
				t.Fatalf("%T: number %d is %g", s, i, v)
			}
		}
	})
}

func ExampleFeedback() {
	f := &Feedback{Scheme: TopK{0.5}}
	for range 2 {
		b, _ := f.Encode(nil, []float32{3, 1})
		x, _ := f.Scheme.Decode(b, 2)
		fmt.Println(x)
	}
	// Output:
	// [3 0]
	// [3 0]
}
