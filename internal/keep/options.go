package keep

import (
	"cmp"

	"github.com/permafrost-ml/permafrost/internal/cache"
)

// Options say what is kept at the frontier and where, and who is told about it.
type Options struct {
	Where     string // auto, off, ram or disk
	Budget    int64  // limit in bytes; 0: chosen automatically
	Precision string // float32, or float16, which halves the size
	// augmented variants of each training example that epochs use in turn; 0: new ones in every
	// epoch, which are not kept
	Variants int
	Augment  string // how training examples are augmented, "none" where they are not
	Seed     uint64 // of the augmentation
	Model    string // the model's name, for people who look into the cache

	Shared  *cache.Cache // the cache that runs share; nil for none
	Private bool         // frozen weights have been trained: no other run can use what is kept
	Brief   bool         // kept values would never be reused

	Helpers Helpers // other processes that compute a part of what is missing; nil: none

	room *memoryRoom // what of the budget in memory is left, of several data sets or frontiers; nil: all of it

	Progress func(done, total int) // called with the number of encoded examples
	Warn     func(message string)  // called with messages for the user
}

// memory is the limit in bytes on frozen values in memory.
func (o *Options) memory() int64 { return cmp.Or(max(o.Budget, 0), 2<<30) }

// Predict reports whether values would be kept, and how many bytes of them stay in memory. all is
// their total size; each and seconds are the size and the computing time of one example.
func (o *Options) Predict(all, each int64, seconds float64) (kept bool, memory int64) {
	inMemory := o.Where != "disk" && all <= o.memory()
	if o.Where == "off" || o.Augment != "none" || !inMemory && o.Where == "ram" {
		return false, 0
	}
	onDisk := o.Where == "disk" || o.Where != "ram" && worthDisk(each, seconds)
	if !inMemory || onDisk && all > little {
		return true, 0
	}
	return true, all
}

// worthDisk reports whether reading values is faster than computing them.
func worthDisk(bytes int64, seconds float64) bool {
	return seconds > float64(bytes)/diskSpeed+diskDelay
}

// diskSpeed is the assumed disk speed in bytes per second, and diskDelay the assumed time to find a
// block in seconds. Values that are computed faster than they can be read are not kept on disk.
const (
	diskSpeed = 500e6
	diskDelay = 20e-6
)

// little is the limit in bytes up to which values on disk are also kept in memory.
const little = 64 << 20
