package data

import (
	"encoding/binary"
	"math/rand/v2"
)

// Draw names the numbers that augmentation draws for an example: they are the same for the same
// Draw and unrelated for any other.
type Draw struct {
	Seed  uint64 // of the run
	Epoch int
	Item  int // the example's place in its Dataset
}

// Rand is a generator of the numbers.
func (d Draw) Rand() *rand.Rand { return random(d.Seed, d.Epoch, d.Item) }

// random returns the generator of one purpose: the same numbers for the same (seed, epoch, item),
// unrelated ones for any other.
func random(seed uint64, epoch, item int) *rand.Rand {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	binary.LittleEndian.PutUint64(key[8:], uint64(epoch))
	binary.LittleEndian.PutUint64(key[16:], uint64(item))
	return rand.New(rand.NewChaCha8(key))
}

// Shuffle returns the order of n examples in an epoch of the run with this seed.
func Shuffle(seed uint64, epoch, n int) []int {
	return random(seed, epoch, -1).Perm(n)
}

// FileOrder returns the indices of n examples in their own order.
func FileOrder(n int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	return order
}
