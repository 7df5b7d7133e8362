package onnx

import (
	"crypto/sha256"
	"encoding/hex"

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
		return m.sum()
	}
	return m.digest()
}

func (m *Model) sum() string {
	h := sha256.New()
	_ = ondisk.Write(h, m.data) // a hash takes everything
	for _, p := range m.Params {
		if p.External {
			h.Write(p.Tensor.Bytes)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
