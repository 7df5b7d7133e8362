package shards

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// pages reads the pages of a column in a group of rows, in order.
type pages struct {
	r     io.ReaderAt
	leaf  *leaf
	codec format.CompressionCodec
	at    int64 // where the next page begins
	end   int64
	left  int64   // values
	dict  []value // that pages may refer to
}

// value is one value. Which field holds it depends on the type of its leaf.
type value struct {
	rep, def int  // levels
	null     bool // or a list that is empty
	n        int64
	x        float64
	b        []byte
}

// mostPage is the largest page that is read, in bytes.
const mostPage = 1 << 30

// next returns the values of the next page, io.EOF after the last one. Of a column with one value a
// row, it passes over pages of the first skip rows and returns how many.
func (p *pages) next(skip int) (values []value, passed int, err error) {
	for {
		if p.left <= 0 {
			return nil, passed, io.EOF
		}
		h, err := p.header()
		if err != nil {
			return nil, passed, err
		}
		size := int64(h.CompressedPageSize)
		if size < 0 || size > p.end-p.at || h.UncompressedPageSize < 0 || h.UncompressedPageSize > mostPage {
			return nil, passed, fmt.Errorf("a page of %d bytes, %d unpacked", size, h.UncompressedPageSize)
		}
		begin := p.at
		p.at += size
		n := int(max(h.DataPageHeader.V.NumValues, h.DataPageHeaderV2.V.NumValues))
		isData := h.DataPageHeader.Valid || h.DataPageHeaderV2.Valid
		if isData {
			if n < 0 || int64(n) > p.left {
				return nil, passed, fmt.Errorf("a page of %d values, of which %d are left", n, p.left)
			}
			p.left -= int64(n)
			if p.leaf.maxRep == 0 && n <= skip-passed {
				passed += n
				continue
			}
		}
		if !isData && !h.DictionaryPageHeader.Valid {
			continue // an index
		}
		b := make([]byte, size)
		if _, err := p.r.ReadAt(b, begin); err != nil {
			return nil, passed, err
		}
		switch {
		case !isData:
			if b, err = p.unpack(b, int(h.UncompressedPageSize)); err == nil {
				p.dict, err = p.leaf.decode(b, format.Plain, int(h.DictionaryPageHeader.V.NumValues), nil)
			}
			if err != nil {
				return nil, passed, fmt.Errorf("dictionary: %w", err)
			}
			continue
		case h.DataPageHeaderV2.Valid:
			values, err = p.dataV2(b, &h.DataPageHeaderV2.V, int(h.UncompressedPageSize))
		default:
			values, err = p.dataV1(b, &h.DataPageHeader.V, int(h.UncompressedPageSize))
		}
		return values, passed, err
	}
}

// header reads the header of the next page, and moves behind it.
func (p *pages) header() (h format.PageHeader, err error) {
	for _, most := range []int64{1 << 10, 1 << 14, 1 << 20} { // statistics may be long
		b := make([]byte, max(0, min(most, p.end-p.at)))
		if _, err := p.r.ReadAt(b, p.at); err != nil {
			return h, err
		}
		r := (&thrift.CompactProtocol{}).NewReaderFromBytes(b)
		h = format.PageHeader{}
		if err = thrift.NewDecoder(r).Decode(&h); err == nil {
			p.at += int64(r.BytesRead())
			return h, nil
		}
	}
	return h, fmt.Errorf("page header: %w", err)
}

// unpack decompresses a page to n bytes.
func (p *pages) unpack(b []byte, n int) (out []byte, err error) {
	switch p.codec {
	case format.Uncompressed:
		out = b
	case format.Snappy:
		const most = 22 // bytes for each that snappy takes: 64 in three
		if is, err := snappy.DecodedLen(b); err != nil || is != n || n > most*len(b) {
			return nil, fmt.Errorf("%d bytes cannot be %d unpacked", len(b), n)
		}
		out, err = snappy.Decode(nil, b)
	case format.Gzip:
		var r *gzip.Reader
		if r, err = gzip.NewReader(bytes.NewReader(b)); err == nil {
			out, err = io.ReadAll(io.LimitReader(r, int64(n)+1))
		}
	case format.Zstd:
		var r *zstd.Decoder
		if r, err = zstd.NewReader(bytes.NewReader(b), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true)); err == nil {
			out, err = io.ReadAll(io.LimitReader(r, int64(n)+1))
			r.Close()
		}
	default:
		return nil, fmt.Errorf("compressed by %v, which is not read: write it with snappy, zstd, gzip or none", p.codec)
	}
	if err == nil && len(out) != n {
		err = fmt.Errorf("%d bytes unpacked, not %d", len(out), n)
	}
	return out, err
}

