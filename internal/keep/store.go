package keep

import (
	"encoding/binary"
	"math"
	"sync"

	"github.com/permafrost-ml/permafrost/internal/cache"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Store keeps the values of examples at a cut of the network, by index. It is safe for concurrent
// use.
type Store interface {
	// Get copies the values of an example into dst, one slice per value, and reports whether they
	// were found. If not, the contents of dst are undefined.
	Get(example int, dst [][]byte) bool
	// Put stores the values of an example. It may decline.
	Put(example int, src [][]byte)
	// Bytes returns how much is kept.
	Bytes() int64
}

// ram is a Store in memory for the cut of one data set.
type ram struct {
	mu    sync.RWMutex
	rows  [][]byte // one buffer per example
	bytes int64
	kept  int
	room  *memoryRoom
}

// memoryRoom is the rest of a budget in bytes, shared by several stores.
type memoryRoom struct {
	mu   sync.Mutex
	left int64
}

func (m *memoryRoom) take(n int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.left < n {
		return false
	}
	m.left -= n
	return true
}

// NewRAM returns a Store in memory for n examples, without a size limit.
func NewRAM(n int) Store { return newRAM(n, &memoryRoom{left: math.MaxInt64}) }

func newRAM(n int, room *memoryRoom) *ram { return &ram{rows: make([][]byte, n), room: room} }

func (r *ram) Get(i int, dst [][]byte) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	row := r.rows[i]
	if row == nil {
		return false
	}
	for _, d := range dst {
		row = row[copy(d, row):]
	}
	return true
}

func (r *ram) Put(i int, src [][]byte) {
	n := sizeOf(src)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rows[i] != nil || !r.room.take(n) {
		return
	}
	row := make([]byte, 0, n)
	for _, s := range src {
		row = append(row, s...)
	}
	r.rows[i] = row
	r.bytes += n
	r.kept++
}

func (r *ram) Bytes() int64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.bytes
}

// full reports whether every example is stored.
func (r *ram) full() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.kept == len(r.rows)
}

// disk is a Store in the shared cache, with one space for each value of the cut.
type disk struct {
	spaces []*cache.Space
	keys   []cache.Digest // of the examples
	room   *memoryRoom    // what this run may still add

	mu    sync.Mutex
	bytes int64 // bytes read or written
	seen  []bool
}

func (d *disk) Get(i int, dst [][]byte) bool {
	for k, s := range d.spaces {
		if !s.Get(d.keys[i], dst[k]) {
			return false
		}
	}
	d.count(i, dst)
	return true
}

func (d *disk) Put(i int, src [][]byte) { d.put(i, src) }

// put reports whether the values are stored.
func (d *disk) put(i int, src [][]byte) bool {
	if !d.room.take(sizeOf(src)) {
		return false
	}
	for k, s := range d.spaces {
		if !s.Put(d.keys[i], src[k]) {
			return false
		}
	}
	d.count(i, src)
	return true
}

func (d *disk) count(i int, row [][]byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.seen[i] {
		d.seen[i] = true
		d.bytes += sizeOf(row)
	}
}

func (d *disk) Bytes() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bytes
}

func sizeOf(row [][]byte) int64 {
	n := int64(0)
	for _, b := range row {
		n += int64(len(b))
	}
	return n
}

// halved stores some float32 values as float16.
type halved struct {
	Store
	half []bool // by value
}

func (h *halved) Get(i int, dst [][]byte) bool {
	row := make([][]byte, len(dst))
	for k, b := range dst {
		if row[k] = b; h.half[k] {
			row[k] = make([]byte, len(b)/2)
		}
	}
	if !h.Store.Get(i, row) {
		return false
	}
	for k, b := range dst {
		if h.half[k] {
			widen(b, row[k])
		}
	}
	return true
}

func (h *halved) Put(i int, src [][]byte) {
	row := make([][]byte, len(src))
	for k, b := range src {
		if row[k] = b; h.half[k] {
			row[k] = narrow(b)
		}
	}
	h.Store.Put(i, row)
}

// narrow rounds float32 to float16.
func narrow(src []byte) []byte {
	dst := make([]byte, len(src)/2)
	for i := 0; i < len(dst); i += 2 {
		x := math.Float32frombits(binary.NativeEndian.Uint32(src[2*i:]))
		binary.NativeEndian.PutUint16(dst[i:], tensor.Float32ToFloat16(x))
	}
	return dst
}

func widen(dst, src []byte) {
	for i := 0; i < len(src); i += 2 {
		x := tensor.Float16ToFloat32(binary.NativeEndian.Uint16(src[i:]))
		binary.NativeEndian.PutUint32(dst[2*i:], math.Float32bits(x))
	}
}

// tiers keeps values on disk, if there is one and it is worthwhile, and in memory. Small values on
// disk are kept in memory too. For larger ones the operating system caches what is read often.
type tiers struct {
	ram     *ram
	disk    *disk // nil: none
	persist bool  // write to disk
	both    bool  // also keep in memory what is on disk
}

func (t *tiers) Get(i int, dst [][]byte) bool {
	if t.ram.Get(i, dst) {
		return true
	}
	if t.disk == nil || !t.disk.Get(i, dst) {
		return false
	}
	if t.both {
		t.ram.Put(i, dst)
	}
	return true
}

func (t *tiers) Put(i int, src [][]byte) {
	if t.persist {
		if t.disk.put(i, src) && !t.both {
			return
		}
	}
	t.ram.Put(i, src)
}

func (t *tiers) full() bool { return t.ram.full() }

func (t *tiers) Bytes() int64 {
	if t.disk == nil {
		return t.ram.Bytes()
	}
	if t.both {
		return max(t.ram.Bytes(), t.disk.Bytes())
	}
	return t.ram.Bytes() + t.disk.Bytes()
}

// has reports whether the disk seems to hold the values of every example.
func (d *disk) has(keys []cache.Digest) bool {
	for _, key := range keys {
		for _, s := range d.spaces {
			if !s.Has(key) {
				return false
			}
		}
	}
	return true
}
