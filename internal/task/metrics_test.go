package task

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
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

func TestWriteTable(t *testing.T) {
	var b strings.Builder
	must(t, sampleMetrics().WriteTable(&b, []string{"ant", "bee", "a rather long name of a class", "unseen"}))
	want := `
true \ guess  ant  bee  a rather lo…  unseen  recall
         ant    2    1             ·       ·   66.7%
`
	if !strings.HasPrefix("\n"+unpad(b.String()), want[:len(want)-1]) {
		t.Errorf("table:\n%s", b.String())
	}
	many := NewMetrics(20)
	many.Matrix[3][4], many.Matrix[3][3], many.Matrix[5][6] = 2, 1, 7
	names := make([]string, 20)
	for i := range names {
		names[i] = fmt.Sprint("c", i)
	}
	b.Reset()
	must(t, many.WriteTable(&b, names))
	if want := "c5  taken for c6  7 of 7\nc3  taken for c4  2 of 3\n"; b.String() != want {
		t.Errorf("table:\n%s\nwant:\n%s", b.String(), want)
	}
}

// unpad takes the left margin off every line that a right-aligned table has in common.
func unpad(s string) string {
	lines := strings.Split(s, "\n")
	margin := len(lines[0]) - len(strings.TrimLeft(lines[0], " "))
	for i, l := range lines {
		lines[i] = l[min(margin, len(l)):]
	}
	return strings.Join(lines, "\n")
}
