package space

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// entry is one key of a mapping with what stands under it.
type entry struct {
	key  string
	line int
	node ast.Node
}

// parse returns the one document of a YAML file.
func parse(b []byte) (ast.Node, error) {
	if !utf8.Valid(b) {
		return nil, fmt.Errorf("the text is not UTF-8")
	}
	f, err := parser.ParseBytes(b, 0)
	if err != nil {
		s, _, _ := strings.Cut(yaml.FormatError(err, false, false), "\n")
		return nil, fmt.Errorf("%s", s)
	}
	var body ast.Node
	for _, d := range f.Docs {
		if d.Body == nil {
			continue
		}
		if body != nil {
			return nil, fmt.Errorf("line %d: a second document stands in the file", line(d.Body))
		}
		body = d.Body
	}
	return body, nil
}

// mapping lists the entries of a mapping in their order; an empty document has none.
func mapping(n ast.Node) ([]entry, error) {
	var out []entry
	switch n := n.(type) {
	case nil:
	case *ast.CommentGroupNode:
	case ast.MapNode:
		for it := n.MapRange(); it.Next(); {
			key, err := value(it.Key(), Texts)
			if err != nil {
				return nil, err
			}
			out = append(out, entry{key.text, line(it.Key()), it.Value()})
		}
	default:
		return nil, fmt.Errorf("line %d: %.40q is no mapping", line(n), n.String())
	}
	seen := map[string]bool{}
	for _, e := range out {
		if seen[e.key] {
			return nil, fmt.Errorf("line %d: %s stands twice", e.line, e.key)
		}
		seen[e.key] = true
	}
	return out, nil
}

// elements lists what stands in a list; anything else is a list of itself.
func elements(n ast.Node) []ast.Node {
	if list, ok := n.(*ast.SequenceNode); ok {
		return list.Values
	}
	return []ast.Node{n}
}

// value reads a scalar, or a list of texts, as the type asks.
func value(n ast.Node, t Type) (Value, error) {
	var raw any
	switch n := n.(type) {
	case *ast.SequenceNode:
		if t != Lists && t != Anything {
			return Value{}, fmt.Errorf("a list cannot stand as a value here")
		}
		texts := make([]any, len(n.Values))
		for i, e := range n.Values {
			v, err := value(e, Texts)
			if err != nil {
				return Value{}, err
			}
			texts[i] = v.text
		}
		return valueOf(texts)
	case *ast.StringNode:
		raw = n.Value
		// goccy/go-yaml takes a plain 1e-4 for a text; YAML 1.2 calls it a number.
		if n.Token.Type == token.StringType && plainNumber.MatchString(n.Value) {
			x, err := strconv.ParseFloat(n.Value, 64)
			if err != nil {
				return Value{}, fmt.Errorf("%s is too large", n.Value)
			}
			raw = x
		}
	case *ast.LiteralNode:
		raw = n.Value.Value
	case *ast.MappingKeyNode:
		return Value{}, fmt.Errorf("line %d: a key with ? is not read here", line(n))
	case *ast.IntegerNode:
		raw = n.Value
	case *ast.FloatNode:
		raw = n.Value
	case *ast.BoolNode:
		raw = n.Value
	case *ast.NullNode, nil:
		return Value{}, fmt.Errorf("has no value")
	default:
		return Value{}, fmt.Errorf("%.40q cannot stand as a value here", n.String())
	}
	v, err := valueOf(raw)
	if err != nil {
		return v, err
	}
	if (t == Texts || t == Lists) && v.kind != text {
		return Text(n.GetToken().Value), nil
	}
	wrong := t == Whole && !v.whole() || t == Real && v.kind != number || t == Truths && v.kind != truth
	if wrong {
		return v, fmt.Errorf("%s is not %s", quoted(v), map[Type]string{Whole: "a whole number", Real: "a number", Truths: "true or false"}[t])
	}
	return v, nil
}

// plainNumber is YAML 1.2, section 10.3.2: the numbers of the core schema in base 10.
var plainNumber = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)

func line(n ast.Node) int {
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 0
}
