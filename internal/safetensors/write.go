package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Write writes f. Equal contents give equal bytes: tensors stand in order of falling element size,
// which keeps each aligned, and then of name. Write errors on a tensor whose bytes do not fill its
// shape, on a name that is not UTF-8 and on the reserved name "__metadata__".
func Write(w io.Writer, f File) error {
	order := slices.SortedFunc(maps.Keys(f.Tensors), func(a, b string) int {
		return cmp.Or(cmp.Compare(f.Tensors[b].DType.Size(), f.Tensors[a].DType.Size()), cmp.Compare(a, b))
	})
	header, err := header(f, order)
	if err != nil {
		return err
	}
	var size [8]byte
	binary.LittleEndian.PutUint64(size[:], uint64(len(header)))
	if _, err := w.Write(size[:]); err != nil {
		return err
	}
	if _, err := w.Write(header); err != nil {
		return err
	}
	for _, name := range order {
		if _, err := w.Write(f.Tensors[name].Bytes); err != nil {
			return err
		}
	}
	return nil
}

// header returns the JSON header, padded with spaces so that the data after it starts aligned.
func header(f File, order []string) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	put := func(key string, v any) error {
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		k, err := json.Marshal(key)
		if err != nil {
			return err
		}
		js, err := json.Marshal(v)
		if err != nil {
			return err
		}
		b.Write(k)
		b.WriteByte(':')
		b.Write(js)
		return nil
	}
	if f.Metadata != nil {
		if err := put(metadataKey, f.Metadata); err != nil {
			return nil, err
		}
	}
	var off int64
	for _, name := range order {
		t := f.Tensors[name]
		dt, ok := names[t.DType]
		switch {
		case name == metadataKey:
			return nil, fmt.Errorf("safetensors: a tensor cannot be named %q", name)
		case !utf8.ValidString(name):
			return nil, fmt.Errorf("safetensors: tensor name %q is not UTF-8", name)
		case !ok:
			return nil, fmt.Errorf("safetensors: tensor %q: no form for %v elements", name, t.DType)
		case len(t.Bytes) != t.Len()*t.DType.Size():
			return nil, fmt.Errorf("safetensors: tensor %q: %d bytes do not fill %v %v", name, len(t.Bytes), t.DType, t.Shape)
		}
		end := off + int64(len(t.Bytes))
		if err := put(name, entry{dt, int64s(t.Shape), [2]int64{off, end}}); err != nil {
			return nil, err
		}
		off = end
	}
	b.WriteByte('}')
	for (8+b.Len())%tensor.Align != 0 {
		b.WriteByte(' ')
	}
	if b.Len() > MaxHeader {
		return nil, fmt.Errorf("safetensors: a header of %d bytes is longer than %d", b.Len(), MaxHeader)
	}
	return b.Bytes(), nil
}

// int64s is never nil, so that a scalar's shape is written as [].
func int64s(s tensor.Shape) []int64 {
	out := make([]int64, len(s))
	for i, d := range s {
		out[i] = int64(d)
	}
	return out
}
