package privacy

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math"
	mathrand "math/rand/v2"
)

// Clip shortens a change to at most limit, in place, and returns its length before. All thawed
// weights are clipped together.
func Clip(delta []float32, limit float64) float64 {
	var sum float64
	for _, v := range delta {
		sum += float64(v) * float64(v)
	}
	norm := math.Sqrt(sum)
	if norm > limit {
		// A hair less than the limit, so that rounding cannot lengthen it.
		scale := limit / norm * (1 - 1e-6)
		for i, v := range delta {
			delta[i] = float32(float64(v) * scale)
		}
	}
	return norm
}

// AddNoise adds Gaussian noise of a standard deviation to every number, drawn from src.
//
// The numbers are rounded to float32 after the noise is added. The attack on the last bits of
// floating-point noise (Mironov 2012) needs a single number in full precision; here it is lessened
// by adding four draws of half the deviation (Holohan, Braghin, Secure Random Sampling in
// Differential Privacy, 2021), not excluded.
func AddNoise(x []float32, deviation float64, src mathrand.Source) {
	rng := mathrand.New(src)
	for i, v := range x {
		n := rng.NormFloat64() + rng.NormFloat64() + rng.NormFloat64() + rng.NormFloat64()
		x[i] = float32(float64(v) + deviation*n/2)
	}
}

// Secret is a source of random numbers that nobody can foretell: ChaCha8 under a key of the
// operating system. Noise for privacy comes from it. A seed that is written down would let everyone
// take the noise off again.
func Secret() (mathrand.Source, error) {
	var key [32]byte
	if _, err := rand.Read(key[:]); err != nil {
		return nil, fmt.Errorf("privacy: %w", err)
	}
	return mathrand.NewChaCha8(key), nil
}

// Seeded is a source that follows from a seed and a round, for simulations only: it protects
// nobody.
func Seeded(seed uint64, round int) mathrand.Source {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	binary.LittleEndian.PutUint64(key[8:], uint64(round))
	copy(key[16:], "privacy noise")
	return mathrand.NewChaCha8(key)
}
