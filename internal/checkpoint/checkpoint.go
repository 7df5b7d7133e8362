// Package checkpoint reads the weights that other frameworks save, and carries them into ONNX files
// and back.
//
// Comes in: a checkpoint and a model of the same architecture. Goes out: which tensor of one
// belongs to which of the other, a patch of the model, or a state dict. It must not know how a
// model is run or trained.
//
// Read tells the format of a file by its contents: safetensors, PyTorch (the zip files of torch 1.6
// and later, and the pickles before), NumPy's npz and npy. A pickle is read by an interpreter of
// the few instructions that state dicts need. It knows a fixed list of names and calls nothing.
//
// Find matches the tensors of a checkpoint with those of a model, whose exporter renames,
// transposes and folds them. Export makes a state dict from a model.
package checkpoint

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/safetensors"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// The tensors of a file of n bytes take at most Expansion*n+Slack bytes together. Compressed
// archives and overlapping views may take more than the file, but no file takes all memory. Reading
// takes as much again as the file for buffers, at most, and 256 bytes for every byte of a pickle.
const (
	Expansion = 16
	Slack     = 1 << 20
)

// Named is one tensor of a checkpoint.
type Named struct {
	Name   string
	Tensor *tensor.Tensor
}

// Checkpoint is the contents of a file, in the file's order.
type Checkpoint struct {
	Format string // safetensors, PyTorch, PyTorch before 1.6, npz or npy
	// key of the state dict in a PyTorch file, such as "state_dict"; "" for the whole file
	Entry   string
	Ignored []string // other keys of a PyTorch file, such as "optimizer"
	Tensors []Named
}

// Open reads the checkpoint at path. Entry says where in a PyTorch file the state dict is, as keys
// joined by dots. With "" it is searched for.
func Open(path, entry string) (*Checkpoint, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", path)
	}
	c, err := Read(f, st.Size(), entry)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// Read reads a checkpoint of size bytes, see Open. Memory stays within the bound of Expansion and
// Slack: no size that the file states is trusted.
func Read(r io.ReaderAt, size int64, entry string) (*Checkpoint, error) {
	head := make([]byte, min(size, 16))
	if _, err := r.ReadAt(head, 0); err != nil && err != io.EOF {
		return nil, err
	}
	room := &budget{left: Expansion*size + Slack}
	var c *Checkpoint
	var err error
	switch {
	case bytes.HasPrefix(head, []byte("PK")):
		c, err = readZip(r, size, entry, room)
	case bytes.HasPrefix(head, []byte(npyMagic)):
		c, err = readNpyFile(r, size, room)
	case len(head) > 8 && head[8] == '{':
		c, err = readSafetensors(r, size)
	case len(head) > 2 && head[0] == opProto:
		c, err = readLegacy(r, size, entry, room)
	default:
		return nil, fmt.Errorf("is no checkpoint that can be read: want safetensors, a PyTorch .pt or .pth file, or NumPy's .npz")
	}
	if err != nil {
		return nil, err
	}
	if entry != "" && c.Entry != entry {
		return nil, fmt.Errorf("%s files have no entries: leave out option entry %s", c.Format, entry)
	}
	seen := make(map[string]bool, len(c.Tensors))
	for _, t := range c.Tensors {
		if seen[t.Name] {
			return nil, fmt.Errorf("holds two tensors called %q", t.Name)
		}
		seen[t.Name] = true
	}
	if len(c.Tensors) == 0 {
		return nil, fmt.Errorf("holds no tensors")
	}
	return c, nil
}

// budget is the memory that the tensors of a file may still take.
type budget struct{ left int64 }

// take allocates a tensor within the budget.
func (b *budget) take(dt tensor.DType, shape tensor.Shape) (*tensor.Tensor, error) {
	n, err := byteSize(dt, shape)
	if err != nil {
		return nil, err
	}
	if n > b.left {
		return nil, fmt.Errorf("%v of shape %v would take the tensors of this file beyond %d times its size", dt, shape, Expansion)
	}
	b.left -= n
	return tensor.New(dt, shape...), nil
}

// maxBytes bounds single tensors, far below overflow.
const maxBytes = 1 << 46

// byteSize is the size of a tensor whose shape comes from a file.
func byteSize(dt tensor.DType, shape tensor.Shape) (int64, error) {
	if len(shape) > 64 {
		return 0, fmt.Errorf("a tensor of %d axes", len(shape))
	}
	n := int64(dt.Size())
	for _, d := range shape {
		if d < 0 || d != 0 && n > maxBytes/int64(d) {
			return 0, fmt.Errorf("shape %v is out of range", shape)
		}
		n *= int64(d)
	}
	return n, nil
}

func readSafetensors(r io.ReaderAt, size int64) (*Checkpoint, error) {
	f, err := safetensors.NewReader(r, size)
	if err != nil {
		return nil, err
	}
	names := f.Names()
	begin := func(name string) int64 { in, _ := f.Info(name); return in.Begin }
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(begin(a), begin(b)) })
	c := &Checkpoint{Format: "safetensors"}
	for _, name := range names {
		t, err := f.Tensor(name)
		if err != nil {
			return nil, err
		}
		c.Tensors = append(c.Tensors, Named{name, t})
	}
	return c, nil
}
