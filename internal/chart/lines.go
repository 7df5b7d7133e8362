package chart

import (
	"fmt"
	"math"
)

// Series is a line of a plot: a value for each x, from 1 on. A value that is not finite is a gap.
type Series struct {
	Name   string
	Class  string
	Values []float64
}

// Legend says what a class of marks is.
type Legend struct{ Class, Name string }

// marksMost is up to how many values a line has a mark for each.
const marksMost = 250

// Lines plots series over x from 1 on. The axis is that of all their values; a mark says its value
// under a pointer. The keys of marks are those of x, such as "round 3" of the label round.
func Lines(title, about string, width, height float64, label string, y Axis, series ...Series) *Plot {
	n := 0
	for _, s := range series {
		n = max(n, len(s.Values))
	}
	x := Axis{Label: label, Low: 0.5, High: float64(n) + 0.5, Text: Whole, Integer: true}
	f := Framed(title, about, width, height, x, y)
	for _, s := range series {
		if len(series) > 1 {
			f.Legend = append(f.Legend, Legend{s.Class, s.Name})
		}
		var run [][2]float64
		draw := func() {
			if len(run) > 1 {
				f.Path("line "+s.Class, "", Polyline(run))
			}
			run = nil
		}
		for i, v := range s.Values {
			if !Finite(v) || y.Log && v <= 0 {
				draw()
				continue
			}
			run = append(run, [2]float64{f.X.At(float64(i + 1)), f.Y.At(v)})
		}
		draw()
	}
	if n > marksMost {
		return f.Plot
	}
	for _, s := range series {
		for i, v := range s.Values {
			if !Finite(v) || y.Log && v <= 0 {
				continue
			}
			key := fmt.Sprintf("%s %d", label, i+1)
			f.Items = append(f.Items, Item{Class: "point " + s.Class, Key: key, Path: Disc(f.X.At(float64(i+1)), f.Y.At(v), math.Min(3, 1+200/float64(n))), Tip: fmt.Sprintf("%s: %s %s", key, s.Name, y.Text(v))})
		}
	}
	return f.Plot
}

// Stack is a part of each bar of a plot.
type Stack struct {
	Name   string
	Class  string
	Values []float64
}

// Stacks plots bars over x from 1 on, whose parts stand on each other.
func Stacks(title, about string, width, height float64, label, amount string, parts ...Stack) *Plot {
	var sums []float64
	for _, p := range parts {
		for i, v := range p.Values {
			if i == len(sums) {
				sums = append(sums, 0)
			}
			sums[i] += v
		}
	}
	top := 1.0
	for _, v := range sums {
		top = max(top, v)
	}
	n := len(sums)
	f := Framed(title, about, width, height, Axis{Label: label, Low: 0.5, High: float64(n) + 0.5, Text: Whole, Integer: true}, Axis{Label: amount, High: top, Text: Whole, Integer: true})
	wide := (f.X.To - f.X.From) / float64(max(1, n))
	base := make([]float64, n)
	for _, p := range parts {
		f.Legend = append(f.Legend, Legend{p.Class, p.Name})
		path := ""
		for i, v := range p.Values {
			if v > 0 {
				y := f.Y.At(base[i] + v)
				path += Rectangle(f.X.At(float64(i+1))-wide*0.45, y, wide*0.9, f.Y.At(base[i])-y)
			}
			base[i] += v
		}
		if path != "" {
			f.Path("area "+p.Class, "", path)
		}
	}
	return f.Plot
}
