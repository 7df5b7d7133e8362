package cluster

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
)

// Digest is the SHA-256 of a content, in hex. It names a blob.
type Digest string

// DigestOf gives the digest of a content.
func DigestOf(content []byte) Digest {
	sum := sha256.Sum256(content)
	return Digest(hex.EncodeToString(sum[:]))
}

func (d Digest) check() error {
	if b, err := hex.DecodeString(string(d)); err != nil || len(b) != sha256.Size {
		return fmt.Errorf("cluster: %q is no SHA-256 digest in hex", string(d))
	}
	return nil
}

// errDamaged says that a content is not what its digest says.
var errDamaged = errors.New("damaged: the content does not match its digest")

// sum computes a digest as bytes come.
type sum struct{ hash.Hash }

func newSum() sum { return sum{sha256.New()} }

func (s sum) digest() Digest { return Digest(hex.EncodeToString(s.Sum(nil))) }
