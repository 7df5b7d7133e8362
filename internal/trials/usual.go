package trials

import (
	"fmt"
	"reflect"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/search/space"
)

// lrTimes is the parameter of a space that multiplies the rate which the recipe has for a trial's
// plan. Rates of different plans lie far apart, so one range of rates for all fits none of them.
const lrTimes = "lr_times"

// timesOf is what a point multiplies the recipe's rate with, 1 where it says nothing. It errors
// where the configuration gives the rate itself.
func timesOf(c *config.Config, p space.Point) (float64, error) {
	v, ok := p.Get(lrTimes)
	if !ok {
		return 1, nil
	}
	if c.LR != 0 {
		return 0, fmt.Errorf("%s multiplies the rate of the recipe, and lr takes its place: leave one of them out", lrTimes)
	}
	x, _ := v.Float()
	return x, nil
}

// usual are the points that a default space begins with, all else as a fit has it by default: each
// depth, each other value of what comes with a head alone, and, with the deepest plan, each smaller
// model.
func usual(s *space.Space) []space.Point {
	var out []space.Point
	at := func(set ...space.Setting) {
		some := space.NewPoint(set...)
		out = append(out, s.Walk(func(_ int, p *space.Param) space.Value {
			if v, ok := some.Get(p.Name); ok {
				return v
			}
			return usualValue(p)
		}))
	}
	var deepest []space.Setting
	if p := s.Param("thaw"); p != nil {
		for _, v := range p.Values {
			at(space.Setting{Name: "thaw", Value: v})
		}
		deepest = []space.Setting{{Name: "thaw", Value: p.Values[len(p.Values)-1]}}
	}
	others := func(name string, with ...space.Setting) {
		if p := s.Param(name); p != nil {
			for _, v := range p.Values {
				if v != usualValue(p) {
					at(append(with[:len(with):len(with)], space.Setting{Name: name, Value: v})...)
				}
			}
		}
	}
	for _, name := range []string{"adapter", "head", "attach"} {
		others(name)
	}
	for _, name := range []string{"cut", "skip"} {
		others(name, deepest...)
	}
	return out
}

// usualValue is the default of an option where the parameter has it, else the middle of a range or
// the first of several values.
func usualValue(p *space.Param) space.Value {
	if p.Kind > space.Ordered {
		return p.At(0.5)
	}
	for _, text := range []string{defaultOf(p.Name), auto, "none"} {
		if v := space.Text(text); p.Has(v) {
			return v
		}
	}
	return p.Values[0]
}

// defaultOf is the default of an option that is a text, and of thaw.
func defaultOf(name string) string {
	c := reflect.ValueOf(config.DefaultConfig())
	for i := range c.NumField() {
		if f := c.Field(i); c.Type().Field(i).Tag.Get("yaml") == name && f.Kind() == reflect.String {
			return f.String()
		}
	}
	if name == "thaw" {
		return "head"
	}
	return ""
}
