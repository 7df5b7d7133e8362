package split

import "github.com/permafrost-ml/permafrost/internal/random"

// StepSeed returns the dropout seed for the batch of an epoch that begins with the given example.
func StepSeed(seed uint64, epoch, example int) int64 {
	return random.For(seed, random.Dropout, epoch, example).Int64()
}
