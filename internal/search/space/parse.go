package space

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/permafrost-ml/permafrost/internal/option"
)

// Parse reads a space file, see docs/search.md for its form. known lists the parameters that it may
// name. An error says the line, the parameter, the value and what may stand there.
func Parse(file []byte, known []Known) (*Space, error) {
	root, err := parse(file)
	if err != nil {
		return nil, err
	}
	f := fileReader{known: known, lines: map[string]int{}}
	entries, err := mapping(root)
	if err != nil {
		return nil, fmt.Errorf("%w: write one parameter a line, as lr: {log: [1e-4, 1e-2]}", err)
	}
	for _, e := range entries {
		if err := f.entry(e); err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", e.line, e.key, err)
		}
	}
	s, err := New(f.params, f.limits)
	if err != nil {
		name, _, _ := strings.Cut(err.Error(), ":")
		if line, ok := f.lines[name]; ok {
			err = fmt.Errorf("line %d: %w", line, err)
		}
	}
	return s, err
}

// fileReader collects what a space file says.
type fileReader struct {
	known  []Known
	params []Param
	limits Limits
	lines  map[string]int // on which each parameter stands
}

var limitKeys = []string{"max_params", "max_bytes", "max_latency_ms"}

func (f *fileReader) entry(e entry) error {
	if slices.Contains(limitKeys, e.key) {
		return f.limit(e)
	}
	k, err := find(f.known, e.key, limitKeys...)
	if err != nil {
		return err
	}
	p, by, err := f.param(k, e.node)
	if err != nil {
		return err
	}
	p.Name = e.key
	all := []Param{p}
	if by != "" {
		if all, err = divide(k, p, by); err != nil {
			return fmt.Errorf("by: %w", err)
		}
	}
	for _, p := range all {
		f.params = append(f.params, p)
		f.lines[p.Name] = e.line
	}
	return nil
}

// divide makes a parameter for each part of what p is about.
func divide(k Known, p Param, by string) ([]Param, error) {
	if k.Parts == nil || p.Name != k.Name {
		return nil, fmt.Errorf("the parameter has no parts")
	}
	parts, err := k.Parts(by)
	if err != nil {
		return nil, err
	}
	var out []Param
	for _, part := range parts {
		q := p
		if part != "" {
			q.Name += "@" + part
		}
		out = append(out, q)
	}
	return out, nil
}

// find looks a parameter up; others are further names to suggest.
func find(known []Known, name string, others ...string) (Known, error) {
	names := slices.Clone(others)
	for _, k := range known {
		if k.has(name) {
			return k, nil
		}
		names = append(names, k.Name)
	}
	return Known{}, fmt.Errorf("there is no such parameter%s", option.DidYouMean(name, names))
}

// limit reads one of the keys that bound what a model may need.
func (f *fileReader) limit(e entry) error {
	v, err := value(e.node, Anything)
	if err != nil {
		return err
	}
	x, ok := v.Float()
	if !ok && e.key == "max_bytes" {
		var size option.Size
		if err := size.Set(v.String()); err != nil {
			return err
		}
		x, ok = float64(size), true
	}
	if !ok || x <= 0 || e.key != "max_latency_ms" && !Number(x).whole() {
		return fmt.Errorf("%s is no limit: a number above 0 is needed", quoted(v))
	}
	switch e.key {
	case "max_params":
		f.limits.Params = int64(x)
	case "max_bytes":
		f.limits.Bytes = int64(x)
	default:
		f.limits.LatencyMS = x
	}
	return nil
}

