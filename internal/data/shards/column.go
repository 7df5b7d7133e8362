package shards

import (
	"encoding/json"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"
)

// column is a column of a table that becomes a cell of each row.
type column struct {
	name    string
	leaf    *leaf
	list    bool
	classes []string // names of its numbers, nil if they are not classes
}

// media is the column whose values are files.
type media struct {
	name  string
	bytes *leaf
	path  *leaf // of the original file; nil if it is not known
}

// feature is how the hub describes a column.
type feature struct {
	Type    string   `json:"_type"`
	Names   []string `json:"names"`
	Feature *feature `json:"feature"` // of a list
}

// features reads the description of the columns, of which there may be none.
func features(p *parquet) map[string]*feature {
	var described struct {
		Info struct {
			Features map[string]json.RawMessage
		}
	}
	if json.Unmarshal([]byte(p.lookup("huggingface")), &described) != nil {
		return nil
	}
	out := map[string]*feature{}
	for name, raw := range described.Info.Features {
		var one *feature
		var list []*feature // as older files write a list
		switch {
		case json.Unmarshal(raw, &one) == nil && one != nil:
		case json.Unmarshal(raw, &list) == nil && len(list) == 1 && list[0] != nil:
			one = &feature{Type: "List", Feature: list[0]}
		default:
			continue
		}
		if one.Feature != nil { // the classes are those of the list's elements
			one.Names = one.Feature.Names
		}
		out[name] = one
	}
	return out
}

// columnsOf finds the columns that can be cells, and the first that holds files.
func columnsOf(p *parquet) (cells []column, files *media) {
	described := features(p)
	for rest := p.leaves; len(rest) > 0; {
		name := rest[0].path[0]
		n := 1
		for n < len(rest) && rest[n].path[0] == name {
			n++
		}
		of, leaves, l := described[name], rest[:n], rest[0]
		rest = rest[n:]
		if m := mediaOf(leaves, of); m != nil {
			if files == nil {
				files = m
			}
			continue
		}
		if n > 1 || l.maxRep > 1 || len(l.path) > 1 && l.maxRep == 0 || !readable(l) {
			continue // a structure, a list of lists, a date
		}
		c := column{name: name, leaf: l, list: l.maxRep == 1}
		if of != nil && isInteger(l) {
			c.classes = of.Names
		}
		cells = append(cells, c)
	}
	if files != nil { // their names stand there
		cells = slices.DeleteFunc(cells, func(c column) bool { return c.name == fileColumn })
	}
	return cells, files
}

// fileColumn is the column of a table with the names of the rows' files.
const fileColumn = "file"

// mediaOf returns a column as files: bytes with a path, or what is described as a picture or a sound.
func mediaOf(leaves []*leaf, of *feature) *media {
	m := &media{name: leaves[0].path[0]}
	for _, l := range leaves {
		switch isBytes := l.maxRep == 0 && l.Type.V == format.ByteArray; {
		case !isBytes || len(l.path) > 2:
		case len(l.path) == 1:
			if of != nil && (of.Type == "Image" || of.Type == "Audio") {
				m.bytes = l
			}
		case l.path[1] == "bytes":
			m.bytes = l
		case l.path[1] == "path":
			m.path = l
		}
	}
	if m.bytes == nil {
		return nil
	}
	return m
}

// readable reports whether a column's values can be cells as they are: texts, numbers, truth values.
// Older files say by a converted type what newer ones say by a logical type.
func readable(l *leaf) bool {
	kind := l.Type.V
	if logical := l.LogicalType.Value; logical != nil {
		switch logical.(type) {
		case *format.StringType, *format.EnumType:
			return kind == format.ByteArray
		case *format.IntType:
			return true
		}
		return false
	}
	if t, ok := l.ConvertedType.Get(); ok {
		switch t {
		case deprecated.UTF8, deprecated.Enum:
			return kind == format.ByteArray
		case deprecated.Int8, deprecated.Int16, deprecated.Int32, deprecated.Int64, deprecated.Uint8, deprecated.Uint16, deprecated.Uint32, deprecated.Uint64:
			return true
		}
		return false
	}
	return slices.Contains([]format.Type{format.Boolean, format.Int32, format.Int64, format.Float, format.Double}, kind)
}

func isInteger(l *leaf) bool { return l.Type.V == format.Int32 || l.Type.V == format.Int64 }

// cell is a value in JSON.
func (c *column) cell(v value) []byte {
	if v.null {
		return []byte("null")
	}
	var x any
	switch c.leaf.Type.V {
	case format.Boolean:
		x = v.n == 1
	case format.Int32, format.Int64:
		if x = v.n; c.classes != nil {
			if x = nil; v.n >= 0 && v.n < int64(len(c.classes)) { // -1 where the answer is kept secret
				x = c.classes[v.n]
			}
		}
	case format.Float:
		x = finite(v.x, 32)
	case format.Double:
		x = finite(v.x, 64)
	default:
		if x = string(v.b); !utf8.Valid(v.b) {
			x = nil
		}
	}
	b, err := json.Marshal(x)
	if err != nil {
		panic(err) // none of these can fail
	}
	return b
}

// finite is a number as JSON has it: none that is no number.
func finite(x float64, bits int) any {
	switch {
	case math.IsNaN(x) || math.IsInf(x, 0):
		return nil
	case bits == 32:
		return float32(x)
	}
	return x
}
