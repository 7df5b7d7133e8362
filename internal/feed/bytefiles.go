package feed

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// ByteRow says how a file of any kind becomes one row of a model's input: the bytes of its
// beginning, middle and end, one number per byte. The JSON keys are those of Magika's model
// configuration. White space at the start and end of the file is skipped. If the file is too short,
// the beginning is padded after its bytes, the end before them, and the middle on both sides.
type ByteRow struct {
	Begin  int `json:"beg_size"`
	Middle int `json:"mid_size"`
	End    int `json:"end_size"`
	// bytes examined at either end; 0 for the larger of Begin and End
	Block   int `json:"block_size"`
	Padding int `json:"padding_token"` // the padding number
}

// Len is the size of a row.
func (b *ByteRow) Len() int { return b.Begin + b.Middle + b.End }

// whiteSpace is skipped at both ends of a file.
const whiteSpace = " \t\n\r\v\f"

// Prepare reads a file of the given size and returns its row.
func (b *ByteRow) Prepare(r io.ReaderAt, size int64) ([]uint16, error) {
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

// byteFiles is the Source of files of any kind.
type byteFiles struct {
	files *data.Files
	feed  *Bytes
}

func (s *byteFiles) Form() data.Form { return s.feed.Form() }
func (s *byteFiles) Length(int) int  { return 1 }

// row prepares file i and stores the digest of its row.
func (s *byteFiles) row(i int) ([]uint16, error) {
	f, info, err := s.files.Open(i)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info.Size() == 0 {
		return nil, errors.New("the file is empty")
	}
	r, ok := f.(io.ReaderAt)
	if !ok { // a file system without random access
		b, err := io.ReadAll(f)
		if err != nil {
			return nil, err
		}
		r = bytes.NewReader(b)
	}
	row, err := s.feed.Prepare(r, info.Size())
	if err != nil {
		return nil, err
	}
	flat := make([]byte, 0, 2*len(row))
	for _, v := range row {
		flat = binary.LittleEndian.AppendUint16(flat, v)
	}
	return row, s.files.Settle(i, sha256.Sum256(flat))
}

func (s *byteFiles) Check(i int) error {
	_, err := s.row(i)
	return err
}

// Digest returns the digest of the row.
func (s *byteFiles) Digest(i int) ([sha256.Size]byte, error) {
	if sum, ok := s.files.Sum(i); ok {
		return sum, nil
	}
	err := s.Check(i)
	sum, _ := s.files.Sum(i)
	return sum, err
}

func (s *byteFiles) Read(i int, _ *data.Draw, dst []*tensor.Tensor) error {
	row, err := s.row(i)
	if err != nil {
		return err
	}
	for k, v := range row {
		if s.feed.dtype == tensor.Int32 {
			tensor.Data[int32](dst[0])[k] = int32(v)
		} else {
			dst[0].I64()[k] = int64(v)
		}
	}
	return nil
}
