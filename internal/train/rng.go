package train

import (
	"encoding/binary"
	"math/rand/v2"
)

// purpose keeps the random numbers of one use apart from those of another.
type purpose uint64

// The uses of randomness. Their numbers are part of what a seed means and never change.
const (
	purposeInit    purpose = iota + 1 // first weights of the head and of adapters; at the tensor's index
	purposeOrder                      // order of the examples; at the epoch
	purposeAugment                    // augmentation; at the epoch and the example's index
	purposeDropout                    // dropout; at the epoch and the step in it
	purposeSplit                      // which examples are held out
	purposeMixup                      // mixup; at the epoch and the batch's first example
)

// randFor returns the random numbers that belong to (seed, purpose, at): the ChaCha8 stream under
// that key. They depend on nothing else, so neither the number of threads nor the point at which a
// run is resumed changes them. It panics on more than two coordinates.
func randFor(seed uint64, p purpose, at ...int) *rand.Rand {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[0:], seed)
	binary.LittleEndian.PutUint64(key[8:], uint64(p))
	for i, v := range at {
		binary.LittleEndian.PutUint64(key[16+8*i:], uint64(v))
	}
	return rand.New(rand.NewChaCha8(key))
}

// Order is the order in which epoch visits n examples: a uniformly drawn permutation of 0 to n-1.
func Order(seed uint64, epoch, n int) []int { return randFor(seed, purposeOrder, epoch).Perm(n) }
