package chart

import (
	"fmt"
	"math"
	"strconv"
)

// Axis places values between two ends of a plot, in pixels.
type Axis struct {
	Label    string
	Low      float64
	High     float64
	Log      bool
	Names    []string // of an axis of names: value i is the name i
	Text     func(float64) string
	Time     bool    // in seconds
	Integer  bool    // of whole numbers: no tick stands between them
	From, To float64 // pixels of the two ends
}

// Linear is an axis from the least to the greatest of the values, with a little room. It takes
// values that are not finite, and leaves them out.
func Linear(label string, text func(float64) string, values ...float64) Axis {
	a := Axis{Label: label, Low: math.Inf(1), High: math.Inf(-1), Text: text}
	for _, v := range values {
		if Finite(v) {
			a.Low, a.High = min(a.Low, v), max(a.High, v)
		}
	}
	if a.Low > a.High {
		a.Low, a.High = 0, 1
	}
	room := 0.05 * (a.High - a.Low)
	if room == 0 {
		room = max(0.05*math.Abs(a.High), 1e-9)
	}
	a.Low, a.High = a.Low-room, a.High+room
	return a
}

// Amounts is an axis of numbers that cannot be negative: logarithmic where they differ much.
func Amounts(label string, text func(float64) string, values ...float64) Axis {
	a := Linear(label, text, values...)
	low, high := math.Inf(1), 0.0
	for _, v := range values {
		if Finite(v) && v > 0 {
			low, high = min(low, v), max(high, v)
		}
	}
	if high > 8*low {
		a.Log, a.Low, a.High = true, low/1.2, high*1.2
	} else {
		a.Low = max(a.Low, 0)
	}
	return a
}

// Between returns the axis with its ends at these pixels.
func (a Axis) Between(from, to float64) Axis {
	a.From, a.To = from, to
	return a
}

// At is the pixel of a value. What lies beyond an end is placed there.
func (a Axis) At(v float64) float64 {
	u := 0.0
	switch {
	case len(a.Names) > 0:
		u = (v + 0.5) / float64(len(a.Names))
	case a.Log:
		u = math.Log(max(v, a.Low)/a.Low) / math.Log(a.High/a.Low)
	default:
		u = (v - a.Low) / (a.High - a.Low)
	}
	return a.From + min(max(u, 0), 1)*(a.To-a.From)
}

// Cell is the pixels that one name has.
func (a Axis) Cell() float64 { return math.Abs(a.To-a.From) / float64(max(1, len(a.Names))) }

// Tick is a place of an axis and what stands there.
type Tick struct {
	At   float64
	Text string
}

// Ticks are about n places of an axis that are easy to read.
func (a Axis) Ticks(n int) []Tick {
	var out []Tick
	add := func(v float64) { out = append(out, Tick{a.At(v), a.Text(v)}) }
	switch {
	case len(a.Names) > 0:
		for i, name := range a.Names {
			out = append(out, Tick{a.At(float64(i)), name})
		}
	case a.Log && a.High > 30*a.Low:
		decades := math.Log10(a.High / a.Low)
		for e := math.Floor(math.Log10(a.Low)); e <= math.Ceil(math.Log10(a.High)); e++ {
			for _, m := range []float64{1, 3} {
				v := m * math.Pow(10, e)
				every := math.Ceil(decades / float64(n))
				if v < a.Low*0.999 || v > a.High*1.001 || m == 3 && decades > float64(n)/2 || math.Mod(e, every) != 0 {
					continue
				}
				add(v)
			}
		}
	default:
		step := round((a.High - a.Low) / float64(n))
		if a.Integer {
			step = max(1, step)
		}
		if a.Time {
			step = roundTime((a.High - a.Low) / float64(n))
		}
		for v := math.Ceil(a.Low/step) * step; v <= a.High+step*1e-9; v += step {
			if math.Abs(v) < step*1e-9 {
				v = 0
			}
			add(v)
		}
	}
	return out
}

// round is the nearest of 1, 2 and 5 times a power of ten that is not smaller.
func round(x float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(x)))
	for _, m := range []float64{1, 2, 5} {
		if m*unit >= x*0.999 {
			return m * unit
		}
	}
	return 10 * unit
}

// roundTime is the nearest round number of seconds, minutes, hours or days that is not smaller.
func roundTime(x float64) float64 {
	for _, s := range []float64{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 3 * 3600, 6 * 3600, 12 * 3600, 24 * 3600} {
		if x > 0.5 && s >= x {
			return s
		}
	}
	return round(x)
}

// Finite reports whether v is a number.
func Finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// Number writes four digits at most.
func Number(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }

// Percent writes a share.
func Percent(v float64) string { return strconv.FormatFloat(100*v, 'g', 4, 64) + "%" }

// Whole writes a whole number.
func Whole(v float64) string { return fmt.Sprintf("%.0f", v) }

// Amount writes a large number in thousands, millions or billions.
func Amount(v float64) string {
	for _, u := range []struct {
		of   float64
		unit string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if v >= u.of {
			return strconv.FormatFloat(v/u.of, 'g', 3, 64) + u.unit
		}
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// Size writes a number of bytes, in thousands, millions or billions.
func Size(v float64) string { return Amount(v) + "B" }

// Milliseconds writes a time in milliseconds.
func Milliseconds(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) + " ms" }

// Seconds writes a time in a suitable unit.
func Seconds(v float64) string {
	switch {
	case v < 1:
		return strconv.FormatFloat(1000*v, 'f', 0, 64) + " ms"
	case v < 120:
		return strconv.FormatFloat(v, 'g', 3, 64) + " s"
	}
	minutes, rest := int(math.Round(v))/60, int(math.Round(v))%60
	switch {
	case minutes >= 60:
		return fmt.Sprintf("%d h %d min", minutes/60, minutes%60)
	case rest > 0:
		return fmt.Sprintf("%d min %d s", minutes, rest)
	}
	return fmt.Sprintf("%d min", minutes)
}
