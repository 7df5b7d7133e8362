package run

import (
	"errors"
	"io"
	"maps"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ondisk"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// best is the weights of the best epoch, in memory or in a file that the fit alone has. The zero value
// has none.
type best struct {
	tensors map[string]*tensor.Tensor // as a checkpoint holds them; nil: none
	file    []byte                    // into which they look; nil: they are in memory
	crc     uint32                    // of what went into the file
}

var errBest = errors.New("run: the disk lost the weights of the best epoch, which were in a temporary file (TMPDIR, or /var/tmp): resume the run from its checkpoint")

// take replaces the weights by copies of others, on disk if that is wanted and can be had.
func (b *best) take(weights map[string]*tensor.Tensor, onDisk bool) {
	b.drop()
	b.tensors = map[string]*tensor.Tensor{}
	if onDisk && b.write(weights) {
		return
	}
	for name, t := range weights {
		b.tensors[name] = t.Clone()
	}
}

// write writes weights to a file and reports whether it could.
func (b *best) write(weights map[string]*tensor.Tensor) bool {
	names := slices.Sorted(maps.Keys(weights))
	at, n := make([]int, len(names)), 0
	for i, name := range names {
		at[i] = n
		n += (len(weights[name].Bytes) + tensor.Align - 1) &^ (tensor.Align - 1)
	}
	var ok bool
	b.file, ok = ondisk.Keep(int64(n), func(w io.Writer) error {
		var padding [tensor.Align]byte
		for _, name := range names {
			t := weights[name].Bytes
			if _, err := w.Write(t); err != nil {
				return err
			}
			if _, err := w.Write(padding[:-len(t)&(tensor.Align-1)]); err != nil {
				return err
			}
		}
		return nil
	})
	if !ok {
		return false
	}
	for i, name := range names {
		t := weights[name]
		b.tensors[name] = &tensor.Tensor{DType: t.DType, Shape: t.Shape, Bytes: b.file[at[i]:][:len(t.Bytes):len(t.Bytes)]}
	}
	b.crc = (&Checkpoint{Tensors: weights}).crc()
	return true
}

// check errors where the file no longer has what was written to it.
func (b *best) check() error {
	if b.file != nil && (&Checkpoint{Tensors: b.tensors}).crc() != b.crc {
		return errBest
	}
	return nil
}

// drop lets go of the weights.
func (b *best) drop() {
	ondisk.Drop(b.file)
	*b = best{}
}
