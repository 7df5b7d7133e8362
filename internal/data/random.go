package data

import (
	"encoding/binary"
	"math/rand/v2"
)

// Draw seeds the random numbers for augmenting an example: the same for equal Draws, and unrelated
// for different ones.
type Draw struct {
	Seed  uint64 // of the run
	Epoch int
	Item  int // the example's index in its Dataset
}

// Rand returns a generator of the numbers.
func (d Draw) Rand() *rand.Rand { return random(d.Seed, d.Epoch, d.Item) }

// random returns a random generator: the same numbers for the same (seed, epoch, item), and
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
