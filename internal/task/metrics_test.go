package task

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// sampleMetrics: labels 0 0 1 1 2 0, guesses 0 1 1 1 0 0.
func sampleMetrics() *Metrics {
	m := NewMetrics(4)
	m.Add([]float32{
		9, 1, 0, 0,
		1, 9, 0, 0,
		0, 1, 0, 0,
	}, []int{0, 0, 1}, []float32{0.1, 2, 0.3})
	m.Add([]float32{
		-2, -1, -3, -4,
		5, 5, 5, 5,
		1, 0, 0, 0,
	}, []int{1, 2, 0}, []float32{0.4, 1.5, 0.2})
	return m
}

func TestMetrics(t *testing.T) {
	m := sampleMetrics()
	for _, tt := range []struct {
		name      string
		got, want float64
	}{
		{"accuracy", m.Accuracy(), 4.0 / 6},
		{"loss", m.Loss(), 4.5 / 6},
		// sklearn.metrics.f1_score([0,0,1,1,2,0], [0,1,1,1,0,0], average="macro"): 2/3, 4/5, 0.
		{"macro F1", m.MacroF1(), (2.0/3 + 4.0/5) / 3},
	} {
		if math.Abs(tt.got-tt.want) > 1e-7 {
			t.Errorf("%s is %g, want %g", tt.name, tt.got, tt.want)
		}
	}
	want := []Confusion{{0, 1, 1}, {2, 0, 1}}
	if got := m.Confusions(9); !reflect.DeepEqual(got, want) {
		t.Errorf("confusions %v, want %v", got, want)
	}
	if got := m.Confusions(1); len(got) != 1 {
		t.Errorf("%d confusions, want 1", len(got))
	}
}

func TestMetricsOfNothing(t *testing.T) {
	m := NewMetrics(2)
	if m.Accuracy() != 0 || m.Loss() != 0 || m.MacroF1() != 0 {
		t.Errorf("%g %g %g, want zeros", m.Accuracy(), m.Loss(), m.MacroF1())
	}
}

func TestMetricsInvalid(t *testing.T) {
	nan := float32(math.NaN())
	m := NewMetrics(2)
	m.Add([]float32{nan, 0, 1, nan}, []int{0, 0}, []float32{nan, 1})
	if m.Invalid != 2 || m.Correct != 0 || !math.IsNaN(m.Loss()) {
		t.Errorf("%+v", m)
	}
	var back Metrics
	b, err := json.Marshal(m)
	must(t, err)
	must(t, json.Unmarshal(b, &back))
	if !math.IsNaN(back.LossSum) || back.Invalid != 2 {
		t.Errorf("%s reads back as %+v", b, back)
	}
}

func TestMetricsJSON(t *testing.T) {
	m := sampleMetrics()
	b, err := json.Marshal(m)
	must(t, err)
	for _, key := range []string{`"accuracy":0.66`, `"macro_f1":0.48`, `"examples":6`, `"confusion":[[2,1,0,0]`} {
		if !strings.Contains(string(b), key) {
			t.Errorf("%s lacks %s", b, key)
		}
	}
	var back Metrics
	must(t, json.Unmarshal(b, &back))
	if !reflect.DeepEqual(&back, m) {
		t.Errorf("reads back as %+v, want %+v", back, m)
	}
	wantError(t, json.Unmarshal([]byte(`{"confusion":[[1,2]],"loss_sum":"0"}`), &back), "not square")
}

func TestMetricsMerge(t *testing.T) {
	a, b := sampleMetrics(), sampleMetrics()
	a.Merge(b)
	if a.Examples != 12 || a.Correct != 8 || a.Matrix[0][0] != 4 || math.Abs(a.LossSum-9) > 1e-6 {
		t.Errorf("%+v", a)
	}
}

func TestArgmax(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, tt := range []struct {
		in   []float32
		want int
	}{{nil, -1}, {[]float32{-inf, -inf}, 0}, {[]float32{1, inf, 2}, 1}, {[]float32{3, 3}, 0}, {[]float32{1, float32(math.NaN())}, -1}} {
		if got := Argmax(tt.in); got != tt.want {
			t.Errorf("Argmax(%v) is %d, want %d", tt.in, got, tt.want)
		}
	}
}

// A class that never occurs, or is never predicted, has no recall or precision.
func TestPerClass(t *testing.T) {
	m := NewMetrics(4)
	m.Matrix = [][]int64{{2, 1, 0, 0}, {1, 3, 0, 0}, {1, 0, 0, 0}, {0, 0, 0, 0}}
	var got []string
	for _, c := range m.PerClass() {
		text := fmt.Sprint(c.Examples, " ", c.Predicted)
		for _, v := range []*float64{c.Precision, c.Recall, c.F1} {
			if v == nil {
				text += " -"
			} else {
				text += fmt.Sprintf(" %.3f", *v)
			}
		}
		got = append(got, text)
	}
	want := []string{"3 4 0.500 0.667 0.571", "4 4 0.750 0.750 0.750", "1 0 - 0.000 0.000", "0 0 - - -"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	l := Metrics{Task: NameMultilabel, Labels: []Hits{{Both: 1, Wrong: 3, Missed: 1}}}
	if c := l.PerClass(); len(c) != 1 || *c[0].Precision != 0.25 || *c[0].Recall != 0.5 || c[0].Examples != 2 || c[0].Predicted != 4 {
		t.Errorf("multilabel: %+v", c)
	}
	if c := (&Metrics{Task: NameRegress}).PerClass(); c != nil {
		t.Errorf("regress: %+v", c)
	}
}

// TestUniform: guessing among c tokens has a loss of ln c; of two symbols and a blank on one frame, ln
// 3 for a transcript of one symbol.
func TestUniform(t *testing.T) {
	lm := &LM{}
	m := lm.NewMetrics()
	lm.Measure(m, tensor.New(tensor.Float32, 3, 5), lm.Labels([]data.Target{{Labels: []int{1, 2, 3}}}, nil, 3))
	if g, ok := m.Guess(); !ok || math.Abs(g-math.Log(5)) > 1e-12 {
		t.Errorf("lm: %g, want ln 5", g)
	}
	ctc := NewCTC([]string{"a", "b"})
	m = ctc.NewMetrics()
	ctc.Measure(m, tensor.New(tensor.Float32, 1, 3), ctc.Labels([]data.Target{{Labels: []int{1}}}, nil, 1))
	if g, ok := m.Guess(); !ok || math.Abs(g-math.Log(3)) > 1e-12 {
		t.Errorf("ctc: %g, want ln 3", g)
	}
}
