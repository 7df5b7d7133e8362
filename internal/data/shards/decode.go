package shards

import (
	"fmt"

	"github.com/parquet-go/parquet-go/encoding"
	"github.com/parquet-go/parquet-go/encoding/bytestreamsplit"
	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/plain"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/format"
)

// encodings are those of values that stand in the page themselves.
var encodings = map[format.Encoding]encoding.Encoding{
	format.Plain:                new(plain.Encoding),
	format.DeltaBinaryPacked:    new(delta.BinaryPackedEncoding),
	format.DeltaLengthByteArray: new(delta.LengthByteArrayEncoding),
	format.DeltaByteArray:       new(delta.ByteArrayEncoding),
	format.ByteStreamSplit:      new(bytestreamsplit.Encoding),
}

// decode reads n values. Bytes in them are parts of b, where they can be.
func (l *leaf) decode(b []byte, by format.Encoding, n int, dict []value) ([]value, error) {
	if n == 0 {
		return nil, nil
	}
	//lint:ignore SA1019 older writers, such as that of many data sets on the hub, use it
	if by == format.PlainDictionary || by == format.RLEDictionary {
		if len(b) == 0 {
			return nil, fmt.Errorf("no values of %d", n)
		}
		of, err := runs(b[1:], int(b[0]), n)
		if err != nil {
			return nil, err
		}
		b = b[:1+len(of)]
		indices, err := new(rle.DictionaryEncoding).DecodeInt32(nil, b)
		if err != nil {
			return nil, err
		}
		if len(indices) < n {
			return nil, fmt.Errorf("%d values of %d", len(indices), n)
		}
		out := make([]value, n)
		for i, at := range indices[:n] {
			if at < 0 || int(at) >= len(dict) {
				return nil, fmt.Errorf("value %d of a dictionary of %d", at, len(dict))
			}
			out[i] = dict[at]
		}
		return out, nil
	}
	out := make([]value, 0, min(n, len(b)*8))
	if by == format.RLE && l.Type.V == format.Boolean {
		bits, err := (&rle.Encoding{BitWidth: 1}).DecodeBoolean(nil, b)
		return booleans(out, bits, n), err
	}
	e := encodings[by]
	if e == nil {
		return nil, fmt.Errorf("encoded by %v, which is not read", by)
	}
	var err error
	switch l.Type.V {
	case format.Boolean:
		var bits []byte
		bits, err = e.DecodeBoolean(nil, b)
		out = booleans(out, bits, n)
	case format.Int32:
		var all []int32
		all, err = e.DecodeInt32(nil, b)
		for _, v := range all[:min(n, len(all))] {
			out = append(out, value{n: int64(v)})
		}
	case format.Int64:
		var all []int64
		all, err = e.DecodeInt64(nil, b)
		for _, v := range all[:min(n, len(all))] {
			out = append(out, value{n: v})
		}
	case format.Float:
		var all []float32
		all, err = e.DecodeFloat(nil, b)
		for _, v := range all[:min(n, len(all))] {
			out = append(out, value{x: float64(v)})
		}
	case format.Double:
		var all []float64
		all, err = e.DecodeDouble(nil, b)
		for _, v := range all[:min(n, len(all))] {
			out = append(out, value{x: v})
		}
	case format.ByteArray:
		var all []byte
		var ends []uint32
		all, ends, err = e.DecodeByteArray(nil, b, nil)
		for i := 0; i+1 < len(ends) && i < n; i++ {
			if ends[i] > ends[i+1] || int(ends[i+1]) > len(all) {
				return nil, fmt.Errorf("bytes %d to %d of %d", ends[i], ends[i+1], len(all))
			}
			out = append(out, value{b: all[ends[i]:ends[i+1]:ends[i+1]]})
		}
	default:
		return nil, fmt.Errorf("values of type %v are not read", l.Type.V)
	}
	if err == nil && len(out) < n {
		err = fmt.Errorf("%d values of %d", len(out), n)
	}
	return out, err
}

// booleans appends n truth values, of which bits has eight a byte.
func booleans(out []value, bits []byte, n int) []value {
	for i := range min(n, 8*len(bits)) {
		out = append(out, value{n: int64(bits[i/8] >> (i % 8) & 1)})
	}
	return out
}
