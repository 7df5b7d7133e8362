package main

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRow(t *testing.T) {
	for _, c := range []struct {
		name  string
		row   row
		score float64
		met   bool
	}{
		{"faster than the better mode", row{Values: map[string]float64{"Permafrost": 100, "PyTorch as installed": 500, "PyTorch channels last": 250}, Against: "PyTorch", Least: 2}, 2.5, true},
		{"too slow", row{Values: map[string]float64{"Permafrost": 100, "ONNX Runtime": 90}, Against: "ONNX Runtime", Least: 1}, 0.9, false},
		{"memory", row{Values: map[string]float64{"Permafrost": 30, "PyTorch as installed": 100}, Against: "PyTorch", Most: 0.4}, 0.3, true},
		{"too much memory", row{Values: map[string]float64{"Permafrost": 50, "PyTorch as installed": 100}, Against: "PyTorch", Most: 0.4}, 0.5, false},
		{"alone", row{Values: map[string]float64{"Permafrost": 85}, Least: 80}, 85, true},
		{"alone, less is better", row{Values: map[string]float64{"Permafrost": 0.5}, Most: 0.3}, 0.5, false},
		{"no peer", row{Values: map[string]float64{"Permafrost": 85}, Against: "PyTorch", Least: 1}, math.NaN(), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.row.score(); got != c.score && !(math.IsNaN(got) && math.IsNaN(c.score)) {
				t.Errorf("score %g, want %g", got, c.score)
			}
			if got := c.row.met(); got != c.met {
				t.Errorf("met is %v", got)
			}
		})
	}
}

func TestMedian(t *testing.T) {
	if m := median([]float64{9, 1, 5}); m != 5 {
		t.Errorf("median of three is %g", m)
	}
	if m := median([]float64{4, 1, 2, 9}); m != 3 {
		t.Errorf("median of four is %g", m)
	}
}

// TestReport writes a report, reads it back and replaces one row of it.
func TestReport(t *testing.T) {
	dir := t.TempDir()
	b := &bench{out: dir, results: &results{Sections: map[string][]row{}}}
	b.results.machine(2)
	b.results.put("forward", row{Name: "net, batch 2", Unit: "ms", Values: map[string]float64{"Permafrost": 123.4, "ONNX Runtime": 200}, Against: "ONNX Runtime", Least: 1.3, Aim: 2})
	b.results.put("forward", row{Name: "other", Unit: "ms", Values: map[string]float64{"Permafrost": 1}, Against: "ONNX Runtime", Least: 1.3})
	b.results.curve(curve{Name: "time against examples", X: "examples", Y: "seconds", Points: [][2]float64{{1, 2}, {2, 4}}})
	if err := b.write(); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"benchmarks.png", "benchmarks-growth.png"} {
		if s, err := os.Stat(filepath.Join(dir, f)); err != nil || s.Size() < 1000 {
			t.Errorf("%s: %v", f, err)
		}
	}
	r, err := load(filepath.Join(dir, "benchmarks.json"))
	if err != nil {
		t.Fatal(err)
	}
	r.put("forward", row{Name: "net, batch 2", Unit: "ms", Values: map[string]float64{"Permafrost": 100, "ONNX Runtime": 90}, Against: "ONNX Runtime", Least: 1.3, Aim: 2})
	md := r.markdown("accuracy.md")
	for _, want := range []string{"| net, batch 2 | 100 ms | 90 ms | 0.9 | at least 1.3, aim 2 | missed |", "| other | 1 ms | |  | at least 1.3, aim 0 |  |", "| examples | 1 | 2 |", r.Machine} {
		if !strings.Contains(md, want) {
			t.Errorf("report lacks %q:\n%s", want, md)
		}
	}
	if strings.Contains(md, "123") {
		t.Error("the older measurement is still there")
	}
}

// TestNumber reads a turn's output.
func TestNumber(t *testing.T) {
	if v, err := number("ms")(turn{stdout: []byte(`{"ms": 1.5}`)}); err != nil || v != 1.5 {
		t.Errorf("%g, %v", v, err)
	}
	for _, bad := range []string{"", "{}", `{"ms": null}`, "oops"} {
		if _, err := number("ms")(turn{stdout: []byte(bad)}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