// dataV1 reads a page whose levels are compressed with its values, each behind its size.
func (p *pages) dataV1(b []byte, h *format.DataPageHeader, size int) ([]value, error) {
	b, err := p.unpack(b, size)
	if err != nil {
		return nil, err
	}
	n := int(h.NumValues)
	var levels [2][]uint8
	for i, most := range []int{p.leaf.maxRep, p.leaf.maxDef} {
		if most == 0 {
			continue
		}
		if len(b) < 4 || uint64(binary.LittleEndian.Uint32(b)) > uint64(len(b)-4) {
			return nil, io.ErrUnexpectedEOF
		}
		end := 4 + int(binary.LittleEndian.Uint32(b))
		if levels[i], err = levelsOf(b[4:end], most, n); err != nil {
			return nil, err
		}
		b = b[end:]
	}
	return p.join(levels[0], levels[1], b, h.Encoding, n)
}

// dataV2 reads a page whose levels stand before its values, not compressed.
func (p *pages) dataV2(b []byte, h *format.DataPageHeaderV2, size int) (_ []value, err error) {
	n, rep, def := int(h.NumValues), int(h.RepetitionLevelsByteLength), int(h.DefinitionLevelsByteLength)
	if rep < 0 || def < 0 || rep > len(b) || def > len(b)-rep || rep+def > size {
		return nil, io.ErrUnexpectedEOF
	}
	var levels [2][]uint8
	if p.leaf.maxRep > 0 {
		if levels[0], err = levelsOf(b[:rep], p.leaf.maxRep, n); err != nil {
			return nil, err
		}
	}
	if p.leaf.maxDef > 0 {
		if levels[1], err = levelsOf(b[rep:rep+def], p.leaf.maxDef, n); err != nil {
			return nil, err
		}
	}
	b = b[rep+def:]
	if packed, ok := h.IsCompressed.Get(); (packed || !ok) && size > rep+def {
		if b, err = p.unpack(b, size-rep-def); err != nil {
			return nil, err
		}
	}
	return p.join(levels[0], levels[1], b, h.Encoding, n)
}

// levelsOf reads n levels from 0 to most.
func levelsOf(b []byte, most, n int) ([]uint8, error) {
	e := rle.Encoding{BitWidth: bits.Len(uint(most))}
	b, err := runs(b, e.BitWidth, n)
	if err != nil {
		return nil, err
	}
	out, err := e.DecodeLevels(make([]uint8, 0, n), b)
	if err == nil && len(out) < n {
		err = fmt.Errorf("%d levels of %d", len(out), n)
	}
	if err != nil {
		return nil, err
	}
	return out[:n], nil // the last group of eight may be filled up
}

// runs returns the part of b with the runs that hold n numbers of a width in bits. It errors on a run
// that is longer, before anything is made of it.
func runs(b []byte, width, n int) ([]byte, error) {
	const most = 512 // numbers by which a run that is not of one number may be filled up
	if width > 32 {
		return nil, fmt.Errorf("numbers of %d bits", width)
	}
	at := 0
	for have := 0; have < n; {
		h, size := binary.Uvarint(b[at:])
		if size <= 0 {
			return nil, io.ErrUnexpectedEOF
		}
		count, bytes := h>>1, uint64(width+7)/8
		if h&1 == 1 {
			count, bytes = h>>1*8, h>>1*uint64(width)
		}
		if h > 1<<32 || count > uint64(n-have)+most {
			return nil, fmt.Errorf("a run of %d numbers where %d are left", count, n-have)
		}
		at += size
		if h&1 == 1 && bytes > uint64(len(b)-at) && count >= uint64(n-have) { // the last one may be cut off
			bytes = uint64(len(b) - at)
		}
		if bytes > uint64(len(b)-at) {
			return nil, io.ErrUnexpectedEOF
		}
		at += int(bytes)
		have += int(count)
	}
	return b[:at], nil
}

// join puts the levels and the values that are there together.
func (p *pages) join(rep, def []uint8, b []byte, by format.Encoding, n int) ([]value, error) {
	there := n
	if def != nil {
		there = 0
		for _, d := range def {
			if int(d) == p.leaf.maxDef {
				there++
			}
		}
	}
	values, err := p.leaf.decode(b, by, there, p.dict)
	if err != nil {
		return nil, err
	}
	if len(values) < there {
		return nil, errors.New("fewer values than levels")
	}
	if def == nil {
		return values[:n], nil
	}
	out := make([]value, n)
	for i := range out {
		v := value{null: true}
		if int(def[i]) == p.leaf.maxDef {
			v, values = values[0], values[1:]
		}
		v.def = int(def[i])
		if rep != nil {
			v.rep = int(rep[i])
		}
		out[i] = v
	}
	return out, nil
}
