package onnx

import (
	"fmt"
	"math"
)

// valueProto is a ValueInfoProto.
type valueProto struct {
	name    string
	kind    string // "tensor", or the kind of type that is none
	elem    int    // element type, TensorProto.DataType
	ranked  bool   // a shape is given
	dims    []int  // -1 for unknown
	symbols []string
}

func parseValue(b []byte) (*valueProto, error) {
	v := &valueProto{}
	for f, err := range fields(b) {
		if err == nil {
			switch f.num {
			case 1:
				v.name, err = f.str()
			case 2:
				var sub []byte
				if sub, err = f.bytes(); err == nil {
					err = v.parseType(sub)
				}
			}
		}
		if err != nil {
			return nil, fmt.Errorf("value %q: %w", v.name, err)
		}
	}
	return v, nil
}

// parseType reads a TypeProto.
func (v *valueProto) parseType(b []byte) error {
	for f, err := range fields(b) {
		if err != nil {
			return err
		}
		switch f.num {
		case 1:
			v.kind = "tensor"
			sub, err := f.bytes()
			if err == nil {
				err = v.parseTensorType(sub)
			}
			if err != nil {
				return err
			}
		case 4:
			v.kind = "sequence"
		case 5:
			v.kind = "map"
		case 7:
			v.kind = "opaque"
		case 8:
			v.kind = "sparse tensor"
		case 9:
			v.kind = "optional"
		}
	}
	return nil
}

func (v *valueProto) parseTensorType(b []byte) error {
	for f, err := range fields(b) {
		if err != nil {
			return err
		}
		switch f.num {
		case 1:
			e, err := f.int64()
			if err != nil {
				return err
			}
			v.elem = int(int32(e))
		case 2:
			v.ranked = true
			shape, err := f.bytes()
			if err != nil {
				return err
			}
			for f, err := range fields(shape) {
				if err == nil && f.num == 1 {
					err = v.parseDim(f)
				}
				if err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (v *valueProto) parseDim(f field) error {
	b, err := f.bytes()
	if err != nil {
		return err
	}
	size, symbol := -1, ""
	for f, err := range fields(b) {
		if err != nil {
			return err
		}
		switch f.num {
		case 1:
			d, err := f.int64()
			if err != nil {
				return err
			}
			if d > math.MaxInt32 {
				return fmt.Errorf("axis %d has size %d, more than can be computed", len(v.dims), d)
			}
			size, symbol = int(max(d, -1)), ""
		case 2:
			if symbol, err = f.str(); err != nil {
				return err
			}
			size = -1
		}
	}
	v.dims = append(v.dims, size)
	v.symbols = append(v.symbols, symbol)
	return nil
}
