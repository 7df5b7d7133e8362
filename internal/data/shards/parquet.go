package shards

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// parquet is an open Parquet file, https://parquet.apache.org/docs/file-format. Its metadata, encodings
// and compressions are read by the packages of parquet-go; how a column's values lie in pages is read
// here, as the whole of that library would add a seventh to the program.
type parquet struct {
	r      io.ReaderAt
	meta   format.FileMetaData
	leaves []*leaf
}

// leaf is a column of values: one of a table, or a part of a structure or list in it.
type leaf struct {
	format.SchemaElement
	path   []string
	index  int // among the leaves
	maxRep int // 0: one value a row
	maxDef int // the level of a value that is not null
}

// A file begins and ends with magic, before which stands the size of the metadata.
const (
	magic       = "PAR1"
	mostMeta    = 1 << 30 // bytes
	mostColumns = 1 << 20
	mostDepth   = 64
)

func openParquet(r io.ReaderAt, size int64) (*parquet, error) {
	var end [8]byte
	if size < 12 {
		return nil, io.ErrUnexpectedEOF
	}
	if _, err := r.ReadAt(end[:], size-8); err != nil {
		return nil, err
	}
	n := int64(binary.LittleEndian.Uint32(end[:]))
	if string(end[4:]) != magic || n > min(size-12, mostMeta) {
		return nil, errors.New("its end is not that of a Parquet file")
	}
	b := make([]byte, n)
	if _, err := r.ReadAt(b, size-8-n); err != nil {
		return nil, err
	}
	p := &parquet{r: r}
	if err := thrift.Unmarshal(&thrift.CompactProtocol{}, b, &p.meta); err != nil {
		return nil, err
	}
	if len(p.meta.Schema) == 0 || len(p.meta.Schema) > mostColumns {
		return nil, fmt.Errorf("a schema of %d elements", len(p.meta.Schema))
	}
	rest, err := p.addLeaves(p.meta.Schema[1:], int(p.meta.Schema[0].NumChildren.V), leaf{}, 0)
	if err == nil && len(rest) > 0 {
		err = errors.New("its schema has more elements than columns")
	}
	for _, g := range p.meta.RowGroups {
		if len(g.Columns) != len(p.leaves) || g.NumRows < 0 {
			return nil, fmt.Errorf("%d rows in %d columns, where the schema has %d", g.NumRows, len(g.Columns), len(p.leaves))
		}
	}
	return p, err
}

// addLeaves adds the leaves of n elements, which lie in the schema depth first, and returns the rest.
func (p *parquet) addLeaves(schema []format.SchemaElement, n int, above leaf, depth int) (rest []format.SchemaElement, err error) {
	for range n {
		if len(schema) == 0 || depth > mostDepth {
			return nil, errors.New("its schema is incomplete")
		}
		l := leaf{SchemaElement: schema[0], path: append(slices.Clone(above.path), schema[0].Name), index: len(p.leaves), maxRep: above.maxRep, maxDef: above.maxDef}
		schema = schema[1:]
		switch l.RepetitionType.V {
		case format.Optional:
			l.maxDef++
		case format.Repeated:
			l.maxDef, l.maxRep = l.maxDef+1, l.maxRep+1
		}
		if l.Type.Valid {
			p.leaves = append(p.leaves, &l)
		} else if schema, err = p.addLeaves(schema, int(l.NumChildren.V), l, depth+1); err != nil {
			return nil, err
		}
	}
	return schema, nil
}

// lookup returns the text that the file's writer left under a key.
func (p *parquet) lookup(key string) string {
	for _, kv := range p.meta.KeyValueMetadata {
		if kv.Key == key {
			return kv.Value
		}
	}
	return ""
}

// pages returns the pages of a column's values in a group of rows.
func (p *parquet) pages(group int, l *leaf) *pages {
	c := &p.meta.RowGroups[group].Columns[l.index].MetaData
	at := c.DataPageOffset
	if d := c.DictionaryPageOffset; d > 0 && d < at {
		at = d
	}
	return &pages{r: p.r, leaf: l, codec: c.Codec, at: at, end: at + c.TotalCompressedSize, left: c.NumValues}
}
