package search

import (
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/permafrost-ml/permafrost/internal/search/space"
)

// density says where points lie: a mixture with one component for each observation, and one for
// what is known before any, which covers the whole space. In a component the parameters are
// independent: a choice has its own probabilities, an ordered parameter a normal distribution on
// its line, cut at both ends.
type density struct {
	weights []float64 // of the components; they add up to 1
	logs    []float64 // their logarithms
	axes    []axis    // one a parameter
}

// axis is one parameter of all components. Components that saw the same value share a shape.
type axis struct {
	param  *space.Param
	of     []int   // shape by component
	shapes []shape // each once
}

// shape is how one component spreads over one parameter.
type shape struct {
	chances []float64 // of a choice
	bell    bell      // of any other
}

// narrow scales the width of the normal distributions. Optuna has 0.2; half of it did better on most
// functions of quality_test.go, with and without a lag.
const narrow = 0.1

// newDensity models the observations that have all of the parameters.
func newDensity(params []*space.Param, from []weighted) *density {
	d := &density{}
	var points []space.Point
	sum := 1.0
	for _, o := range from {
		if _, ok := o.point.Get(params[0].Name); ok {
			points = append(points, o.point)
			d.weights = append(d.weights, o.weight)
			sum += o.weight
		}
	}
	d.weights = append(d.weights, 1)
	for i := range d.weights {
		d.weights[i] /= sum
		d.logs = append(d.logs, math.Log(d.weights[i]))
	}
	n := float64(len(points))
	width := narrow * math.Pow(max(n, 1), -1/float64(len(params)+4)) // Scott's rule
	width = min(max(width, 1/min(100, n+2)), 1)
	for _, p := range params {
		d.axes = append(d.axes, newAxis(p, points, width))
	}
	return d
}

func newAxis(p *space.Param, points []space.Point, width float64) axis {
	a := axis{param: p}
	at := map[space.Value]int{}
	for _, o := range points {
		v, _ := o.Get(p.Name)
		k, ok := at[v]
		if !ok {
			k = len(a.shapes)
			at[v] = k
			if p.Kind == space.Choice {
				a.shapes = append(a.shapes, shape{chances: chances(p, p.Index(v), float64(len(points)+1))})
			} else {
				a.shapes = append(a.shapes, shape{bell: newBell(p.Unit(v), width)})
			}
		}
		a.of = append(a.of, k)
	}
	a.of = append(a.of, len(a.shapes))
	if p.Kind == space.Choice {
		a.shapes = append(a.shapes, shape{chances: chances(p, -1, 1)})
	} else {
		a.shapes = append(a.shapes, shape{bell: newBell(0.5, 1)})
	}
	return a
}

// chances gives the value seen the weight 1 beside a weight of 1/components for each value.
func chances(p *space.Param, seen int, components float64) []float64 {
	out := make([]float64, len(p.Values))
	sum := 0.0
	for i := range out {
		out[i] = 1 / components
		if i == seen {
			out[i]++
		}
		sum += out[i]
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}

// draw returns a value for each parameter, all from one component.
func (d *density) draw(r *rand.Rand) []space.Value {
	c := pickBy(d.weights, r)
	out := make([]space.Value, len(d.axes))
	for k, a := range d.axes {
		s := a.shapes[a.of[c]]
		if a.param.Kind == space.Choice {
			out[k] = a.param.Values[pickBy(s.chances, r)]
		} else {
			out[k] = a.param.At(s.bell.draw(r))
		}
	}
	return out
}

// log returns the logarithm of the density at a point.
func (d *density) log(at []space.Value) float64 {
	logs := slices.Clone(d.logs)
	for k, a := range d.axes {
		of := a.log(at[k])
		for c := range logs {
			logs[c] += of[a.of[c]]
		}
	}
	top := math.Inf(-1)
	for _, l := range logs {
		top = max(top, l)
	}
	sum := 0.0
	for _, l := range logs {
		sum += math.Exp(l - top)
	}
	return top + math.Log(sum)
}

// log returns the logarithm of what each shape has at a value.
func (a *axis) log(v space.Value) []float64 {
	out := make([]float64, len(a.shapes))
	if a.param.Kind == space.Choice {
		i := a.param.Index(v)
		for s := range a.shapes {
			out[s] = math.Log(a.shapes[s].chances[i])
		}
		return out
	}
	lo, hi := a.param.Cell(v)
	for s := range a.shapes {
		if b := &a.shapes[s].bell; a.param.Kind == space.Float {
			out[s] = b.log(lo)
		} else {
			out[s] = math.Log(b.between(lo, hi))
		}
	}
	return out
}

func pickBy(chances []float64, r *rand.Rand) int {
	u := r.Float64()
	for i, c := range chances {
		if u -= c; u < 0 {
			return i
		}
	}
	return len(chances) - 1
}

// bell is a normal distribution cut to the line from 0 to 1.
type bell struct {
	at, width float64
	below     float64 // what the uncut one has below 0
	mass      float64 // and between 0 and 1
	scale     float64 // the logarithm of mass times width
}

func newBell(at, width float64) bell {
	b := bell{at: at, width: width}
	b.below = distuv.UnitNormal.CDF((0 - at) / width)
	b.mass = distuv.UnitNormal.CDF((1-at)/width) - b.below
	b.scale = math.Log(b.mass * width)
	return b
}

// draw inverts the distribution function.
func (b bell) draw(r *rand.Rand) float64 {
	return b.at + b.width*distuv.UnitNormal.Quantile(b.below+r.Float64()*b.mass)
}

// log is the logarithm of the density, but for a constant.
func (b bell) log(u float64) float64 {
	z := (u - b.at) / b.width
	return -z*z/2 - b.scale
}

// between is the probability of [lo, hi].
func (b bell) between(lo, hi float64) float64 {
	m := distuv.UnitNormal.CDF((hi-b.at)/b.width) - distuv.UnitNormal.CDF((lo-b.at)/b.width)
	return max(m, 0) / b.mass
}
