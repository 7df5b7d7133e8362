package train

import "github.com/permafrost-ml/permafrost/internal/random"

// stepSeed is the dropout seed of the batch of an epoch that begins with an example.
func stepSeed(seed uint64, epoch, example int) int64 {
	return random.For(seed, random.Dropout, epoch, example).Int64()
}
