package freeze

import (
	"crypto/sha256"
	"encoding/hex"
	"sort"

	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/ondisk"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Seal records the digests of all frozen weights, before training and after.
type Seal struct {
	Before string            `json:"before"` // digest over all frozen weights
	After  string            `json:"after"`
	Frozen map[string]string `json:"frozen"` // name -> sha256 of its bytes before training
}

// Digests gives the sha256 of each frozen weight's bytes. Of a partly frozen weight it covers the
// frozen elements.
func Digests(set *Set, p *Plan) map[string]string {
	return DigestsBy(set, p, func(t *tensor.Tensor) [sha256.Size]byte { return sum(t.Bytes) })
}

// DigestsBy is Digests with another source of the sha256 of a whole weight's bytes, which may know
// some. It is called from many goroutines.
func DigestsBy(set *Set, p *Plan, of func(*tensor.Tensor) [sha256.Size]byte) map[string]string {
	entries := make([]Entry, len(set.Weights))
	for i, w := range set.Weights {
		entries[i] = p.Of(w.Name)
	}
	sums := make([]string, len(set.Weights))
	kernel.Parallel(len(set.Weights), func(i int) {
		w := set.Weights[i]
		var d [sha256.Size]byte
		switch e := entries[i]; e.State {
		case Frozen:
			d = of(w.Value.Data)
		case Partly:
			d = sum(frozenBytes(w, e))
		default:
			return
		}
		sums[i] = hex.EncodeToString(d[:])
	})
	out := map[string]string{}
	for i, w := range set.Weights {
		if sums[i] != "" {
			out[w.Name] = sums[i]
		}
	}
	return out
}

// frozenBytes gives the bytes of the elements that do not train.
func frozenBytes(w *Weight, e Entry) []byte {
	t := w.Value.Data
	size := t.DType.Size()
	var keep []byte
	for i, m := range e.ElementMask(t.Shape) {
		if m == 0 {
			keep = append(keep, t.Bytes[i*size:(i+1)*size]...)
		}
	}
	return keep
}

func sum(b []byte) [sha256.Size]byte {
	h := sha256.New()
	_ = ondisk.Write(h, b) // a hash takes everything
	return [sha256.Size]byte(h.Sum(nil))
}

// Total is one digest of a set of named digests.
func Total(digests map[string]string) string {
	names := make([]string, 0, len(digests))
	for n := range digests {
		names = append(names, n)
	}
	sort.Strings(names)
	h := sha256.New()
	for _, n := range names {
		h.Write([]byte(n + "\x00" + digests[n] + "\n"))
	}
	return hex.EncodeToString(h.Sum(nil))
}