// param reads the values of one parameter: a scalar, a list, or a mapping that says more, such as by
// which division it is a parameter of each part.
func (f *fileReader) param(k Known, n ast.Node) (p Param, by string, err error) {
	entries, err := mapping(n)
	if err != nil {
		return p, "", f.plainList(&p, k, n)
	}
	forms := 0
	for _, e := range entries {
		switch e.key {
		case "choice", "ordered":
			forms++
			err = f.values(&p, k, e.node, map[string]Kind{"choice": Choice, "ordered": Ordered}[e.key])
		case "int", "float":
			forms++
			p.Kind = map[string]Kind{"int": Int, "float": Float}[e.key]
			err = f.ends(&p, k, e.node)
		case "log":
			if b, ok := e.node.(*ast.BoolNode); ok {
				p.Log = p.Log || b.Value
				continue
			}
			forms++
			p.Kind, p.Log = Float, true
			err = f.ends(&p, k, e.node)
		case "when":
			p.When, err = f.conditions(e.node)
		case "by":
			var v Value
			v, err = value(e.node, Texts)
			by = v.text
		default:
			err = fmt.Errorf("is none of choice, ordered, int, float, log, when, by%s", option.DidYouMean(e.key, []string{"choice", "ordered", "int", "float", "log", "when", "by"}))
		}
		if err != nil {
			return p, "", fmt.Errorf("%s: %w", e.key, err)
		}
	}
	switch {
	case forms != 1:
		return p, "", fmt.Errorf("needs its values once, as one of choice, ordered, int, float and log")
	case p.Log && p.Kind <= Ordered:
		return p, "", fmt.Errorf("log is for a range, as {int: [16, 512], log: true}")
	}
	return p, by, nil
}

// plainList reads a list that does not say what it is. Numbers are put in the order of their size;
// others have an order where the caller says so.
func (f *fileReader) plainList(p *Param, k Known, n ast.Node) error {
	kind := Choice
	if k.Ordered {
		kind = Ordered
	}
	if err := f.values(p, k, n, kind); err != nil {
		return err
	}
	if !k.Ordered && !slices.ContainsFunc(p.Values, func(v Value) bool { return v.kind != number }) {
		p.Kind = Ordered
		slices.SortFunc(p.Values, func(a, b Value) int { return cmp.Compare(a.x, b.x) })
	}
	return nil
}

// values reads the values of a choice.
func (f *fileReader) values(p *Param, k Known, n ast.Node, kind Kind) error {
	p.Kind = kind
	for _, e := range elements(n) {
		v, err := f.value(k, e)
		if err != nil {
			return err
		}
		p.Values = append(p.Values, v)
	}
	return p.check()
}

// ends reads the two ends of a range.
func (f *fileReader) ends(p *Param, k Known, n ast.Node) error {
	if k.Type != Anything && k.Type != Whole && k.Type != Real {
		return fmt.Errorf("the parameter takes no numbers: list its values")
	}
	if k.Type == Whole && p.Kind == Float {
		return fmt.Errorf("the parameter takes whole numbers: write int, and log: true where the scale is logarithmic")
	}
	list, ok := n.(*ast.SequenceNode)
	if !ok || len(list.Values) != 2 {
		return fmt.Errorf("needs its two ends, as [low, high]")
	}
	for i, end := range []*float64{&p.Low, &p.High} {
		v, err := f.value(k, list.Values[i])
		if err != nil {
			return err
		}
		if *end, ok = v.Float(); !ok {
			return fmt.Errorf("%s is not a number", quoted(v))
		}
	}
	return p.check()
}

func (f *fileReader) value(k Known, n ast.Node) (Value, error) {
	v, err := value(n, k.Type)
	if err == nil && k.Check != nil {
		err = k.Check(v)
	}
	return v, err
}

// conditions reads a mapping of parameters to one value or a list of values.
func (f *fileReader) conditions(n ast.Node) ([]Condition, error) {
	entries, err := mapping(n)
	if err != nil || len(entries) == 0 {
		return nil, fmt.Errorf("needs parameters with their values, as {head: [mlp]}")
	}
	var out []Condition
	for _, e := range entries {
		k, err := find(f.known, e.key)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.key, err)
		}
		c := Condition{Param: e.key}
		for _, n := range elements(e.node) {
			v, err := value(n, k.Type)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", e.key, err)
			}
			c.In = append(c.In, v)
		}
		if len(c.In) == 0 {
			return nil, fmt.Errorf("%s: needs at least one value", e.key)
		}
		out = append(out, c)
	}
	return out, nil
}
