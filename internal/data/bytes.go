package data

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Bytes says how files of any kind become a row of a model's input: as the bytes of their beginning, their middle and their
// end, one number each. The JSON keys are those of Magika's model configuration. White space before the beginning and
// behind the end is left out; a beginning that is too short is filled up behind, an end in front, a middle on both sides.
type Bytes struct {
	Begin   int `json:"beg_size"`
	Middle  int `json:"mid_size"`
	End     int `json:"end_size"`
	Block   int `json:"block_size"`    // bytes at either end that are looked at; 0 for as many as the larger of them has
	Padding int `json:"padding_token"` // the number that fills up

	Input string       `json:"-"` // name of the model's input
	DType tensor.DType `json:"-"` // of it
}

// Len is the size of a row.
func (b *Bytes) Len() int { return b.Begin + b.Middle + b.End }

// Form is one row a file.
func (b *Bytes) Form() Form {
	return Form{Inputs: []Input{{Name: b.Input, DType: b.DType, Shape: tensor.Shape{b.Len()}}}, Rows: true, Most: 1}
}

// whiteSpace is what is left out at the ends.
const whiteSpace = " \t\n\r\v\f"

// Prepare reads a file of a size and gives its row.
func (b *Bytes) Prepare(r io.ReaderAt, size int64) ([]uint16, error) {
	block := b.Block
	if block == 0 {
		block = max(b.Begin, b.End)
	}
	read := func(at int64, n int) ([]byte, error) {
		buf := make([]byte, n)
		_, err := r.ReadAt(buf, at)
		if err == io.EOF {
			err = nil
		}
		return buf, err
	}
	n := int(min(size, int64(block)))
	begin, err := read(0, n)
	if err != nil {
		return nil, err
	}
	end, err := read(size-int64(n), n)
	if err != nil {
		return nil, err
	}
	m := int(min(size, int64(b.Middle)))
	middle, err := read((size-int64(m))/2, m)
	if err != nil {
		return nil, err
	}
	begin, end = bytes.TrimLeft(begin, whiteSpace), bytes.TrimRight(end, whiteSpace)
	begin, end = begin[:min(len(begin), b.Begin)], end[max(0, len(end)-b.End):]
	row := make([]uint16, b.Len())
	for i := range row {
		row[i] = uint16(b.Padding)
	}
	put := func(at int, part []byte) {
		for i, v := range part {
			row[at+i] = uint16(v)
		}
	}
	put(0, begin)
	put(b.Begin+(b.Middle-m)/2, middle)
	put(b.Len()-len(end), end)
	return row, nil
}

// rawFiles is the Source of files of any kind.
type rawFiles struct {
	*Bytes
	paths []string
	sums  []atomic.Pointer[[sha256.Size]byte]
}

func newRawFiles(b *Bytes, examples []Example) *rawFiles {
	s := &rawFiles{Bytes: b, sums: make([]atomic.Pointer[[sha256.Size]byte], len(examples))}
	for _, e := range examples {
		s.paths = append(s.paths, e.Path)
	}
	return s
}

func (*rawFiles) Length(int) int { return 1 }

// row prepares file i. It errors when the file was read before and gave another row.
func (s *rawFiles) row(i int) ([]uint16, error) {
	f, err := os.Open(s.paths[i])
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("not a regular file")
	case info.Size() == 0:
		return nil, errors.New("the file is empty")
	}
	row, err := s.Prepare(f, info.Size())
	if err != nil {
		return nil, err
	}
	flat := make([]byte, 0, 2*len(row))
	for _, v := range row {
		flat = binary.LittleEndian.AppendUint16(flat, v)
	}
	sum := sha256.Sum256(flat)
	if !s.sums[i].CompareAndSwap(nil, &sum) && *s.sums[i].Load() != sum {
		return nil, errChanged
	}
	return row, nil
}

func (s *rawFiles) check(i int) error {
	_, err := s.row(i)
	return err
}

func (s *rawFiles) Digest(i int) ([sha256.Size]byte, error) {
	if s.sums[i].Load() == nil {
		if err := s.check(i); err != nil {
			return [sha256.Size]byte{}, fmt.Errorf("data: %s: %w", s.paths[i], err)
		}
	}
	return *s.sums[i].Load(), nil
}

func (s *rawFiles) Read(i, _ int, dst []*tensor.Tensor) error {
	row, err := s.row(i)
	if err != nil {
		return err
	}
	for k, v := range row {
		if s.DType == tensor.Int32 {
			tensor.Data[int32](dst[0])[k] = int32(v)
		} else {
			dst[0].I64()[k] = int64(v)
		}
	}
	return nil
}
