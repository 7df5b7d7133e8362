package freezing

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestMask(t *testing.T) {
	x := []float32{1, 2, 3, 4, 5}
	for _, m := range []Mask{nil, {true, true, true, true, true}, {false, false, false, false, false}, {true, false, true, false, false}, {false, true, true, true, true}} {
		part := m.Gather(x)
		if len(part) != m.Active(5) {
			t.Errorf("%v: gathers %d, active are %d", m, len(part), m.Active(5))
		}
		back, err := m.Scatter(part, 5)
		if err != nil {
			t.Fatal(err)
		}
		for i := range x {
			want := x[i]
			if m != nil && !m[i] {
				want = 0
			}
			if back[i] != want {
				t.Errorf("%v: %v", m, back)
			}
		}
		read, err := Unmarshal(m.Marshal(), 5)
		if err != nil || !slices.Equal(read, m) {
			t.Errorf("%v: read as %v, %v", m, read, err)
		}
		if _, err := m.Scatter(append(slices.Clone(part), 1), 5); err == nil {
			t.Errorf("%v: takes too many numbers", m)
		}
	}
	if got := (Mask{true, true, false}).And(Mask{true, false, true}); !slices.Equal(got, Mask{true, false, false}) {
		t.Errorf("and: %v", got)
	}
	if got := Mask(nil).And(Mask{false}); !slices.Equal(got, Mask{false}) {
		t.Errorf("and with all: %v", got)
	}
}

func FuzzUnmarshal(f *testing.F) {
	f.Add(Mask{true, false, true}.Marshal(), 3)
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 1}, 4)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		if n < 0 || n > 1<<16 {
			return
		}
		m, err := Unmarshal(b, n)
		if err == nil && m != nil && len(m) != n {
			t.Fatalf("%d places, want %d", len(m), n)
		}
	})
}

// A weight that only trembles falls asleep and stays so for longer and longer; one that goes on in
// one direction never does; one that begins to move again is awake soon.
func TestAPF(t *testing.T) {
	a := NewAPF(3)
	rng := rand.New(rand.NewPCG(1, 1))
	var awake [3][4]int // rounds that took part, by quarter
	const rounds = 400
	for r := range rounds {
		m := a.Mask()
		delta := []float32{float32(rng.NormFloat64()), 1, float32(rng.NormFloat64())}
		if r >= rounds/2 {
			delta[2] = 1
		}
		for i, on := range m {
			if !on {
				delta[i] = 0
				continue
			}
			awake[i][r*4/rounds]++
		}
		if r == rounds/2 { // the server was killed: the one that goes on decides the same
			b := NewAPF(3)
			if err := b.Restore(a.State()); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(a.Mask(), b.Mask()) {
				t.Error("resumed with another mask")
			}
			a = b
		}
		if err := a.Observe(delta); err != nil {
			t.Fatal(err)
		}
	}
	if awake[1] != [4]int{100, 100, 100, 100} {
		t.Errorf("a weight that moves on sleeps: %v", awake[1])
	}
	if awake[0][3] > 70 || awake[0][3] > awake[0][0] {
		t.Errorf("a weight that trembles is awake in %v of 100 rounds by quarter", awake[0])
	}
	if awake[2][3] < 90 {
		t.Errorf("a weight that moves again stays asleep: %v", awake[2])
	}
	if err := a.Observe([]float32{1}); err == nil {
		t.Error("takes a change of other weights")
	}
	if err := NewAPF(2).Restore(a.State()); err == nil || !strings.Contains(err.Error(), "for 2 weights") {
		t.Error(err)
	}
}

func TestPart(t *testing.T) {
	p, err := NewPart([]int{0, 0, 1, 2, 2}, 2, 1)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for r := range 7 {
		m := p.Mask(r)
		if m == nil {
			got = append(got, "all")
			continue
		}
		var b bytes.Buffer
		for _, on := range m {
			b.WriteByte("-x"[map[bool]int{true: 1}[on]])
		}
		got = append(got, b.String())
	}
	if want := []string{"all", "all", "xx---", "--x--", "---xx", "all", "all"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if one, _ := NewPart([]int{0, 0}, 0, 3); one.Mask(1) != nil {
		t.Error("a single group is not everything")
	}
	for _, bad := range []struct {
		groups []int
		whole  int
		each   int
	}{{nil, 1, 1}, {[]int{0}, 1, 0}, {[]int{0}, -1, 1}, {[]int{-1}, 1, 1}} {
		if _, err := NewPart(bad.groups, bad.whole, bad.each); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}
