package freezing

import (
	"encoding/binary"
	"fmt"
)

// Mask says which places of a vector are active. nil stands for all.
type Mask []bool

// Active is how many of n places are active.
func (m Mask) Active(n int) int {
	if m == nil {
		return n
	}
	k := 0
	for _, on := range m {
		if on {
			k++
		}
	}
	return k
}

// And is what both masks have active.
func (m Mask) And(other Mask) Mask {
	switch {
	case m == nil:
		return other
	case other == nil:
		return m
	}
	out := make(Mask, len(m))
	for i := range m {
		out[i] = m[i] && other[i]
	}
	return out
}

// Gather is the active part of x.
func (m Mask) Gather(x []float32) []float32 {
	if m == nil {
		return x
	}
	out := make([]float32, 0, m.Active(len(x)))
	for i, on := range m {
		if on {
			out = append(out, x[i])
		}
	}
	return out
}

// Scatter is the vector of n places whose active part is x and whose rest is zero. It errors where x
// has another length.
func (m Mask) Scatter(x []float32, n int) ([]float32, error) {
	if want := m.Active(n); len(x) != want {
		return nil, fmt.Errorf("freezing: %d numbers for %d active weights", len(x), want)
	}
	if m == nil {
		return x, nil
	}
	out := make([]float32, n)
	for i, on := range m {
		if on {
			out[i], x = x[0], x[1:]
		}
	}
	return out, nil
}

// Marshal writes the mask as the lengths of its runs, the first of frozen places: a few bytes where
// whole tensors are frozen.
func (m Mask) Marshal() []byte {
	if m == nil {
		return nil
	}
	var out []byte
	run, on := 0, false
	for _, v := range m {
		if v != on {
			out = binary.AppendUvarint(out, uint64(run))
			run, on = 0, v
		}
		run++
	}
	return binary.AppendUvarint(out, uint64(run))
}

// Unmarshal reads a mask of n places. No bytes stand for all places.
func Unmarshal(b []byte, n int) (Mask, error) {
	if len(b) == 0 {
		return nil, nil
	}
	m := make(Mask, 0, n)
	for on := false; len(b) > 0; on = !on {
		run, size := binary.Uvarint(b)
		if size <= 0 || run > uint64(n-len(m)) {
			return nil, fmt.Errorf("freezing: a mask that does not have %d places", n)
		}
		b = b[size:]
		for range run {
			m = append(m, on)
		}
	}
	if len(m) != n {
		return nil, fmt.Errorf("freezing: a mask of %d places, there are %d", len(m), n)
	}
	return m, nil
}
