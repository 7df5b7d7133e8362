package compress

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Scheme writes a vector of finite numbers as bytes, and reads it again with what the scheme loses.
type Scheme interface {
	// Encode appends the bytes of x to dst.
	Encode(dst []byte, x []float32) []byte
	// Decode reads a vector of n numbers. It errors on bytes that Encode cannot have written for
	// such a vector. What it returns is finite.
	Decode(b []byte, n int) ([]float32, error)
}

// Forms lists how schemes are written.
var Forms = []string{"none", "fp16", "int8", "topk:P"}

// Parse reads the name of a scheme: "none" keeps all 32 bits, "fp16" and "int8" keep a number in 16
// or 8 bits, and "topk:P" the share P of the numbers, those of the largest magnitude, in 16 bits.
func Parse(text string) (Scheme, error) {
	name, rest, has := strings.Cut(text, ":")
	switch {
	case name == "topk" && !has:
		return nil, errors.New("topk needs the share of the weights that is sent, as topk:0.01")
	case name == "topk":
		p, err := strconv.ParseFloat(rest, 64)
		if err != nil || !(p > 0 && p <= 1) {
			return nil, fmt.Errorf("topk:%s: the share is a number above 0 and up to 1", rest)
		}
		return TopK{p}, nil
	case has:
	case name == "none":
		return None{}, nil
	case name == "fp16":
		return Half{}, nil
	case name == "int8":
		return Byte{}, nil
	}
	return nil, fmt.Errorf("there is no compression %q: give one of %s", text, strings.Join(Forms, ", "))
}

// Feedback compresses the changes of one sender, round after round. It is for one goroutine.
type Feedback struct {
	Scheme Scheme
	lost   []float32
}

// Encode appends the bytes of x and of what was lost before. It errors on a number that is not
// finite, and keeps what it had lost.
func (f *Feedback) Encode(dst []byte, x []float32) ([]byte, error) {
	sum := make([]float32, len(x))
	copy(sum, f.lost)
	for i, v := range x {
		sum[i] += v
		if sum[i]-sum[i] != 0 {
			return nil, fmt.Errorf("compress: number %d is %g", i, v)
		}
	}
	at := len(dst)
	dst = f.Scheme.Encode(dst, sum)
	got, err := f.Scheme.Decode(dst[at:], len(x))
	if err != nil {
		panic(err) // Decode reads what Encode writes
	}
	for i := range sum {
		sum[i] -= got[i]
	}
	f.lost = sum
	return dst, nil
}

// Lost is what the rounds so far have not carried, for a checkpoint. It is nil before the first.
func (f *Feedback) Lost() []float32 { return f.lost }

// Restore goes on from a Lost.
func (f *Feedback) Restore(lost []float32) { f.lost = lost }

// block is how many numbers share a scale.
const block = 1024

// scaleOf is the largest magnitude, by which the numbers of a block are divided.
func scaleOf(x []float32) float32 {
	var m float32
	for _, v := range x {
		m = max(m, v, -v)
	}
	return m
}

// encodeBlocks appends a scale for each 1,024 numbers, and then what put appends for each number's
// share of it.
func encodeBlocks(dst []byte, x []float32, put func(dst []byte, share float32) []byte) []byte {
	for len(x) > 0 {
		b := x[:min(block, len(x))]
		x = x[len(b):]
		s := scaleOf(b)
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(s))
		for _, v := range b {
			dst = put(dst, ratio(v, s))
		}
	}
	return dst
}

// decodeBlocks reads n numbers of size bytes each, with their scales. get reads a share, from -1 to 1.
func decodeBlocks(b []byte, n, size int, get func(b []byte) float32) ([]float32, error) {
	if want := size*n + 4*((n+block-1)/block); len(b) != want {
		return nil, wrongLength(b, want, n)
	}
	out := make([]float32, 0, n)
	for len(out) < n {
		s := math.Float32frombits(binary.LittleEndian.Uint32(b))
		if err := checkScale(s); err != nil {
			return nil, err
		}
		b = b[4:]
		for range min(block, n-len(out)) {
			v, err := share(get(b), s)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
			b = b[size:]
		}
	}
	return out, nil
}

// ratio is v/s, for a scale of 0 too.
func ratio(v, s float32) float32 {
	if s == 0 {
		return 0
	}
	return v / s
}

// share is r of a scale. It errors where r is no share.
func share(r, s float32) (float32, error) {
	if !(r >= -1 && r <= 1) {
		return 0, fmt.Errorf("compress: %g of a scale", r)
	}
	return r * s, nil
}

// checkScale errors on a scale that no block has.
func checkScale(s float32) error {
	if !(s >= 0 && s <= math.MaxFloat32) {
		return fmt.Errorf("compress: a scale of %g", s)
	}
	return nil
}

func wrongLength(b []byte, want, n int) error {
	return fmt.Errorf("compress: %d bytes for %d numbers, which take %d", len(b), n, want)
}
