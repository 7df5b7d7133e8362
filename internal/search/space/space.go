package space

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/option"
)

// Space is a set of parameters. It does not change once made and may be used from many goroutines.
type Space struct {
	params []Param
	at     map[string]int // place of a parameter by name
	needs  []needs        // all that must hold for a parameter to exist
	groups [][]int
	size   int
	limits Limits
}

// Limits are what a model found by a search may need at most; 0 sets no limit.
type Limits struct {
	Params    int64   // all parameters of the model
	Bytes     int64   // of the model's file
	LatencyMS float64 // of one example, in milliseconds
}

// New checks the parameters and makes the space of them. They are put in an order in which a
// parameter comes after those that it depends on, and else as given.
func New(params []Param, limits Limits) (*Space, error) {
	if len(params) == 0 {
		return nil, fmt.Errorf("the space is empty: name at least one parameter with its values, as lr: {log: [1e-4, 1e-2]}")
	}
	given := map[string]bool{}
	for _, p := range params {
		if err := p.check(); err != nil {
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
		if given[p.Name] {
			return nil, fmt.Errorf("%s: stands twice", p.Name)
		}
		given[p.Name] = true
	}
	s := &Space{at: map[string]int{}, limits: limits}
	if err := s.order(params); err != nil {
		return nil, err
	}
	for i := range s.params {
		n, err := s.gather(i)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.params[i].Name, err)
		}
		s.needs = append(s.needs, n)
	}
	s.groups = s.group()
	cases := mostCases
	s.size = s.count(0, map[int]int{}, &cases)
	return s, nil
}

// check looks at one parameter by itself.
func (p *Param) check() error {
	if p.Kind <= Ordered {
		if len(p.Values) == 0 {
			return fmt.Errorf("has no values: name at least one")
		}
		for i, v := range p.Values {
			if p.Index(v) < i {
				return fmt.Errorf("value %s stands twice", quoted(v))
			}
		}
		return nil
	}
	for _, x := range []float64{p.Low, p.High} {
		if math.IsNaN(x) || math.Abs(x) > 1e300 || p.Kind == Int && !Number(x).whole() {
			return fmt.Errorf("%v cannot be the end of a range of %s numbers", x, map[Kind]string{Int: "whole", Float: "finite"}[p.Kind])
		}
	}
	switch {
	case p.Low > p.High:
		return fmt.Errorf("[%v, %v] is empty: give the low end first", p.Low, p.High)
	case p.Log && (p.Low <= 0 || p.Kind == Int && p.Low < 1):
		return fmt.Errorf("[%v, %v] cannot be logarithmic: its low end must be above 0", p.Low, p.High)
	case p.Kind == Int && p.High-p.Low >= 1<<53:
		return fmt.Errorf("[%v, %v] is too wide", p.Low, p.High)
	}
	return nil
}

// order puts parameters behind those that they depend on.
func (s *Space) order(params []Param) error {
	names := make([]string, len(params))
	for i, p := range params {
		names[i] = p.Name
	}
	for _, p := range params {
		for _, c := range p.When {
			if !slices.Contains(names, c.Param) {
				return fmt.Errorf("%s: when: the space has no parameter %q%s", p.Name, c.Param, option.DidYouMean(c.Param, names))
			}
		}
	}
	left := slices.Clone(params)
	for len(left) > 0 {
		i := slices.IndexFunc(left, func(p Param) bool {
			return !slices.ContainsFunc(p.When, func(c Condition) bool { _, ok := s.at[c.Param]; return !ok })
		})
		if i < 0 {
			return fmt.Errorf("%s: when: the parameter depends on itself, by way of %s", left[0].Name, left[0].When[0].Param)
		}
		s.at[left[i].Name] = len(s.params)
		s.params = append(s.params, left[i])
		left = slices.Delete(left, i, i+1)
	}
	return nil
}

// Params lists the parameters; one comes after those that it depends on. Do not change them.
func (s *Space) Params() []Param { return s.params }

// Param returns the parameter of that name, nil where there is none.
func (s *Space) Param(name string) *Param {
	if i, ok := s.at[name]; ok {
		return &s.params[i]
	}
	return nil
}

// Limits returns what a model may need at most.
func (s *Space) Limits() Limits { return s.limits }

// Walk makes a point: it asks choose for the value of each parameter that exists given the values
// chosen before.
func (s *Space) Walk(choose func(i int, p *Param) Value) Point {
	values := make([]Value, len(s.params))
	var settings []Setting
	for i := range s.params {
		if p := &s.params[i]; s.exists(i, values) {
			values[i] = choose(i, p)
			settings = append(settings, Setting{p.Name, values[i]})
		}
	}
	return NewPoint(settings...)
}

