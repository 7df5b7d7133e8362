package checkpoint

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// torchVersion is the version of the archive that torch.save writes since torch 1.6.
const torchVersion = "3\n"

// saveTorch writes the zip file of torch.save: archive/data.pkl is an OrderedDict of tensors, in
// pickle protocol 2, and archive/data/N is the storage of one. Torch 1.6 and later load it, also
// with weights_only=True. Names that share a tensor share a storage.
// Source: torch/serialization.py and torch/_utils.py of torch 1.13.
func (d *StateDict) saveTorch(w io.Writer) error {
	keys := map[*tensor.Tensor]int{}
	var storages []*tensor.Tensor
	p := pickler{}
	p.op(opProto, 2)
	p.global("collections.OrderedDict")
	p.op(opEmptyTuple, opReduce, opMark)
	for _, t := range d.Tensors {
		key, ok := keys[t.tensor]
		if !ok {
			key = len(storages)
			keys[t.tensor] = key
			storages = append(storages, t.tensor)
		}
		p.text(t.Name)
		if err := p.tensor(t.tensor, strconv.Itoa(key)); err != nil {
			return fmt.Errorf("tensor %q: %w", t.Name, err)
		}
	}
	p.op(opSetItems, opStop)

	a := newArchive(w)
	if err := a.add("archive/data.pkl", p); err != nil {
		return err
	}
	if err := a.add("archive/byteorder", []byte("little")); err != nil {
		return err
	}
	for i, t := range storages {
		if err := a.add("archive/data/"+strconv.Itoa(i), t.Bytes); err != nil {
			return err
		}
	}
	if err := a.add("archive/version", []byte(torchVersion)); err != nil {
		return err
	}
	return a.close()
}

// pickler is a pickle as it grows.
type pickler []byte

func (p *pickler) op(ops ...byte) { *p = append(*p, ops...) }

func (p *pickler) text(s string) {
	p.op(opBinUnicode)
	*p = binary.LittleEndian.AppendUint32(*p, uint32(len(s)))
	*p = append(*p, s...)
}

func (p *pickler) int(n int) {
	if n <= math.MaxInt32 {
		p.op(opBinInt)
		*p = binary.LittleEndian.AppendUint32(*p, uint32(n))
		return
	}
	p.op(opLong1, 8)
	*p = binary.LittleEndian.AppendUint64(*p, uint64(n))
}

func (p *pickler) ints(ns []int) {
	p.op(opMark)
	for _, n := range ns {
		p.int(n)
	}
	p.op(opTuple)
}

// global pushes a name of Python, such as torch.FloatStorage.
func (p *pickler) global(name global) {
	i := strings.LastIndexByte(string(name), '.')
	p.op(opGlobal)
	*p = append(*p, string(name[:i])+"\n"+string(name[i+1:])+"\n"...)
}

// tensor pushes a tensor that fills the storage key.
func (p *pickler) tensor(t *tensor.Tensor, key string) error {
	storage, ok := storageOf(t.DType)
	if !ok {
		return fmt.Errorf("PyTorch has no storage for %v: write .safetensors", t.DType)
	}
	p.global("torch._utils._rebuild_tensor_v2")
	p.op(opMark, opMark)
	p.text("storage")
	p.global(storage)
	p.text(key)
	p.text("cpu")
	p.int(t.Len())
	p.op(opTuple, opBinPersID)
	p.int(0) // offset
	p.ints(t.Shape)
	strides := make([]int, len(t.Shape))
	n := 1
	for i := len(strides) - 1; i >= 0; i-- {
		strides[i] = n
		n *= max(t.Shape[i], 1)
	}
	p.ints(strides)
	p.op(opNewFalse) // requires_grad
	p.global("collections.OrderedDict")
	p.op(opEmptyTuple, opReduce) // hooks
	p.op(opTuple, opReduce)
	return nil
}

// storageOf returns the type of PyTorch's buffers for elements of a type.
func storageOf(dt tensor.DType) (global, bool) {
	for name, of := range storages {
		if of == dt && dt != tensor.Invalid {
			return name, true
		}
	}
	return "", false
}
