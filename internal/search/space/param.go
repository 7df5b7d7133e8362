package space

import (
	"math"
	"slices"
	"strconv"
)

// Kind is what the values of a parameter are.
type Kind uint8

// The kinds of parameters. All but Choice have an order, and a distance between values.
const (
	Choice  Kind = iota // one of Values
	Ordered             // one of Values, in their order
	Int                 // a whole number from Low to High
	Float               // a number from Low to High
)

// Param is one parameter of a space.
type Param struct {
	Name      string
	Kind      Kind
	Values    []Value     // of Choice and Ordered, at least one, each once
	Low, High float64     // of Int and Float, both included
	Log       bool        // of Int and Float: even on the scale of the logarithm
	When      []Condition // the parameter exists where all of these hold
}

// Condition holds where the parameter called Param exists and has one of the values.
type Condition struct {
	Param string
	In    []Value
}

// Count returns the number of values, 0 for a range of numbers that has no end of them.
func (p *Param) Count() int {
	switch {
	case p.Kind <= Ordered:
		return len(p.Values)
	case p.Kind == Int:
		return int(p.High-p.Low) + 1
	case p.Low == p.High:
		return 1
	}
	return 0
}

// Nth returns the value number i of a parameter that has a Count.
func (p *Param) Nth(i int) Value {
	if p.Kind <= Ordered {
		return p.Values[i]
	}
	return Number(p.Low + float64(i))
}

// Index returns the place of v among Values, -1 where it is none of them.
func (p *Param) Index(v Value) int { return slices.Index(p.Values, v) }

// Has reports whether v is a value of the parameter.
func (p *Param) Has(v Value) bool {
	if p.Kind <= Ordered {
		return p.Index(v) >= 0
	}
	x, ok := v.Float()
	return ok && p.Low <= x && x <= p.High && (p.Kind == Float || v.whole())
}

// Unit places a value of an ordered parameter between 0 and 1, evenly on its scale. A value that is
// one of several fills a part of that line, see Cell, and stands in the middle of it.
func (p *Param) Unit(v Value) float64 {
	if p.Kind == Float {
		return p.onUnit(v.x)
	}
	lo, hi := p.Cell(v)
	return (lo + hi) / 2
}

// Cell returns the part of the line from 0 to 1 that a value of an ordered parameter fills: both
// ends are Unit for a range of numbers.
func (p *Param) Cell(v Value) (lo, hi float64) {
	switch p.Kind {
	case Float:
		u := p.onUnit(v.x)
		return u, u
	case Ordered:
		i, n := float64(p.Index(v)), float64(len(p.Values))
		return i / n, (i + 1) / n
	}
	return p.onUnit(v.x - 0.5), p.onUnit(v.x + 0.5)
}

// At returns the value at a place between 0 and 1: the inverse of Unit. Numbers of a wide range are
// rounded to four digits, so that a person can read and retype them.
func (p *Param) At(u float64) Value {
	if p.Kind == Ordered {
		return p.Values[min(max(int(u*float64(len(p.Values))), 0), len(p.Values)-1)]
	}
	lo, hi := p.line()
	x := lo + u*(hi-lo)
	if p.Log {
		x = math.Exp(x)
	}
	if p.Kind == Int {
		x = math.Round(x)
	} else if p.High-p.Low >= 0.1*max(math.Abs(p.Low), math.Abs(p.High)) {
		x = fourDigits(x)
	}
	return Number(min(max(x, p.Low), p.High))
}

// line returns the ends of the scale on which the parameter is even.
func (p *Param) line() (lo, hi float64) {
	lo, hi = p.Low, p.High
	if p.Kind == Int {
		lo, hi = lo-0.5, hi+0.5
	}
	if p.Log {
		lo, hi = math.Log(lo), math.Log(hi)
	}
	return lo, hi
}

func (p *Param) onUnit(x float64) float64 {
	lo, hi := p.line()
	if hi == lo {
		return 0.5
	}
	if p.Log {
		x = math.Log(x)
	}
	return min(max((x-lo)/(hi-lo), 0), 1)
}

func fourDigits(x float64) float64 {
	y, err := strconv.ParseFloat(strconv.FormatFloat(x, 'e', 3, 64), 64)
	if err != nil {
		return x // beyond the largest number
	}
	return y
}
