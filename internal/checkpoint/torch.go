package checkpoint

import (
	"archive/zip"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// maxPickle bounds the pickle of a checkpoint, without its tensors.
const maxPickle = 64 << 20

// readTorch reads the zip files of torch 1.6 and later. NAME/data.pkl describes the tensors, and
// NAME/data/KEY hold their storages, uncompressed.
func readTorch(z *zip.Reader, r io.ReaderAt, size int64, path string, room *budget) (*Checkpoint, error) {
	files := make(map[string]*zip.File, len(z.File))
	folder := ""
	for _, f := range z.File {
		files[f.Name] = f
		if dir, ok := strings.CutSuffix(f.Name, "data.pkl"); ok && (dir == "" || strings.HasSuffix(dir, "/")) {
			folder = dir
		}
	}
	order := "little"
	if f := files[folder+"byteorder"]; f != nil {
		s, err := stored(f, r, size)
		if err != nil {
			return nil, err
		}
		b, err := io.ReadAll(io.LimitReader(s, 16))
		if err != nil {
			return nil, err
		}
		order = string(b)
	}
	if order != "little" {
		return nil, fmt.Errorf("its byte order is %.16q, little is read", order)
	}
	if files[folder+"constants.pkl"] != nil {
		return nil, fmt.Errorf("is a TorchScript program: save its weights with torch.save(module.state_dict(), path)")
	}
	s, err := stored(files[folder+"data.pkl"], r, size)
	if err != nil {
		return nil, err
	}
	if s.Size() > maxPickle {
		return nil, fmt.Errorf("%sdata.pkl has %d bytes, more than %d", folder, s.Size(), maxPickle)
	}
	b := make([]byte, s.Size())
	if _, err := io.ReadFull(s, b); err != nil {
		return nil, err
	}
	root, _, err := unpickle(b)
	if err != nil {
		return nil, err
	}
	return pick("PyTorch", root, len(b), path, room, func(st *storage) (*io.SectionReader, error) {
		f := files[folder+"data/"+st.key]
		if f == nil {
			return nil, fmt.Errorf("storage %q is not in the file", st.key)
		}
		return stored(f, r, size)
	})
}

// stored is the content of an uncompressed file of the archive.
func stored(f *zip.File, r io.ReaderAt, size int64) (*io.SectionReader, error) {
	if f.Method != zip.Store {
		return nil, fmt.Errorf("%s is compressed, which PyTorch does not do: unpack the archive and pack it again without compression", f.Name)
	}
	off, err := f.DataOffset()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	if f.UncompressedSize64 > uint64(size) || off > size-int64(f.UncompressedSize64) {
		return nil, fmt.Errorf("%s reaches beyond the end: the file is cut", f.Name)
	}
	return io.NewSectionReader(r, off, int64(f.UncompressedSize64)), nil
}

// legacyMagic is the number at the start of files written by torch before 1.6:
// 0x1950a86a20f9469cfc6c.
const legacyMagic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"

// readLegacy reads the format before torch 1.6: five pickles (magic number, version, machine,
// value, keys of the storages), and then each storage, preceded by its number of elements.
func readLegacy(r io.ReaderAt, size int64, path string, room *budget) (*Checkpoint, error) {
	b := make([]byte, min(size, maxPickle))
	if _, err := io.ReadFull(io.NewSectionReader(r, 0, int64(len(b))), b); err != nil {
		return nil, err
	}
	at := 0
	var values [5]any
	for i := range values {
		v, n, err := unpickle(b[at:])
		if err != nil {
			return nil, err
		}
		if magic, ok := v.([]byte); i == 0 && (!ok || string(magic) != legacyMagic) {
			return nil, fmt.Errorf("is a pickle that torch.save did not write: save the weights with torch.save(model.state_dict(), path)")
		}
		values[i] = v
		at += n
	}
	keys, ok := values[4].(*list)
	if !ok {
		return nil, fmt.Errorf("lists no storages")
	}
	sizes := map[string]int64{} // bytes of an element, by storage
	p := &picker{steps: 2*at + 1000}
	if err := p.storages(values[3], 0, sizes); err != nil {
		return nil, err
	}
	places := make(map[string]*io.SectionReader, len(keys.items))
	pos := int64(at)
	for _, k := range keys.items {
		key, ok := k.(string)
		if !ok {
			return nil, fmt.Errorf("a storage whose key is no text")
		}
		var count [8]byte
		if _, err := io.ReadFull(io.NewSectionReader(r, pos, 8), count[:]); err != nil {
			return nil, fmt.Errorf("storage %q: the file is cut", key)
		}
		pos += 8
		n := binary.LittleEndian.Uint64(count[:])
		width := max(sizes[key], 1)
		if _, used := sizes[key]; !used && n > 0 {
			return nil, fmt.Errorf("storage %q belongs to no tensor: its size is not known", key)
		}
		if n > uint64((size-pos)/width) {
			return nil, fmt.Errorf("storage %q: the file is cut", key)
		}
		places[key] = io.NewSectionReader(r, pos, int64(n)*width)
		pos += int64(n) * width
	}
	return pick("PyTorch before 1.6", values[3], at, path, room, func(s *storage) (*io.SectionReader, error) {
		in := places[s.key]
		if in == nil {
			return nil, fmt.Errorf("storage %q is not in the file", s.key)
		}
		return in, nil
	})
}

// storages finds the element size of every storage in a value.
func (p *picker) storages(v any, depth int, into map[string]int64) error {
	if p.steps--; p.steps < 0 || depth > maxDepth {
		return errEndless
	}
	var parts []any
	switch v := v.(type) {
	case *view:
		into[v.storage.key] = int64(v.dtype.Size())
	case *storage:
		into[v.key] = int64(v.dtype.Size())
	case *dict:
		parts = v.values
	case *list:
		parts = v.items
	case tuple:
		parts = v
	}
	for _, x := range parts {
		if err := p.storages(x, depth+1, into); err != nil {
			return err
		}
	}
	return nil
}

// pick finds the state dict in an unpickled value of n bytes, and reads its tensors. Open gives the
// bytes of a storage.
func pick(format string, root any, n int, path string, room *budget, open func(*storage) (*io.SectionReader, error)) (*Checkpoint, error) {
	p := &picker{steps: 2*n + 1000}
	d, keys, ignored, err := p.find(root, path)
	if err != nil {
		return nil, err
	}
	entries, err := p.flatten(d, "", 0, nil)
	if err != nil {
		return nil, err
	}
	c := &Checkpoint{Format: format, Entry: strings.Join(keys, "."), Ignored: ignored}
	done := map[string]*tensor.Tensor{} // tied weights are one tensor
	for _, e := range entries {
		same := fmt.Sprint(e.view.storage.key, e.view.storage.offset, e.view.dtype, e.view.offset, e.view.shape, e.view.strides)
		t := done[same]
		if t == nil {
			if t, err = e.view.read(room, open); err != nil {
				return nil, fmt.Errorf("tensor %q: %w", e.name, err)
			}
			done[same] = t
		}
		c.Tensors = append(c.Tensors, Named{e.name, t})
	}
	return c, nil
}

// read reads the elements of a view in row-major order.
func (v *view) read(room *budget, open func(*storage) (*io.SectionReader, error)) (*tensor.Tensor, error) {
	if len(v.shape) != len(v.strides) || len(v.shape) > 64 {
		return nil, fmt.Errorf("%d sizes and %d strides", len(v.shape), len(v.strides))
	}
	shape := make(tensor.Shape, len(v.shape))
	last := int64(0) // of the elements that the view reaches, counted from its first
	for i, d := range v.shape {
		st := v.strides[i]
		if d < 0 || d > maxBytes || st < 0 {
			return nil, fmt.Errorf("shape %v, strides %v are out of range", v.shape, v.strides)
		}
		if d > 1 {
			hi, lo := bits.Mul64(uint64(d-1), uint64(st))
			if hi != 0 || lo > maxBytes || last > maxBytes {
				return nil, fmt.Errorf("shape %v, strides %v reach outside of the storage", v.shape, v.strides)
			}
			last += int64(lo)
		}
		shape[i] = int(d)
	}
	t, err := room.take(v.dtype, shape)
	if err != nil || t.Len() == 0 {
		return t, err
	}
	in, err := open(v.storage)
	if err != nil {
		return nil, err
	}
	width := int64(v.dtype.Size())
	n := in.Size() / width
	for _, off := range []int64{v.storage.offset, v.offset, last} {
		if off < 0 || off >= n {
			return nil, fmt.Errorf("shape %v, strides %v, offset %d reach outside of the storage of %d elements", v.shape, v.strides, v.offset, n)
		}
		n -= off
	}
	start := (v.storage.offset + v.offset) * width
	if contiguous(v.shape, v.strides) {
		_, err := io.ReadFull(io.NewSectionReader(in, start, int64(len(t.Bytes))), t.Bytes)
		return t, err
	}
	src := make([]byte, (last+1)*width)
	if _, err := io.ReadFull(io.NewSectionReader(in, start, int64(len(src))), src); err != nil {
		return nil, err
	}
	gather(t.Bytes, src, v.shape, v.strides, int(width))
	return t, nil
}

func contiguous(shape, strides []int64) bool {
	n := int64(1)
	for i := len(shape) - 1; i >= 0; i-- {
		if shape[i] != 1 && strides[i] != n {
			return false
		}
		n *= shape[i]
	}
	return true
}

// gather copies elements of width bytes: dst[i] = src[i . strides] for every index i of shape, in
// row-major order.
func gather(dst, src []byte, shape, strides []int64, width int) {
	at := make([]int64, len(shape))
	from := int64(0)
	for to := 0; to < len(dst); to += width {
		copy(dst[to:to+width], src[from*int64(width):])
		for i := len(shape) - 1; i >= 0; i-- {
			at[i]++
			from += strides[i]
			if at[i] < shape[i] {
				break
			}
			from -= at[i] * strides[i]
			at[i] = 0
		}
	}
}
