package schedule

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
)

// net is a run of a model of so many blocks and a head: ten epochs of ten steps.
func net(blocks int) Run {
	r := Run{Epochs: 10, Steps: 10, Seed: 7}
	for i := range blocks {
		r.Units = append(r.Units, Unit{Name: string(rune('a' + i))})
	}
	r.Units = append(r.Units, Unit{Name: "head", Head: true})
	return r
}

func open(t *testing.T, text string, r Run) Schedule {
	t.Helper()
	spec, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	s, err := spec.New(r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// shown writes the units that train as letters, frozen ones as dots.
func shown(d Decision) string {
	var b strings.Builder
	for i, l := range d.Live {
		switch {
		case !l:
			b.WriteByte('.')
		case i == len(d.Live)-1:
			b.WriteByte('H')
		default:
			b.WriteByte(byte('a' + i))
		}
	}
	return b.String()
}

// plans asks at every question of the run, with the same values each time, and lists step and plan
// of each change.
func plans(s Schedule, r Run, values []float64) (out []string, at []int) {
	for step := 0; step < r.total(); step += s.Every() {
		m := Moment{Step: step, LR: 1}
		if step > 0 {
			m.Values = values
		}
		if d, ok := s.Next(m); ok {
			out, at = append(out, shown(d)), append(at, step)
		}
	}
	return out, at
}

func TestPlansOfFixedSchedules(t *testing.T) {
	for _, c := range []struct {
		name   string
		blocks int
		plans  string
		at     []int
	}{
		{"gradual", 3, "...H ..cH .bcH abcH", []int{0, 10, 20, 30}},
		{"gradual", 7, "", nil}, // seven blocks spread over five epochs
		{"gradual:2", 4, "....H ..cdH abcdH", []int{0, 10, 20}},
		{"lpft", 2, "..H abH", []int{0, 30}},
		{"lpft:4", 2, "..H abH", []int{0, 40}},
		// 0.5^3 = 0.125, 0.75^3 = 0.42: at the next of 20 questions
		{"freezeout:0.5", 2, "abH .bH ..H", []int{0, 15, 45}},
		{"badam:25", 3, "..cH .b.H a..H ..cH", []int{0, 25, 50, 75}},
	} {
		r := net(c.blocks)
		got, at := plans(open(t, c.name, r), r, nil)
		if c.at == nil {
			if got[0] != ".......H" || got[len(got)-1] != "abcdefgH" || at[len(at)-1] != 50 {
				t.Errorf("%s: %v at %v", c.name, got, at)
			}
			continue
		}
		if strings.Join(got, " ") != c.plans || !slices.Equal(at, c.at) {
			t.Errorf("%s: %v at %v, want %s at %v", c.name, got, at, c.plans, c.at)
		}
	}
}

func TestRates(t *testing.T) {
	r := net(2)
	l := open(t, "lpft:4", r)
	if a, b := l.Rate(1, 39), l.Rate(1, 40); a != 1 || b != 0.1 {
		t.Errorf("lpft: rates %g and %g", a, b)
	}
	f := open(t, "freezeout:0.5", r)
	for _, c := range []struct {
		unit, step int
		want       float64
	}{
		{0, 0, 8},        // 1 / 0.5^3
		{0, 13, 0},       // 12.5 steps are its time
		{1, 0, 64. / 27}, // 1 / 0.75^3
		{2, 0, 1},        // the head
		{2, 50, 0.5},     // half of a cosine
		{2, 25, (1 + math.Sqrt2/2) / 2},
	} {
		if got := f.Rate(c.unit, c.step); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("freezeout: rate of unit %d at step %d is %g, want %g", c.unit, c.step, got, c.want)
		}
	}
}

// Gradient norms change by 10%, 20%, 50% and 5%: the median of the changes is 10%, and the blocks
// at the front up to the first above it are frozen. The last block's small change does not count,
// as the one before it still moves.
func TestAutoFreeze(t *testing.T) {
	r := net(4)
	s := open(t, "autofreeze:50%", r)
	s.Next(Moment{})
	if _, ok := s.Next(Moment{Step: 5, Values: []float64{10, 10, 10, 10, 1}}); ok {
		t.Fatal("one measurement decided")
	}
	d, ok := s.Next(Moment{Step: 10, Values: []float64{11, 8, 5, 9.5, 9}})
	if !ok || shown(d) != ".bcdH" {
		t.Fatalf("%s %v", shown(d), ok)
	}
	// 8 to 8.1 (1%), 5 to 5.1 (2%), 9.5 to 19 (100%): the median is 2%.
	d, ok = s.Next(Moment{Step: 15, Values: []float64{math.NaN(), 8.1, 5.1, 19, 9}})
	if !ok || shown(d) != "...dH" {
		t.Fatalf("%s %v", shown(d), ok)
	}
	if d, ok = s.Next(Moment{Step: 20, Values: []float64{math.NaN(), math.NaN(), math.NaN(), 19, 9}}); !ok || shown(d) != "....H" {
		t.Fatalf("%s %v", shown(d), ok)
	}
	if _, ok = s.Next(Moment{Step: 25, Values: []float64{math.NaN(), math.NaN(), math.NaN(), math.NaN(), 9}}); ok {
		t.Error("the head was frozen")
	}
}

func TestPercentile(t *testing.T) {
	v := []float64{4, 1, 3, 2}
	for p, want := range map[float64]float64{0.1: 1, 0.25: 1, 0.5: 2, 0.51: 3, 0.75: 3, 0.99: 4} {
		if got := percentile(v, p); got != want {
			t.Errorf("percentile %g is %g, want %g", p, got, want)
		}
	}
}

func TestSlimFit(t *testing.T) {
	r := net(4)
	s := open(t, "slimfit:50%", r)
	s.Next(Moment{})
	d, _ := s.Next(Moment{Step: 5, Values: []float64{0.4, 0.1, 0.3, 0.2, 9}})
	if shown(d) != "a.c.H" {
		t.Fatal(shown(d))
	}
	n := math.NaN() // b and d keep 0.1 and 0.2; c falls below them
	d, _ = s.Next(Moment{Step: 10, Values: []float64{0.4, n, 0.05, n, 9}})
	if shown(d) != "a..dH" {
		t.Fatal(shown(d))
	}
	if _, ok := s.Next(Moment{Step: 15, Values: []float64{0.4, n, n, 0.3, 9}}); ok {
		t.Error("nothing changed its place, and the plan did")
	}
}

func TestLISA(t *testing.T) {
	r := net(6)
	r.Units[0].Embedding = true
	count := make([]int, 7)
	s := open(t, "lisa:2", r)
	for step := 0; step < 100*s.Every(); step += s.Every() {
		d, ok := s.Next(Moment{Step: step})
		if !ok {
			continue
		}
		n := 0
		for i, l := range d.Live {
			if l {
				n, count[i] = n+1, count[i]+1
			}
		}
		if n != 4 || !d.Live[0] || !d.Live[6] {
			t.Fatalf("step %d: %s", step, shown(d))
		}
	}
	for i := 1; i < 6; i++ {
		if count[i] < 20 || count[i] > 60 {
			t.Errorf("block %d was drawn %d times of about 40", i, count[i])
		}
	}
	a, _ := plans(open(t, "lisa:2", r), r, nil)
	b, _ := plans(open(t, "lisa:2", r), r, nil)
	if !slices.Equal(a, b) {
		t.Error("the same seed draws other blocks")
	}
}

// Block a moves quickly at first and then hardly at all; block b moves steadily. A drop of the rate
// to a tenth thaws everything.
func TestEgeria(t *testing.T) {
	r := net(2)
	s := open(t, "egeria", r)
	s.Next(Moment{LR: 1})
	if !s.Refer() {
		t.Fatal("no reference at the start")
	}
	values := []float64{0, 4, 8, 9, 9.1, 9.1, 9.1, 9.1, 9.1}
	frozen := -1
	for i, v := range values {
		d, ok := s.Next(Moment{Step: 2 + 2*i, LR: 1, Values: []float64{v, float64(i), math.NaN()}})
		if ok {
			if shown(d) != ".bH" {
				t.Fatalf("question %d: %s", i, shown(d))
			}
			frozen = i
			break
		}
	}
	// Averages of three: 0 2 4 7 8.7 9.07 9.1 9.1; slopes over three of them: 2 2.5 2.35 1.03 0.2
	// 0.02: the last two and the next are calm.
	if frozen != 8 {
		t.Errorf("frozen at value %d, want 8", frozen)
	}
	d, ok := s.Next(Moment{Step: 30, LR: 0.1, Values: []float64{math.NaN(), 9, math.NaN()}})
	if !ok || shown(d) != "abH" || !s.Refer() {
		t.Errorf("after the drop of the rate: %s %v", shown(d), ok)
	}
}

func TestSlope(t *testing.T) {
	if got := slope([]float64{1, 2, 4}); math.Abs(got-1.5) > 1e-12 {
		t.Errorf("slope %g, want 1.5", got)
	}
	if got := smooth([]float64{3, 6, 9, 0}, 2); !slices.Equal(got, []float64{7.5, 4.5}) {
		t.Errorf("smoothed %v", got)
	}
}

// Two examples with results (1,0) and (1,1): products 1 1 / 1 2, rows of length 1.
func TestDistance(t *testing.T) {
	g := make([]float64, 4)
	Gram(g, []float32{1, 0, 1, 1}, 2)
	if !slices.Equal(g, []float64{1, 1, 1, 2}) {
		t.Fatalf("products %v", g)
	}
	Normalise(g, 2)
	want := []float64{math.Sqrt(0.5), math.Sqrt(0.5), 1 / math.Sqrt(5), 2 / math.Sqrt(5)}
	for i, w := range want {
		if math.Abs(g[i]-w) > 1e-12 {
			t.Errorf("normalised %v, want %v", g, want)
		}
	}
	if d := Distance([]float64{1, 0, 0, 1}, []float64{0, 1, 0, 1}); d != 0.5 {
		t.Errorf("distance %g, want 2/4", d)
	}
}

// A schedule that is written down and read back in the middle of a run goes on as if nothing had
// happened.
func TestStateIsTheWholeState(t *testing.T) {
	r := net(4)
	values := func(step int) []float64 { // of units that train or not: something that changes
		var out []float64
		for i := range 5 {
			out = append(out, 1+math.Mod(float64(step*(i+3))*0.37, 1))
		}
		return out
	}
	for _, name := range []string{"gradual", "lpft", "autofreeze", "freezeout", "egeria:0.9", "slimfit", "lisa:2", "badam"} {
		whole, part := open(t, name, r), open(t, name, r)
		for step := 0; step < r.total(); step += whole.Every() {
			m := Moment{Step: step, LR: 1 - float64(step)/100, Values: values(step)}
			a, oka := whole.Next(m)
			b, okb := part.Next(m)
			if oka != okb || shown(a) != shown(b) || a.Reason != b.Reason || whole.Refer() != part.Refer() {
				t.Fatalf("%s, step %d: %s %q, after reading back %s %q", name, step, shown(a), a.Reason, shown(b), b.Reason)
			}
			js, err := json.Marshal(part)
			if err != nil {
				t.Fatal(err)
			}
			part = open(t, name, r)
			if err := json.Unmarshal(js, part); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"": "none of autofreeze, badam", "grdual": "none of", "gradual:": "nothing follows", "gradual:x": "whole number", "lisa": "as in lisa:2", "lisa:0": "whole number",
		"autofreeze:1.5": "share", "slimfit:0%": "share", "egeria:NaN": "share",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error with %q", text, err, want)
		}
	}
	for text, r := range map[string]Run{
		"gradual": {Units: []Unit{{Name: "head", Head: true}}, Epochs: 1, Steps: 1},
		"lpft":    {Units: []Unit{{Name: "a"}, {Name: "b"}}, Epochs: 1, Steps: 1},
		"lisa:9":  net(4),
	} {
		spec, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := spec.New(r); err == nil {
			t.Errorf("%s was made for %v", text, r.Units)
		}
	}
}
