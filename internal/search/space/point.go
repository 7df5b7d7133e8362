package space

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// Point is a choice of values for the parameters that exist together. It does not change once made;
// points are equal where their digests are.
type Point struct {
	settings []Setting
	digest   Digest
}

// Setting is one parameter of a point with its value.
type Setting struct {
	Name  string
	Value Value
}

// Digest is the first 16 bytes of SHA-256 over the canonical text of a point with its parameters
// sorted by name, so that it does not depend on the order of a space file.
type Digest [16]byte

// String is the digest in hexadecimal.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// NewPoint returns the point with these settings, in this order. It panics where one name stands
// twice.
func NewPoint(settings ...Setting) Point {
	sorted := slices.Clone(settings)
	slices.SortFunc(sorted, func(a, b Setting) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(sorted); i++ {
		if sorted[i].Name == sorted[i-1].Name {
			panic(fmt.Sprintf("space: a point sets %s twice", sorted[i].Name))
		}
	}
	sum := sha256.Sum256([]byte(canonical(sorted)))
	return Point{slices.Clone(settings), Digest(sum[:16])}
}

// Digest tells the point from every other.
func (p Point) Digest() Digest { return p.digest }

// Settings lists the parameters with their values, in the order of the space. Do not change it.
func (p Point) Settings() []Setting { return p.settings }

// Get returns the value of a parameter, and whether it exists in this point.
func (p Point) Get(name string) (Value, bool) {
	for _, s := range p.settings {
		if s.Name == name {
			return s.Value, true
		}
	}
	return Value{}, false
}

// String is the canonical text: the JSON form.
func (p Point) String() string { return canonical(p.settings) }

func canonical(settings []Setting) string {
	b := []byte{'{'}
	for i, s := range settings {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, s.Name)
		b = append(b, ':')
		if s.Value.kind == text {
			b = appendText(b, s.Value.text)
		} else {
			b = append(b, s.Value.String()...)
		}
	}
	return string(append(b, '}'))
}

// appendText writes a text as JSON.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return append(b, quoted(s)...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

func quoted(x any) []byte {
	b, err := json.Marshal(x)
	if err != nil {
		panic("space: a value has no JSON: " + err.Error())
	}
	return b
}

// MarshalJSON writes the point as an object whose keys keep their order.
func (p Point) MarshalJSON() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalJSON reads what MarshalJSON wrote, to the same bits. Whether the point lies in a space,
// Space.Check says.
func (p *Point) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("a point is an object of parameters, not %.40s", b)
	}
	var settings []Setting
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		s := Setting{Name: key.(string)}
		if err := d.Decode(&s.Value); err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		settings = append(settings, s)
	}
	if _, err := d.Token(); err != nil {
		return err
	}
	names := map[string]bool{}
	for _, s := range settings {
		if names[s.Name] {
			return fmt.Errorf("%s stands twice", s.Name)
		}
		names[s.Name] = true
	}
	*p = NewPoint(settings...)
	return nil
}

// MarshalYAML writes the point as a mapping whose keys keep their order.
func (p Point) MarshalYAML() (any, error) {
	out := make(yaml.MapSlice, len(p.settings))
	for i, s := range p.settings {
		out[i] = yaml.MapItem{Key: s.Name, Value: s.Value.Any()}
	}
	return out, nil
}

// UnmarshalYAML reads what MarshalYAML wrote, to the same bits.
func (p *Point) UnmarshalYAML(b []byte) error {
	root, err := parse(b)
	if err != nil {
		return err
	}
	*p, err = readPoint(root, nil)
	return err
}

// ParsePoints reads a YAML list of points, each a mapping of parameters to values; JSON is YAML too.
// A point may leave parameters out: Space.Complete checks it and fills them in. known says which
// parameters there are and of which types.
func ParsePoints(file []byte, known []Known) ([]Point, error) {
	root, err := parse(file)
	if err != nil {
		return nil, err
	}
	list, ok := root.(*ast.SequenceNode)
	if !ok {
		return nil, fmt.Errorf("write a list of points, each as - {thaw: head, lr: 1e-3}")
	}
	out := make([]Point, len(list.Values))
	for i, n := range list.Values {
		if out[i], err = readPoint(n, known); err != nil {
			return nil, fmt.Errorf("line %d: point %d: %w", line(n), i+1, err)
		}
	}
	return out, nil
}

// readPoint reads a mapping; without known every name and type may stand in it.
func readPoint(n ast.Node, known []Known) (Point, error) {
	entries, err := mapping(n)
	if err != nil {
		return Point{}, err
	}
	settings := make([]Setting, len(entries))
	for i, e := range entries {
		k := Known{Name: e.key}
		if known != nil {
			k, err = find(known, e.key)
		}
		if err == nil {
			settings[i].Name = e.key
			settings[i].Value, err = value(e.node, k.Type)
		}
		if err != nil {
			return Point{}, fmt.Errorf("%s: %w", e.key, err)
		}
	}
	return NewPoint(settings...), nil
}
