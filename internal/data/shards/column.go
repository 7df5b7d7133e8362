package shards

import (
	"encoding/json"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"
)

// column is a column of a table that becomes a cell of each row.
type column struct {
	name    string
	leaf    *parquet.Column
	list    bool
	classes []string // names of its numbers, nil if they are not classes
}

// media is the column whose values are files.
type media struct {
	name  string
	bytes *parquet.Column
	path  *parquet.Column // of the original file; nil if it is not known
}

// feature is how the hub describes a column.
type feature struct {
	Type    string   `json:"_type"`
	Names   []string `json:"names"`
	Feature *feature `json:"feature"` // of a list
}

// features reads the description of the columns, of which there may be none.
func features(f *parquet.File) map[string]*feature {
	var described struct {
		Info struct {
			Features map[string]json.RawMessage
		}
	}
	text, _ := f.Lookup("huggingface")
	if json.Unmarshal([]byte(text), &described) != nil {
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
func columnsOf(f *parquet.File) (cells []column, files *media) {
	described := features(f)
	for _, top := range f.Root().Columns() {
		name := top.Name()
		of := described[name]
		if m := mediaOf(top, of); m != nil {
			if files == nil {
				files = m
			}
			continue
		}
		leaf := top
		for !leaf.Leaf() && len(leaf.Columns()) == 1 {
			leaf = leaf.Columns()[0]
		}
		if !leaf.Leaf() || leaf.MaxRepetitionLevel() > 1 || leaf != top && leaf.MaxRepetitionLevel() == 0 || !readable(leaf) {
			continue // a structure, a list of lists, a date
		}
		c := column{name: name, leaf: leaf, list: leaf.MaxRepetitionLevel() == 1}
		if of != nil && isInteger(leaf) {
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
func mediaOf(top *parquet.Column, of *feature) *media {
	isBytes := func(c *parquet.Column) bool {
		return c != nil && c.Leaf() && c.MaxRepetitionLevel() == 0 && c.Type().Kind() == parquet.ByteArray
	}
	if top.Leaf() {
		if of != nil && (of.Type == "Image" || of.Type == "Audio") && isBytes(top) {
			return &media{name: top.Name(), bytes: top}
		}
		return nil
	}
	m := &media{top.Name(), top.Column("bytes"), top.Column("path")}
	if !isBytes(m.bytes) {
		return nil
	}
	if !isBytes(m.path) {
		m.path = nil
	}
	return m
}

// readable reports whether a column's values can be cells as they are: texts, numbers, truth values.
// Older files say by a converted type what newer ones say by a logical type.
func readable(c *parquet.Column) bool {
	kind := c.Type().Kind()
	if l := c.Type().LogicalType(); l != nil && l.Value != nil {
		switch l.Value.(type) {
		case *format.StringType, *format.EnumType:
			return kind == parquet.ByteArray
		case *format.IntType:
			return true
		}
		return false
	}
	if t := c.Type().ConvertedType(); t != nil {
		switch *t {
		case deprecated.UTF8, deprecated.Enum:
			return kind == parquet.ByteArray
		case deprecated.Int8, deprecated.Int16, deprecated.Int32, deprecated.Int64, deprecated.Uint8, deprecated.Uint16, deprecated.Uint32, deprecated.Uint64:
			return true
		}
		return false
	}
	return slices.Contains([]parquet.Kind{parquet.Boolean, parquet.Int32, parquet.Int64, parquet.Float, parquet.Double}, kind)
}

func isInteger(c *parquet.Column) bool {
	kind := c.Type().Kind()
	return kind == parquet.Int32 || kind == parquet.Int64
}

// cell is a value in JSON.
func (c *column) cell(v parquet.Value) []byte {
	if v.IsNull() {
		return []byte("null")
	}
	var x any
	switch v.Kind() {
	case parquet.Boolean:
		x = v.Boolean()
	case parquet.Int32, parquet.Int64:
		n := v.Int64()
		if v.Kind() == parquet.Int32 {
			n = int64(v.Int32())
		}
		if x = n; c.classes != nil {
			if x = nil; n >= 0 && n < int64(len(c.classes)) { // -1 where the answer is kept secret
				x = c.classes[n]
			}
		}
	case parquet.Float:
		x = finite(float64(v.Float()), 32)
	case parquet.Double:
		x = finite(v.Double(), 64)
	default:
		if x = string(v.ByteArray()); !utf8.Valid(v.ByteArray()) {
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
