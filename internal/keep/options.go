package keep

import (
	"cmp"

	"github.com/permafrost-ml/permafrost/internal/cache"
)

// Options say what is kept at the frontier, where, and whom to tell.
type Options struct {
	Where     string // auto, off, ram or disk
	Budget    int64  // most bytes; 0: chosen
	Precision string // float32, or float16 for half the size
	Variants  int    // augmented forms of each training example that epochs use in turn; 0: new ones in each, which are not kept
	Augment   string // how training examples are augmented, "none" where they are not
	Seed      uint64 // of the augmentation
	Model     string // name of the model, for people who look the cache over

	Shared  *cache.Cache // what runs share; nil for nothing
	Private bool         // frozen weights have been trained: no other run can use what is kept
	Brief   bool         // nothing that is kept would be used twice

	Progress func(done, total int) // is told how many examples are encoded
	Warn     func(message string)  // is told what a person should know
}

// memory is how many bytes of frozen values may be kept in memory.
func (o *Options) memory() int64 { return cmp.Or(max(o.Budget, 0), 2<<30) }

// Predict says what becomes of values of so many bytes in all, of which those of an example take
// each bytes, and seconds to compute: whether they are kept, and how many bytes of them stay in
// memory.
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

// worthDisk reports whether values are read sooner than they are computed.
func worthDisk(bytes int64, seconds float64) bool {
	return seconds > float64(bytes)/diskSpeed+diskDelay
}

// diskSpeed is how fast a disk is taken to be, in bytes a second, and diskDelay what finding a
// block takes, in seconds: values that are computed faster than that are not worth a place.
const (
	diskSpeed = 500e6
	diskDelay = 20e-6
)

// little is how many bytes a run keeps in memory though they are on the disk.
const little = 64 << 20
