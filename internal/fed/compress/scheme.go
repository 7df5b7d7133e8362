package compress

import (
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