// exists says whether parameter i exists, given the values of those before it.
func (s *Space) exists(i int, values []Value) bool {
	for _, c := range s.params[i].When {
		if !slices.Contains(c.In, values[s.at[c.Param]]) {
			return false
		}
	}
	return true
}

// Draw returns a value of p: each as likely as any other, a range evenly on its scale.
func (p *Param) Draw(r *rand.Rand) Value {
	if p.Kind == Choice {
		return p.Values[r.IntN(len(p.Values))]
	}
	return p.At(r.Float64())
}

// Sample draws every parameter by itself.
func (s *Space) Sample(r *rand.Rand) Point {
	return s.Walk(func(_ int, p *Param) Value { return p.Draw(r) })
}

// Check says whether p is a point of the space: every parameter that exists is set to one of its
// values, and no other.
func (s *Space) Check(p Point) error {
	full, err := s.Complete(p, nil)
	if err == nil && full.Digest() != p.Digest() {
		panic("space: a complete point was changed")
	}
	return err
}

// Complete returns p with its parameters in the order of the space, and with a drawn value for each
// one that exists and that p does not set; without r that is an error. So is a value that the space
// does not hold, and a parameter that does not exist beside the others. A text that reads like one
// of the values counts as it, as "5" for 5.
func (s *Space) Complete(p Point, r *rand.Rand) (Point, error) {
	var err error
	fail := func(format string, a ...any) {
		if err == nil {
			err = fmt.Errorf(format, a...)
		}
	}
	used := 0
	out := s.Walk(func(i int, q *Param) Value {
		v, ok := p.Get(q.Name)
		switch {
		case ok && q.Has(v):
			used++
			return v
		case ok:
			used++
			if i := slices.IndexFunc(q.Values, func(w Value) bool { return r != nil && w.String() == v.String() }); i >= 0 {
				return q.Values[i]
			}
			fail("%s: %s is not in the space, which has %s", q.Name, quoted(v), q.describe())
		case r == nil:
			fail("%s: is not set, and this point needs it", q.Name)
		default:
			return s.drawFor(p, i, r)
		}
		if q.Kind <= Ordered {
			return q.Values[0]
		}
		return Number(q.Low)
	})
	if err != nil || used == len(p.settings) {
		return out, err
	}
	for _, t := range p.settings {
		if _, ok := out.Get(t.Name); ok {
			continue
		}
		if s.Param(t.Name) == nil {
			return out, fmt.Errorf("%s: the space has no such parameter%s", t.Name, option.DidYouMean(t.Name, s.names()))
		}
		return out, fmt.Errorf("%s: does not exist here: it needs %s", t.Name, s.needs[s.at[t.Name]].describe(s))
	}
	return out, nil
}

// drawFor draws a value of parameter i with which the parameters that p sets can exist, where there
// is one.
func (s *Space) drawFor(p Point, i int, r *rand.Rand) Value {
	q := &s.params[i]
	var allowed []int
	for _, t := range p.settings {
		at, ok := s.at[t.Name]
		if !ok {
			continue
		}
		if need, ok := s.needs[at][i]; ok && allowed == nil {
			allowed = need
		} else if ok {
			allowed = common(allowed, need)
		}
	}
	if len(allowed) == 0 {
		return q.Draw(r)
	}
	return q.Nth(allowed[r.IntN(len(allowed))])
}

func (s *Space) names() []string {
	names := make([]string, len(s.params))
	for i, p := range s.params {
		names[i] = p.Name
	}
	return names
}

// describe lists the values for an error.
func (p *Param) describe() string {
	if p.Kind <= Ordered {
		return describe(p.Values)
	}
	return fmt.Sprintf("%v to %v", p.Low, p.High)
}

func describe(values []Value) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = v.String()
	}
	return strings.Join(texts, ", ")
}

// Distance says how far two points are apart: the mean over the parameters of either, 0 for equal
// values, the distance on the unit line for ordered ones, and 1 for different choices and where
// only one point has the parameter (Gower 1971, A general coefficient of similarity).
func (s *Space) Distance(a, b Point) float64 {
	sum, n := 0.0, 0
	for i := range s.params {
		p := &s.params[i]
		v, hasA := a.Get(p.Name)
		w, hasB := b.Get(p.Name)
		if !hasA && !hasB {
			continue
		}
		n++
		switch {
		case hasA != hasB || p.Kind == Choice && v != w:
			sum++
		case p.Kind != Choice:
			sum += math.Abs(p.Unit(v) - p.Unit(w))
		}
	}
	return sum / float64(max(n, 1))
}
