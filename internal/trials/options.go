package trials

import (
	"flag"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/search/space"
)

// common are the options that all trials share: what is searched for depends on them, or a search
// has its own.
var common = []string{"model", "data", "val", "out", "tensorboard", "task", "text_column", "label_column", "group", "preprocess", "layout", "size", "tokenizer",
	"max_length", "input", "shape", "auto", "budget", "keep", "patience", "schedule", "seed", "threads", "cache", "cache_budget", "memory"}

// auto is the value of an option that leaves the choice to the fit.
const auto = "auto"

// Known lists the parameters that a space may have: the options of a fit, by their names in
// run.yaml, without those that all trials share; ranks, and the factor of the recipe's rate. Session says into which parts its model
// can be divided; nil: into none.
func Known(s *run.Session) []space.Known {
	ranks := space.Known{Name: rank, Type: space.Whole, Check: space.Between(0, 99999), Divided: true}
	if s != nil {
		ranks.Parts = func(by string) ([]string, error) { return divided(s, by) }
	}
	times := space.Known{Name: lrTimes, Type: space.Real, Check: space.Between(1e-6, 1e6)}
	known := []space.Known{ranks, times}
	t := reflect.TypeFor[config.Config]()
	for i := range t.NumField() {
		name := t.Field(i).Tag.Get("yaml")
		if slices.Contains(common, name) {
			continue
		}
		k := space.Known{Name: name, Ordered: name == "thaw", Check: func(v space.Value) error {
			c := config.DefaultConfig()
			return set(&c, name, v)
		}}
		switch f := t.Field(i).Type; f.Kind() {
		case reflect.String:
			k.Type = space.Texts
		case reflect.Slice:
			k.Type = space.Lists
		case reflect.Bool:
			k.Type = space.Truths
		case reflect.Int, reflect.Int64, reflect.Uint64:
			k.Type = space.Whole
		default:
			k.Type = space.Real
		}
		known = append(known, k)
	}
	return known
}

// set gives an option a value. A list takes all texts of the value; for attach, "auto" leaves it as
// it is by default.
func set(c *config.Config, name string, v space.Value) error {
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	c.Bind(fs)
	texts := v.Texts()
	if name == "attach" && slices.Equal(texts, []string{auto}) {
		c.Attach = []string{}
		return nil
	}
	for _, text := range texts {
		if err := fs.Set(strings.ReplaceAll(name, "_", "-"), text); err != nil {
			return fmt.Errorf("%w", err)
		}
	}
	return nil
}

// isOption reports whether a parameter is an option of a fit by itself.
func isOption(name string) bool {
	_, rank := rankOf(name)
	return !rank && name != lrTimes
}

// given reports whether the user set an option to another value than its default.
func given(c *config.Config, name string) bool {
	usual := config.DefaultConfig()
	a, b := reflect.ValueOf(*c), reflect.ValueOf(usual)
	for i := range a.NumField() {
		if a.Type().Field(i).Tag.Get("yaml") == name {
			bothEmpty := a.Field(i).Kind() == reflect.Slice && a.Field(i).Len() == 0 && b.Field(i).Len() == 0
			return !bothEmpty && !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface())
		}
	}
	panic("trials: there is no option " + name)
}

// Apply returns the configuration of a point: base with the point's options.
func Apply(base config.Config, p space.Point) (config.Config, error) {
	for _, s := range p.Settings() {
		if !isOption(s.Name) {
			continue
		}
		if err := set(&base, s.Name, s.Value); err != nil {
			return base, fmt.Errorf("%s: %s: %w", s.Name, s.Value, err)
		}
	}
	return base, takeRanks(&base, p)
}
