// Package random gives everything random in a run its numbers: they follow from a seed, what they
// are for, and where in the run they are drawn, and from nothing else. So they depend neither on
// the number of threads nor on the point at which a run is resumed.
package random

import (
	"encoding/binary"
	"math/rand/v2"
)

// Purpose keeps the random numbers of one use apart from those of another.
type Purpose uint64

// The uses of randomness. Their numbers are part of what a seed means and never change.
const (
	Init    Purpose = iota + 1 // first weights of the head and of adapters; at the tensor's index
	Order                      // order of the examples; at the epoch
	Augment                    // augmentation; at the epoch and the example's index
	Dropout                    // dropout; at the epoch and the step in it
	Split                      // which examples are held out
	Mixup                      // mixup; at the epoch and the batch's first example
	Trial                      // which example is tried before a fit
	Search                     // what a search tries; at the number of the trial
	Clients                    // what is drawn of and for the clients of a federation; at the round and the client
)

// For returns the random numbers that belong to (seed, purpose, at): the ChaCha8 stream under
// that key. They depend on nothing else, so neither the number of threads nor the point at which a
// run is resumed changes them. It panics on more than two coordinates.
func For(seed uint64, p Purpose, at ...int) *rand.Rand {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[0:], seed)
	binary.LittleEndian.PutUint64(key[8:], uint64(p))
	for i, v := range at {
		binary.LittleEndian.PutUint64(key[16+8*i:], uint64(v))
	}
	return rand.New(rand.NewChaCha8(key))
}

// Permutation is the order in which epoch visits n examples: a uniformly drawn permutation of 0 to
// n-1.
func Permutation(seed uint64, epoch, n int) []int { return For(seed, Order, epoch).Perm(n) }
