package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Reader gives the tensors of one file, each read when it is asked for.
type Reader struct {
	Metadata map[string]string
	infos    map[string]Info
	data     *io.SectionReader
}

// NewReader reads and checks the header of a file of size bytes. Nothing but the header is held in
// memory. It errors on anything the format forbids: a header that is too long, is not JSON or names
// a tensor twice, an element type unknown to package tensor, a place that does not fit the shape,
// and tensors that overlap, leave holes or end elsewhere than the file.
func NewReader(r io.ReaderAt, size int64) (*Reader, error) {
	var prefix [8]byte
	if size < int64(len(prefix)) {
		return nil, fmt.Errorf("safetensors: %d bytes are too few for a file", size)
	}
	if err := readAt(r, prefix[:], 0); err != nil {
		return nil, fmt.Errorf("safetensors: header length: %w", err)
	}
	n := binary.LittleEndian.Uint64(prefix[:])
	if n > MaxHeader || int64(n) > size-8 {
		return nil, fmt.Errorf("safetensors: a header of %d bytes does not fit in a file of %d", n, size)
	}
	header := make([]byte, n)
	if err := readAt(r, header, 8); err != nil {
		return nil, fmt.Errorf("safetensors: header: %w", err)
	}
	out := &Reader{infos: map[string]Info{}, data: io.NewSectionReader(r, 8+int64(n), size-8-int64(n))}
	if err := out.parse(header); err != nil {
		return nil, fmt.Errorf("safetensors: header: %w", err)
	}
	return out, out.checkTiling()
}

// parse reads the header object key by key, so that a name given twice is seen.
func (r *Reader) parse(header []byte) error {
	dec := json.NewDecoder(bytes.NewReader(header))
	dec.DisallowUnknownFields()
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return errors.New("not a JSON object")
	}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return err
		}
		name := tok.(string)
		if name == metadataKey {
			if r.Metadata != nil {
				return fmt.Errorf("%s is given twice", name)
			}
			if err := dec.Decode(&r.Metadata); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			continue
		}
		if _, dup := r.infos[name]; dup {
			return fmt.Errorf("tensor %q is given twice", name)
		}
		var e entry
		if err := dec.Decode(&e); err != nil {
			return fmt.Errorf("tensor %q: %w", name, err)
		}
		info, err := e.info()
		if err != nil {
			return fmt.Errorf("tensor %q: %w", name, err)
		}
		r.infos[name] = info
	}
	if _, err := dec.Token(); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("something follows the JSON object")
	}
	return nil
}

// info checks an entry by itself: known type, sizes that do not overflow, a place of the right
// length.
func (e entry) info() (Info, error) {
	dt, ok := dtypes[e.DType]
	if !ok {
		return Info{}, fmt.Errorf("element type %q is not known", e.DType)
	}
	n := int64(dt.Size())
	shape := make(tensor.Shape, len(e.Shape))
	for i, d := range e.Shape {
		if d < 0 || d > math.MaxInt {
			return Info{}, fmt.Errorf("shape %v is out of range", e.Shape)
		}
		if d != 0 && n > math.MaxInt64/d {
			return Info{}, fmt.Errorf("shape %v holds too many elements", e.Shape)
		}
		n *= d
		shape[i] = int(d)
	}
	begin, end := e.DataOffsets[0], e.DataOffsets[1]
	if begin < 0 || end < begin || end-begin != n {
		return Info{}, fmt.Errorf("data_offsets %v do not hold %v elements of shape %v", e.DataOffsets, dt, shape)
	}
	return Info{dt, shape, begin, end}, nil
}

// checkTiling errors unless the tensors fill the data without holes or overlap.
func (r *Reader) checkTiling() error {
	var off int64
	for _, name := range r.byOffset() {
		in := r.infos[name]
		if in.Begin != off {
			return fmt.Errorf("safetensors: tensor %q begins at byte %d, not at %d where the one before ends", name, in.Begin, off)
		}
		off = in.End
	}
	if off != r.data.Size() {
		return fmt.Errorf("safetensors: tensors end at byte %d of %d", off, r.data.Size())
	}
	return nil
}

func (r *Reader) byOffset() []string {
	return slices.SortedFunc(maps.Keys(r.infos), func(a, b string) int {
		x, y := r.infos[a], r.infos[b]
		return cmp.Or(cmp.Compare(x.Begin, y.Begin), cmp.Compare(x.End, y.End), cmp.Compare(a, b))
	})
}

// Names lists the tensors in order of name.
func (r *Reader) Names() []string { return slices.Sorted(maps.Keys(r.infos)) }

// Info describes the tensor called name, without reading it.
func (r *Reader) Info(name string) (Info, bool) {
	in, ok := r.infos[name]
	return in, ok
}

// Tensor reads the tensor called name. It errors when the file has none of that name.
func (r *Reader) Tensor(name string) (*tensor.Tensor, error) {
	in, ok := r.infos[name]
	if !ok {
		return nil, fmt.Errorf("safetensors: no tensor %q", name)
	}
	t := tensor.New(in.DType, in.Shape...)
	if err := readAt(r.data, t.Bytes, in.Begin); err != nil {
		return nil, fmt.Errorf("safetensors: tensor %q: %w", name, err)
	}
	return t, nil
}

// All reads every tensor. Memory stays below the file's size and a small multiple of its header's.
func (r *Reader) All() (*File, error) {
	f := &File{Tensors: make(map[string]*tensor.Tensor, len(r.infos)), Metadata: r.Metadata}
	for _, name := range r.byOffset() {
		t, err := r.Tensor(name)
		if err != nil {
			return nil, err
		}
		f.Tensors[name] = t
	}
	return f, nil
}

// ReadFile reads the whole file at path.
func ReadFile(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	r, err := NewReader(f, st.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	out, err := r.All()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return out, nil
}

// readAt fills b; a short file is an error.
func readAt(r io.ReaderAt, b []byte, off int64) error {
	if len(b) == 0 {
		return nil
	}
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}
