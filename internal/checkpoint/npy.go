package checkpoint

import (
	"archive/zip"
	"encoding/binary"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// npyMagic is the start of every npy file. Source: numpy.lib.format, versions 1.0 to 3.0.
const npyMagic = "\x93NUMPY"

// maxNpyHeader bounds the header, which is a line of text.
const maxNpyHeader = 1 << 16

// readZip reads a NumPy archive, or a PyTorch one where it holds a pickle.
func readZip(r io.ReaderAt, size int64, entry string, room *budget) (*Checkpoint, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, err
	}
	c := &Checkpoint{Format: "npz"}
	for _, f := range z.File {
		name, ok := strings.CutSuffix(f.Name, ".npy")
		if !ok {
			if f.Name == "data.pkl" || strings.HasSuffix(f.Name, "/data.pkl") {
				return readTorch(z, r, size, entry, room)
			}
			continue
		}
		if len(name) > maxName {
			return nil, fmt.Errorf("a name of %d bytes", len(name))
		}
		in, err := f.Open()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		t, err := readNpy(in, room)
		if e := in.Close(); err == nil {
			err = e
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		c.Tensors = append(c.Tensors, Named{name, t})
	}
	return c, nil
}

// readNpyFile reads a single array, which has no name.
func readNpyFile(r io.ReaderAt, size int64, room *budget) (*Checkpoint, error) {
	t, err := readNpy(io.NewSectionReader(r, 0, size), room)
	if err != nil {
		return nil, err
	}
	return &Checkpoint{Format: "npy", Tensors: []Named{{"", t}}}, nil
}

// npyTypes are the element types by kind and size.
var npyTypes = map[string]tensor.DType{
	"f2": tensor.Float16, "f4": tensor.Float32, "f8": tensor.Float64,
	"i1": tensor.Int8, "i2": tensor.Int16, "i4": tensor.Int32, "i8": tensor.Int64,
	"u1": tensor.Uint8, "u2": tensor.Uint16, "u4": tensor.Uint32, "u8": tensor.Uint64,
	"b1": tensor.Bool,
}

// The header is a Python dict of three entries, in whatever order.
var (
	npyDescr   = regexp.MustCompile(`'descr'\s*:\s*'([<>|=]?)([a-zA-Z]\d*)'`)
	npyFortran = regexp.MustCompile(`'fortran_order'\s*:\s*(True|False)`)
	npyShape   = regexp.MustCompile(`'shape'\s*:\s*\(([\d\s,L]*)\)`)
)

// readNpy reads one array, as row-major and little-endian.
func readNpy(r io.Reader, room *budget) (*tensor.Tensor, error) {
	var head [12]byte
	if _, err := io.ReadFull(r, head[:10]); err != nil {
		return nil, fmt.Errorf("the header is cut: %w", err)
	}
	if string(head[:6]) != npyMagic {
		return nil, fmt.Errorf("is no npy file")
	}
	n := int(binary.LittleEndian.Uint16(head[8:]))
	switch head[6] {
	case 1:
	case 2, 3:
		if _, err := io.ReadFull(r, head[10:]); err != nil {
			return nil, fmt.Errorf("the header is cut: %w", err)
		}
		n = int(binary.LittleEndian.Uint32(head[8:]))
	default:
		return nil, fmt.Errorf("version %d of the npy format is not known", head[6])
	}
	if n > maxNpyHeader {
		return nil, fmt.Errorf("a header of %d bytes", n)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, fmt.Errorf("the header is cut: %w", err)
	}
	descr, fortran, dims := npyDescr.FindSubmatch(text), npyFortran.FindSubmatch(text), npyShape.FindSubmatch(text)
	if descr == nil || fortran == nil || dims == nil {
		return nil, fmt.Errorf("an array %.80q, want one of numbers", strings.TrimSpace(string(text)))
	}
	dt, ok := npyTypes[string(descr[2])]
	if !ok {
		return nil, fmt.Errorf("elements of type %q, want numbers", descr[2])
	}
	var shape tensor.Shape
	for _, d := range strings.FieldsFunc(string(dims[1]), func(r rune) bool { return r == ',' || r == ' ' }) {
		v, err := strconv.Atoi(strings.TrimSuffix(d, "L"))
		if err != nil {
			return nil, fmt.Errorf("a size of %q", d)
		}
		shape = append(shape, v)
	}
	t, err := room.take(dt, shape)
	if err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(r, t.Bytes); err != nil {
		return nil, fmt.Errorf("the array is cut: %w", err)
	}
	if string(descr[1]) == ">" {
		for at := 0; at < len(t.Bytes); at += dt.Size() {
			slices.Reverse(t.Bytes[at : at+dt.Size()])
		}
	}
	if string(fortran[1]) == "True" && len(shape) > 1 {
		out, err := room.take(dt, shape)
		if err != nil {
			return nil, err
		}
		sizes, strides := make([]int64, len(shape)), make([]int64, len(shape))
		step := int64(1)
		for i, d := range shape {
			sizes[i], strides[i] = int64(d), step
			step *= int64(d)
		}
		gather(out.Bytes, t.Bytes, sizes, strides, dt.Size())
		return out, nil
	}
	return t, nil
}
