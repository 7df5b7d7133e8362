package page

import (
	"fmt"
	"math"
	"strconv"

	"github.com/permafrost-ml/permafrost/internal/search/space"
)

// axis places values between two ends of a plot, in pixels.
type axis struct {
	label    string
	low      float64
	high     float64
	log      bool
	names    []string // of an axis of names: value i is the name i
	text     func(float64) string
	time     bool    // in seconds
	from, to float64 // pixels of the two ends
}

// linear is an axis from the least to the greatest of the values, with a little room. It takes
// values that are not finite, and leaves them out.
func linear(label string, text func(float64) string, values ...float64) axis {
	a := axis{label: label, low: math.Inf(1), high: math.Inf(-1), text: text}
	for _, v := range values {
		if finite(v) {
			a.low, a.high = min(a.low, v), max(a.high, v)
		}
	}
	if a.low > a.high {
		a.low, a.high = 0, 1
	}
	room := 0.05 * (a.high - a.low)
	if room == 0 {
		room = max(0.05*math.Abs(a.high), 1e-9)
	}
	a.low, a.high = a.low-room, a.high+room
	return a
}

// amounts is an axis of numbers that cannot be negative: logarithmic where they differ much.
func amounts(label string, text func(float64) string, values ...float64) axis {
	a := linear(label, text, values...)
	low, high := math.Inf(1), 0.0
	for _, v := range values {
		if finite(v) && v > 0 {
			low, high = min(low, v), max(high, v)
		}
	}
	if high > 8*low {
		a.log, a.low, a.high = true, low/1.2, high*1.2
	} else {
		a.low = max(a.low, 0)
	}
	return a
}

// parameter is the axis of a parameter of the space.
func parameter(p *space.Param) axis {
	a := axis{label: p.Name, text: number}
	if p.Kind <= space.Ordered {
		for _, v := range p.Values {
			a.names = append(a.names, shown(v))
		}
		return a
	}
	a.low, a.high, a.log = p.Low, p.High, p.Log
	if a.low == a.high {
		a.low, a.high, a.log = a.low-0.5, a.high+0.5, false
	}
	return a
}

// position is the number by which the axis of a parameter knows a value.
func position(p *space.Param, v space.Value) float64 {
	if p.Kind <= space.Ordered {
		return float64(p.Index(v))
	}
	x, _ := v.Float()
	return x
}

// shown writes a value; an empty text needs a sign.
func shown(v space.Value) string {
	if s := v.String(); s != "" {
		return s
	}
	return "(none)"
}

// between returns the axis with its ends at these pixels.
func (a axis) between(from, to float64) axis {
	a.from, a.to = from, to
	return a
}

// at is the pixel of a value. What lies beyond an end is placed there.
func (a axis) at(v float64) float64 {
	u := 0.0
	switch {
	case len(a.names) > 0:
		u = (v + 0.5) / float64(len(a.names))
	case a.log:
		u = math.Log(max(v, a.low)/a.low) / math.Log(a.high/a.low)
	default:
		u = (v - a.low) / (a.high - a.low)
	}
	return a.from + min(max(u, 0), 1)*(a.to-a.from)
}

// cell is the pixels that one name has.
func (a axis) cell() float64 { return math.Abs(a.to-a.from) / float64(max(1, len(a.names))) }

type tick struct {
	at   float64
	text string
}

// ticks are about n places of an axis that are easy to read.
func (a axis) ticks(n int) []tick {
	var out []tick
	add := func(v float64) { out = append(out, tick{a.at(v), a.text(v)}) }
	switch {
	case len(a.names) > 0:
		for i, name := range a.names {
			out = append(out, tick{a.at(float64(i)), name})
		}
	case a.log && a.high > 30*a.low:
		decades := math.Log10(a.high / a.low)
		for e := math.Floor(math.Log10(a.low)); e <= math.Ceil(math.Log10(a.high)); e++ {
			for _, m := range []float64{1, 3} {
				v := m * math.Pow(10, e)
				every := math.Ceil(decades / float64(n))
				if v < a.low*0.999 || v > a.high*1.001 || m == 3 && decades > float64(n)/2 || math.Mod(e, every) != 0 {
					continue
				}
				add(v)
			}
		}
	default:
		step := round((a.high - a.low) / float64(n))
		if a.time {
			step = roundTime((a.high - a.low) / float64(n))
		}
		for v := math.Ceil(a.low/step) * step; v <= a.high+step*1e-9; v += step {
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

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// number writes four digits at most.
func number(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }

func percent(v float64) string { return strconv.FormatFloat(100*v, 'g', 4, 64) + "%" }

func whole(v float64) string { return fmt.Sprintf("%.0f", v) }

// amount writes a large number in thousands, millions or billions.
func amount(v float64) string {
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

func size(v float64) string { return amount(v) + "B" }

func milliseconds(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) + " ms" }

// seconds writes a time in a suitable unit.
func seconds(v float64) string {
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
