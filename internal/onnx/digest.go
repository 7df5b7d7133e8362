package onnx

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"slices"
	"sync"

	"github.com/permafrost-ml/permafrost/internal/ondisk"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Digest returns the SHA-256 of a tensor's contents in hexadecimal: its elements in row-major
// order, little-endian, whatever their encoding in a file.
func Digest(t *tensor.Tensor) string {
	h := sha256.Sum256(t.Bytes)
	return hex.EncodeToString(h[:])
}

// Digest returns the SHA-256 of the parameter's contents, see the function Digest.
func (p *Param) Digest() string { return Digest(p.Tensor) }

// Digest identifies the model: the SHA-256, in hexadecimal, of its file's bytes followed by the
// contents of its external parameters in order. It is computed once. It may be called from several
// goroutines.
func (m *Model) Digest() string {
	if m.digest == nil { // not read from a file
		return m.hexSum()
	}
	return m.digest()
}

// Digests remembers the digests of files while they are unchanged. Info describes a file as it was
// before it was read.
type Digests interface {
	Digest(path string, info fs.FileInfo) (sum [sha256.Size]byte, ok bool)
	Learn(path string, info fs.FileInfo, sum [sha256.Size]byte)
}

// KnowDigest has the digest come from what is known of the model's file, and makes it known where it
// is not. It changes nothing for a model that was not read from one file. Call it before the model is used by
// several goroutines.
func (m *Model) KnowDigest(known Digests) {
	if m.file == nil || slices.ContainsFunc(m.Params, func(p *Param) bool { return p.External }) {
		return
	}
	m.digest = sync.OnceValue(func() string {
		sum, ok := known.Digest(m.Path, m.file)
		if !ok {
			sum = m.sum()
			known.Learn(m.Path, m.file, sum)
		}
		return hex.EncodeToString(sum[:])
	})
}

func (m *Model) sum() (sum [sha256.Size]byte) {
	h := sha256.New()
	_ = ondisk.Write(h, m.data) // a hash takes everything
	for _, p := range m.Params {
		if p.External {
			h.Write(p.Tensor.Bytes)
		}
	}
	h.Sum(sum[:0])
	return sum
}

func (m *Model) hexSum() string {
	sum := m.sum()
	return hex.EncodeToString(sum[:])
}
